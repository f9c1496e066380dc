"""Writes down images as they come: new ones, repeated ones, and those that contradict another.

Theory of operation. A batch is one transaction: look up everything that its images could meet
(images, contradictions and series that are known), decide image by image against that memory,
then write everything at once. The decisions, in this order, for an image whose UID

* is new: it is received; a settled series opens its next edition, and its jobs end of which
  nothing is owed yet;
* is known, with the same file name: this very fact was written before (the answer got lost):
  nothing is written, and what was said then is said again;
* is known, with the same bytes: repeated; if our copy was let go meanwhile, this one takes its
  place, and that counts as received, so that nobody deletes the only copy. Either way a series
  that is open waits on: its sender begins again from the first image after it was cut off;
* is known, with other bytes: conflicted; the first is what models see, the later is kept beside
  it, and the audit row holds both digests. Those bytes again: repeated.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Table, bindparam, insert, select, update

from node.ledger.chain import Concerns
from node.ledger.columns import add_rows, among, bound, listed, storable
from node.ledger.schema import conflict, feeding, instance, series
from node.ledger.transactions import Page, Transactions
from node.ledger.writing.superseding import end_outdated
from node.rules import states
from node.rules.events import Event
from node.rules.nouns import Caller, Instance


@dataclass(slots=True)
class _Series:
    """What the batch knows of a series: its row, and whether it is new or changed."""

    row: dict[str, Any]
    new: bool = False
    changed: bool = False


class _Copy(NamedTuple):
    """What the batch knows of an image's bytes: those in use, or others kept beside them."""

    sha256: str
    spool_name: str
    series_instance_uid: str
    edition: int
    released_at: datetime | None


@dataclass(slots=True)
class _Memory:
    """Everything known that the images of a batch could meet, and what is to be written."""

    instances: dict[str, _Copy]
    conflicts: dict[str, list[_Copy]]
    series: dict[str, _Series]
    fed: set[tuple[str, str]]
    new_instances: list[tuple[Instance, int]] = field(default_factory=list)
    new_conflicts: list[dict[str, Any]] = field(default_factory=list)
    new_fed: list[dict[str, Any]] = field(default_factory=list)
    returned: list[dict[str, Any]] = field(default_factory=list)


class Receiving(Transactions):
    """Verbs of the receive leg."""

    def instances_received(self, batch: Sequence[Instance]) -> list[Event]:
        """Write a batch of images in one transaction, and say for each what became of it.

        Args:
            batch: images whose files are safe in the spool, in the order in which they came; the
                same SOP Instance UID may occur more than once.

        Returns:
            For each image INSTANCE_RECEIVED (its file is in use), INSTANCE_REPEATED (its file is
            one too many and may go) or INSTANCE_CONFLICTED (its file is kept beside the first).
        """
        if not batch:
            return []
        with self._writing() as page:
            known = [_legible(one) for one in batch]
            memory = _remember(page.connection, known)
            outcomes = [_decide(page, memory, one) for one in known]
            _write(page.connection, memory)
            return outcomes

    def instance_refused(
        self,
        caller: Caller,
        association: str,
        sop_instance_uid: str | None,
        status: str,
        reason: str,
    ) -> None:
        """Note that an image was not accepted: what was answered, and why."""
        with self._writing() as page:
            page.note(
                Event.INSTANCE_REFUSED,
                f"instance {(sop_instance_uid or 'unnamed')[:128]}",
                Concerns(sop_uid=sop_instance_uid),
                {
                    "association": association,
                    "calling_ae": caller.calling_ae,
                    "status": status,
                    "reason": reason,
                },
            )


def _legible(one: Instance) -> Instance:
    """Give the image with UIDs as the database will give them back, so that they compare equal."""
    uids = (one.sop_instance_uid, one.series_instance_uid, one.study_instance_uid)
    clean = tuple(storable(uid) for uid in uids)
    if clean == uids:
        return one
    sop, of_series, study = clean
    return replace(
        one, sop_instance_uid=sop, series_instance_uid=of_series, study_instance_uid=study
    )


def _remember(connection: Connection, batch: Sequence[Instance]) -> _Memory:
    times = Counter(one.sop_instance_uid for one in batch)
    uids = {one.series_instance_uid for one in batch}
    associations = {one.association for one in batch if one.association}
    instances = {
        row["sop_instance_uid"]: _copy(row, row["edition"])
        for row in _rows(connection, instance, sop_instance_uid=times)
    }
    conflicts: dict[str, list[_Copy]] = {}
    twice = [sop for sop, count in times.items() if count > 1 or sop in instances]
    for row in _rows(connection, conflict, sop_instance_uid=twice):
        conflicts.setdefault(row["sop_instance_uid"], []).append(_copy(row))
    return _Memory(
        instances=instances,
        conflicts=conflicts,
        series={
            row["series_instance_uid"]: _Series(dict(row))
            for row in _rows(connection, series, series_instance_uid=uids)
        },
        fed={
            (row["series_instance_uid"], row["association"])
            for row in _rows(
                connection, feeding, series_instance_uid=uids, association=associations
            )
        },
    )


def _copy(row: Mapping[Any, Any], edition: int = 0) -> _Copy:
    return _Copy(
        row["sha256"], row["spool_name"], row["series_instance_uid"], edition, row["released_at"]
    )


def _rows(
    connection: Connection, table: Table, **wanted: Collection[str]
) -> Iterable[Mapping[Any, Any]]:
    """Give the rows whose columns hold one of the wanted texts each; all of them are in an index.

    Of nothing wanted there is nothing.
    """
    if not all(wanted.values()):
        return ()
    dialect = connection.dialect.name
    given = {column: listed([*texts], dialect) for column, texts in wanted.items()}
    return connection.execute(_those_of(table, tuple(wanted), dialect), given).mappings()


@lru_cache(maxsize=16)
def _those_of(table: Table, columns: tuple[str, ...], dialect: str) -> Select[Any]:
    return select(table).where(*(among(table.c[name], name, dialect) for name in columns))


def _decide(page: Page, memory: _Memory, one: Instance) -> Event:
    first = memory.instances.get(one.sop_instance_uid)
    if first is None:
        _receive(page, memory, one)
        return Event.INSTANCE_RECEIVED
    if first.spool_name == one.spool_name:
        return Event.INSTANCE_RECEIVED
    if first.sha256 == one.sha256:
        if first.released_at is not None:
            _take_back(page, memory, one, first)
            return Event.INSTANCE_RECEIVED
        _wait_on(memory, one)
        page.note(*_told(Event.INSTANCE_REPEATED, one))
        return Event.INSTANCE_REPEATED
    return _decide_conflict(page, memory, one, first)


def _decide_conflict(page: Page, memory: _Memory, one: Instance, first: _Copy) -> Event:
    for other in memory.conflicts.get(one.sop_instance_uid, []):
        if other.spool_name == one.spool_name:
            return Event.INSTANCE_CONFLICTED
        if other.sha256 == one.sha256 and other.released_at is None:
            page.note(*_told(Event.INSTANCE_REPEATED, one, repeats=other.spool_name))
            return Event.INSTANCE_REPEATED
    _contradict(page, memory, one, first)
    return Event.INSTANCE_CONFLICTED


def _receive(page: Page, memory: _Memory, one: Instance) -> None:
    """A new image: its row, its series touched or reopened, its association remembered."""
    known = _touch(page, memory, one)
    edition = known.row["edition"]
    copy = _Copy(one.sha256, one.spool_name, one.series_instance_uid, edition, None)
    memory.instances[one.sop_instance_uid] = copy
    memory.new_instances.append((one, edition))
    page.note(*_told(Event.INSTANCE_RECEIVED, one, edition=edition))
    _feed(memory, known, one)


def _feed(memory: _Memory, known: _Series, one: Instance) -> None:
    """Remember that the association brings images of the series."""
    pair = (known.row["series_instance_uid"], one.association or "")
    if one.association and pair not in memory.fed:
        memory.fed.add(pair)
        memory.new_fed.append(dict(zip(("series_instance_uid", "association"), pair, strict=True)))


def _wait_on(memory: _Memory, one: Instance) -> None:
    """Keep an open series waiting while what it has already is sent again."""
    known = memory.series.get(one.series_instance_uid)
    if known is not None and known.row["state"] == "open":
        known.row["last_received"] = max(known.row["last_received"], one.received_at)
        known.changed = True
        _feed(memory, known, one)


def _touch(page: Page, memory: _Memory, one: Instance) -> _Series:
    known = memory.series.get(one.series_instance_uid)
    if known is None:
        known = _Series(_first_row(one), new=True)
        memory.series[one.series_instance_uid] = known
        return known
    row = known.row
    if row["state"] == "settled":
        _reopen(page, one, row)
    else:
        row["state"] = states.after("series", row["state"], Event.INSTANCE_RECEIVED)
    row["instances"] += 1
    row["first_received"] = min(row["first_received"], one.received_at)
    row["last_received"] = max(row["last_received"], one.received_at)
    known.changed = True
    return known


def _reopen(page: Page, one: Instance, row: dict[str, Any]) -> None:
    row["state"] = states.after("series", row["state"], Event.SERIES_REOPENED)
    row["edition"] += 1
    row["settled_at"] = row["reason"] = None
    page.note(
        Event.SERIES_REOPENED,
        f"series {one.series_instance_uid}",
        Concerns(study_uid=row["study_instance_uid"], series_uid=one.series_instance_uid),
        {"edition": row["edition"], "instances": row["instances"]},
    )
    end_outdated(page, one.series_instance_uid, row["edition"])


def _first_row(one: Instance) -> dict[str, Any]:
    return {
        "series_instance_uid": one.series_instance_uid,
        "study_instance_uid": one.study_instance_uid,
        "state": states.after("series", "", Event.INSTANCE_RECEIVED),
        "edition": 1,
        "instances": 1,
        "first_received": one.received_at,
        "last_received": one.received_at,
        "attributes": one.attributes,
        "settled_at": None,
        "reason": None,
    }


def _take_back(page: Page, memory: _Memory, one: Instance, first: _Copy) -> None:
    """The bytes of a known image had been let go, and are here again under a new name."""
    copy = first._replace(spool_name=one.spool_name, released_at=None)
    memory.instances[one.sop_instance_uid] = copy
    memory.returned.append(_columns(one))
    known = memory.series[one.series_instance_uid]
    known.row["last_received"] = max(known.row["last_received"], one.received_at)
    known.changed = True
    _wait_on(memory, one)
    page.note(*_told(Event.INSTANCE_RECEIVED, one, edition=copy.edition, returned=True))


def _contradict(page: Page, memory: _Memory, one: Instance, first: _Copy) -> None:
    copy = _Copy(one.sha256, one.spool_name, one.series_instance_uid, 0, None)
    memory.conflicts.setdefault(one.sop_instance_uid, []).append(copy)
    memory.new_conflicts.append({**_columns(one), "released_at": None})
    facts = {
        "first_sha256": first.sha256,
        "first_spool_name": first.spool_name,
        "first_series": first.series_instance_uid,
    }
    page.note(*_told(Event.INSTANCE_CONFLICTED, one, **facts))


def _columns(one: Instance) -> dict[str, Any]:
    return {
        "sop_instance_uid": one.sop_instance_uid,
        "series_instance_uid": one.series_instance_uid,
        "study_instance_uid": one.study_instance_uid,
        "sha256": one.sha256,
        "size": one.size,
        "spool_name": one.spool_name,
        "received_at": one.received_at,
        "calling_ae": one.calling_ae,
        "association": one.association,
    }


def _told(
    happened: Event, one: Instance, **more: object
) -> tuple[Event, str, Concerns, dict[str, object]]:
    concerns = Concerns(
        study_uid=one.study_instance_uid,
        series_uid=one.series_instance_uid,
        sop_uid=one.sop_instance_uid,
    )
    detail: dict[str, object] = {
        "association": one.association,
        "calling_ae": one.calling_ae,
        "sha256": one.sha256,
        "size": one.size,
        "spool_name": one.spool_name,
        **more,
    }
    return happened, f"instance {one.sop_instance_uid}", concerns, detail


def _write(connection: Connection, memory: _Memory) -> None:
    """Write everything at once, the series before the images that point to them."""
    new = [known.row for known in memory.series.values() if known.new]
    changed = [_moved(known) for known in memory.series.values() if known.changed and not known.new]
    if new:
        connection.execute(insert(series), new)
    if memory.new_instances:
        rows = [_instance_row(one, edition, connection) for one, edition in memory.new_instances]
        add_rows(connection, instance, rows)
    for table, few in ((conflict, memory.new_conflicts), (feeding, memory.new_fed)):
        if few:
            connection.execute(insert(table), few)
    if changed:
        connection.execute(_MOVE, changed)
    for row in memory.returned:
        back = update(instance).where(instance.c.sop_instance_uid == row["sop_instance_uid"])
        kept = {key: row[key] for key in ("spool_name", "received_at", "calling_ae", "association")}
        connection.execute(back.values(**kept, released_at=None))


def _instance_row(one: Instance, edition: int, connection: Connection) -> tuple[object, ...]:
    """Give the row in the order of the table's columns; UIDs were made `_legible` before."""
    return (
        one.sop_instance_uid,
        storable(one.sop_class_uid),
        one.series_instance_uid,
        one.study_instance_uid,
        storable(one.transfer_syntax_uid),
        one.sha256,
        one.size,
        one.spool_name,
        bound(one.received_at, connection.dialect),
        storable(one.calling_ae),
        one.association,
        edition,
        None,
    )


_MOVABLE = (
    "state",
    "edition",
    "instances",
    "first_received",
    "last_received",
    "settled_at",
    "reason",
)
_MOVE = (
    update(series)
    .where(series.c.series_instance_uid == bindparam("uid"))
    .values({name: bindparam(f"new_{name}") for name in _MOVABLE})
)


def _moved(known: _Series) -> dict[str, Any]:
    row = known.row
    return {"uid": row["series_instance_uid"], **{f"new_{n}": row[n] for n in _MOVABLE}}
