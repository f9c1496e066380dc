"""The audit trail: rows chained by hashes, so that a change of any of them shows.

Each row bears a sha256 over all its other fields, one of which is the hash of the row before. Who
alters, removes or reorders rows must recompute every later hash, and then the last hash no longer
is the one that somebody wrote down elsewhere (`radnode audit verify` prints it for that purpose:
rows cut off at the end show only against such a note). The database itself refuses UPDATE and
DELETE by triggers, which stops mistakes, not somebody who owns the database.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Text, cast, select

from node.ledger.columns import add_rows, bound, canonical, instant, storable
from node.ledger.schema import audit
from node.rules.events import Event

FIRST_HASH = "0" * 64
LONGEST_UID = 128
"""Characters kept of a name that a peer gave us; a legal UID has at most 64 (PS3.5 9.1)."""

_NEWEST = select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)


@dataclass(frozen=True, slots=True)
class Concerns:
    """What an event concerns: the names under which a timeline finds it."""

    study_uid: str | None = None
    series_uid: str | None = None
    sop_uid: str | None = None
    job_id: str | None = None
    delivery_id: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """One audit row to be: what happened, to what, when, and the rest."""

    at: datetime
    event: Event
    subject: str
    concerns: Concerns = Concerns()
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the chain is whole; if not, the first row that breaks it, and why."""

    ok: bool
    rows: int
    head_hash: str
    first_broken_seq: int | None = None
    why: str = ""


def append(connection: Connection, notes: Sequence[Note]) -> None:
    """Add rows at the end of the chain; the caller's transaction must be the only one writing."""
    if not notes:
        return
    head = connection.execute(_NEWEST).first()
    seq, previous = (head.seq, head.hash) if head is not None else (0, FIRST_HASH)
    rows = []
    for note in notes:
        seq += 1
        at, fields = instant(note.at), _fields(note)
        link = digest((seq, at, *fields, previous))
        rows.append((seq, bound(note.at, connection.dialect), *fields, previous, link))
        previous = link
    add_rows(connection, audit, rows)


def verify(connection: Connection) -> Verdict:
    """Recompute the chain from the first row to the last; reads row by row, however many."""
    columns = [cast(c, Text).label("at") if c.name == "at" else c for c in audit.c]
    query = select(*columns).order_by(audit.c.seq).execution_options(yield_per=1000)
    count, previous = 0, FIRST_HASH
    for row in connection.execute(query).mappings():
        why = _fault(count + 1, previous, row)
        if why:
            return Verdict(
                ok=False, rows=count, head_hash=previous, first_broken_seq=count + 1, why=why
            )
        count, previous = count + 1, row["hash"]
    return Verdict(ok=True, rows=count, head_hash=previous)


def digest(fields: Iterable[object]) -> str:
    """Hash a row's fields, in the order of the table's columns without the hash itself."""
    return hashlib.sha256(canonical(list(fields)).encode()).hexdigest()


def _fields(note: Note) -> tuple[str | None, ...]:
    """Give what a row says, in the order of the table's columns, from the event to the detail."""
    concerns = note.concerns
    return (
        note.event.value,
        storable(note.subject),
        _reference(concerns.study_uid),
        _reference(concerns.series_uid),
        _reference(concerns.sop_uid),
        _reference(concerns.job_id),
        _reference(concerns.delivery_id),
        canonical(note.detail),
    )


def _reference(name: str | None) -> str | None:
    return None if name is None else storable(name)[:LONGEST_UID]


def _fault(expected: int, previous: str, row: Mapping[Any, Any]) -> str:
    if row["seq"] != expected:
        return f"row {expected} is missing"
    if row["previous_hash"] != previous:
        return f"row {expected} does not continue the row before it"
    known = {**row, "at": _moment(row["at"])}
    fields = [value for name, value in known.items() if name != "hash"]
    if digest(fields) != row["hash"]:
        return f"row {expected} was altered after it was written"
    return ""


def _moment(text: str) -> str:
    """Give a moment as it was hashed, or the text as it is if somebody made it no moment."""
    try:
        return instant(datetime.fromisoformat(text))
    except ValueError:
        return text
