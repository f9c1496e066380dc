"""What happened: the timeline of anything that has a UID, and the audit trail as a whole."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, or_, select

from node.ledger import chain
from node.ledger.chain import Verdict
from node.ledger.finding import Found, find
from node.ledger.schema import audit
from node.ledger.transactions import Transactions

_JOB_EVENTS = "job\\_%"


class History(Transactions):
    """Questions about what happened."""

    def find(self, uid: str) -> Found:
        """Say what a UID or one of our own names stands for, and what belongs to it."""
        with self._reading() as connection:
            return find(connection, uid)

    def timeline(self, uid: str) -> list[dict[str, Any]]:
        """Give everything known of a study, series, instance, job, result or delivery, in order.

        Returns:
            Audit rows as in `audit_rows`; none when nothing is known.
        """
        with self._reading() as connection:
            found = find(connection, uid)
            query = select(audit).where(_about(uid, found)).order_by(audit.c.seq)
            return [_told(row) for row in connection.execute(query).mappings()]

    def audit_rows(self, after_seq: int, limit: int) -> list[dict[str, Any]]:
        """Give up to `limit` audit rows that follow a number, `detail` as a mapping."""
        query = select(audit).where(audit.c.seq > after_seq).order_by(audit.c.seq).limit(limit)
        with self._reading() as connection:
            return [_told(row) for row in connection.execute(query).mappings()]

    def last_audit_rows(self, count: int) -> list[dict[str, Any]]:
        """Give the newest audit rows, the oldest of them first."""
        query = select(audit).order_by(audit.c.seq.desc()).limit(count)
        with self._reading() as connection:
            return _in_order([_told(row) for row in connection.execute(query).mappings()])

    def verify(self) -> Verdict:
        """Recompute the whole audit chain."""
        with self._reading() as connection:
            return chain.verify(connection)


def _about(uid: str, found: Found) -> ColumnElement[bool]:
    if found.kind == "association":
        return audit.c.subject == f"association {uid}"
    about = [
        column == uid
        for column in (
            audit.c.study_uid,
            audit.c.series_uid,
            audit.c.sop_uid,
            audit.c.job_id,
            audit.c.delivery_id,
        )
    ]
    if found.kind == "result":  # what made it belongs to its story, and where its series went
        about.append(audit.c.sop_uid.in_(found.results))
        made = audit.c.job_id.in_(found.jobs) & audit.c.event.like(_JOB_EVENTS, escape="\\")
        about.append(made)
    return or_(*about)


def _told(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {**row, "detail": json.loads(row["detail"])}


def _in_order(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return list(reversed(rows))
