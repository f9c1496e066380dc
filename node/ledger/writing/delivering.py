"""Writes down how results fare on their way: claimed, accepted, put off, failed."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select

from node.ledger.rows import Row, delivery_of, result_of
from node.ledger.schema import delivery as table
from node.ledger.schema import result as results
from node.ledger.transactions import Page, Transactions, chunks
from node.ledger.writing.holding import due
from node.ledger.writing.owing import move, rows_of
from node.rules import states
from node.rules.events import Event
from node.rules.nouns import Delivery


class Delivering(Transactions):
    """Verbs of the deliver leg."""

    def destinations_waiting(self, longest_pause: float | None = None) -> dict[str, int]:
        """Count, for each destination that has something due now, how much.

        `longest_pause` is for how many seconds a delivery may be put off at most.
        """
        with self._reading() as connection:
            query = (
                select(table.c.destination, func.count())
                .where(table.c.state == "queued", _due(self._clock.now(), longest_pause))
                .group_by(table.c.destination)
            )
            return {row[0]: row[1] for row in connection.execute(query)}

    def claim_deliveries(
        self,
        destination: str,
        worker: str,
        lease_seconds: float,
        limit: int,
        longest_pause: float | None = None,
    ) -> list[Delivery]:
        """Take what is due at one destination, oldest first, under a lease.

        Args:
            destination: the peer's name.
            worker: who takes it.
            lease_seconds: for how long.
            limit: how many at most.
            longest_pause: for how many seconds one may be put off at most.
        """
        with self._writing() as page:
            wanted = [
                table.c.destination == destination,
                table.c.state == "queued",
                _due(page.now, longest_pause),
            ]
            taken = []
            for row in rows_of(page, *wanted, limit=limit):
                values = {
                    "attempts": row["attempts"] + 1,
                    "worker": worker,
                    "lease_until": page.now + timedelta(seconds=lease_seconds),
                }
                told = {"worker": worker, "attempts": values["attempts"]}
                move(page, row, Event.DELIVERY_STARTED, values, told)
                taken.append({**row, **values})
            return _with_results(page, taken)

    def deliveries_lapsed(self) -> list[str]:
        """Queue again whatever was being sent when its lease ran out, and give the names."""
        with self._reading() as connection:
            some = select(table.c.delivery_id).where(*_lapsed(self._clock.now())).limit(1)
            if connection.execute(some).first() is None:
                return []
        with self._writing() as page:
            rows = rows_of(page, *_lapsed(page.now))
            for row in rows:
                told = {"reason": "its sender stopped without a word", "worker": row["worker"]}
                move(page, row, Event.DELIVERY_RETRIED, _back(page.now), told)
            return [row["delivery_id"] for row in rows]

    def delivery_accepted(self, delivery_id: str, status: str) -> None:
        """Note that the destination answered success; `status` is its answer in words.

        It has the result, so this counts even when the lease has lapsed meanwhile and the
        delivery is queued again; said twice, it is kept once.

        Raises:
            ForbiddenTransitionError: the delivery was given up, or was never queued.
        """
        with self._writing() as page:
            row = _one(page, delivery_id, Event.DELIVERY_ACCEPTED, *_MAY_BE_ACCEPTED)
            if row["state"] in ("accepted", "committed"):
                return
            if row["state"] == "queued":
                late = {"reason": "its sender was slower than its lease"}
                move(page, row, Event.DELIVERY_STARTED, {}, late)
                row = {**row, "state": "sending"}
            values = {
                "worker": None,
                "lease_until": None,
                "accepted_at": page.now,
                "asked_at": None,
                "status": status,
                "reason": None,
            }
            told = {"status": status, "attempts": row["attempts"]}
            move(page, row, Event.DELIVERY_ACCEPTED, values, told)

    def delivery_retried(self, delivery_id: str, reason: str, not_before: datetime) -> None:
        """Note that it did not work, and is to be tried again at `not_before`.

        Raises:
            ForbiddenTransitionError: the delivery is not being sent.
        """
        with self._writing() as page:
            row = _one(page, delivery_id, Event.DELIVERY_RETRIED)
            told = {
                "reason": reason,
                "not_before": not_before.isoformat(),
                "attempts": row["attempts"],
            }
            move(page, row, Event.DELIVERY_RETRIED, {**_back(not_before), "reason": reason}, told)

    def delivery_declined(self, delivery_id: str, reason: str) -> None:
        """Note that the destination does not take this kind of object, and need not.

        Raises:
            ForbiddenTransitionError: the delivery is not being sent.
        """
        self._over(delivery_id, Event.DELIVERY_DECLINED, reason)

    def delivery_failed(self, delivery_id: str, reason: str) -> None:
        """Note that it will not be tried again unless a person says so.

        Raises:
            ForbiddenTransitionError: the delivery is not being sent.
        """
        self._over(delivery_id, Event.DELIVERY_FAILED, reason)

    def _over(self, delivery_id: str, event: Event, reason: str) -> None:
        with self._writing() as page:
            row = _one(page, delivery_id, event)
            values = {
                "worker": None,
                "lease_until": None,
                "finished_at": page.now,
                "reason": reason,
            }
            told = {"reason": reason, "attempts": row["attempts"]}
            move(page, row, event, values, told)


def _due(now: datetime, longest_pause: float | None) -> ColumnElement[bool]:
    fresh = (table.c.attempts == 0) & (table.c.not_before <= table.c.queued_at)
    return due(table, now, longest_pause, fresh)


def _lapsed(now: datetime) -> list[ColumnElement[bool]]:
    return [table.c.state == "sending", table.c.lease_until <= now]


def _back(not_before: datetime) -> dict[str, Any]:
    return {"worker": None, "lease_until": None, "not_before": not_before}


_MAY_BE_ACCEPTED = ("sending", "queued", "accepted", "committed")


def _one(page: Page, delivery_id: str, event: Event, *in_states: str) -> Row:
    wanted = table.c.state.in_(in_states or ("sending",))
    rows = rows_of(page, table.c.delivery_id == delivery_id, wanted)
    if not rows:
        raise states.ForbiddenTransitionError(
            f"delivery {delivery_id} is not being sent and cannot have {event}"
        )
    return rows[0]


def _with_results(page: Page, taken: list[dict[Any, Any]]) -> list[Delivery]:
    known = {}
    for uids in chunks(row["sop_instance_uid"] for row in taken):
        query = select(results).where(results.c.sop_instance_uid.in_(uids))
        for row in page.connection.execute(query).mappings():
            known[row["sop_instance_uid"]] = result_of(row)
    return [delivery_of(row, known[row["sop_instance_uid"]]) for row in taken]
