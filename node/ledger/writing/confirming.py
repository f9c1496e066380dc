"""Writes down storage commitment: what was asked, and what the destination vouches for."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import insert, or_, select

from node.ledger.rows import Row, delivery_of, result_of
from node.ledger.schema import commitment
from node.ledger.schema import delivery as table
from node.ledger.schema import result as results
from node.ledger.transactions import Page, Transactions, chunks
from node.ledger.writing.owing import move, rows_of
from node.rules.events import Event
from node.rules.nouns import Delivery


class Confirming(Transactions):
    """Verbs of the confirm leg (PS3.4 annex J)."""

    def deliveries_to_commit(
        self, destination: str, limit: int, again_after_seconds: float
    ) -> list[Delivery]:
        """Give what a destination accepted and was not asked about lately, oldest first.

        Args:
            destination: the peer's name.
            limit: how many at most.
            again_after_seconds: an unanswered question is put again after so long.
        """
        before = self._clock.now() - timedelta(seconds=again_after_seconds)
        query = (
            select(table, results)
            .join(results, results.c.sop_instance_uid == table.c.sop_instance_uid)
            .where(table.c.destination == destination, table.c.state == "accepted")
            .where(or_(table.c.asked_at.is_(None), table.c.asked_at <= before))
            .order_by(table.c.accepted_at, table.c.delivery_id)
            .limit(limit)
        )
        with self._reading() as connection:
            found = []
            for row in connection.execute(query):
                fields = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
                made = result_of({c.name: fields[c] for c in results.c})
                found.append(delivery_of({c.name: fields[c] for c in table.c}, made))
            return found

    def commitment_requested(self, transaction_uid: str, delivery_ids: Sequence[str]) -> None:
        """Note a question, before it is put: its answer may come over another association.

        Raises:
            ForbiddenTransitionError: one of the deliveries was not accepted.
        """
        with self._writing() as page:
            for some in chunks(delivery_ids):
                for row in rows_of(page, table.c.delivery_id.in_(some)):
                    asked = {"asked_at": page.now}
                    told = {"transaction_uid": transaction_uid}
                    move(page, row, Event.COMMITMENT_REQUESTED, asked, told)
                    values = {
                        "transaction_uid": transaction_uid,
                        "delivery_id": row["delivery_id"],
                        **asked,
                    }
                    page.connection.execute(insert(commitment), values)

    def delivery_committed(self, transaction_uid: str, sop_instance_uids: Sequence[str]) -> None:
        """Note what a destination vouches for.

        What it was not asked about, or is no longer waiting for an answer, changes nothing and is
        noted as ignored.
        """
        with self._writing() as page:
            matched = _asked(page, transaction_uid, sop_instance_uids)
            for row in matched:
                told = {"transaction_uid": transaction_uid}
                move(page, row, Event.DELIVERY_COMMITTED, {"finished_at": page.now}, told)
            ignored = len(set(sop_instance_uids)) - len(matched)
            _ignore(page, Event.DELIVERY_COMMITTED, transaction_uid, ignored)

    def commitment_refused(
        self, transaction_uid: str, refused: Mapping[str, str], not_before: datetime
    ) -> None:
        """Queue again what a destination does not vouch for; the rest as in delivery_committed.

        Args:
            transaction_uid: the question.
            refused: reasons in words, by SOP Instance UID.
            not_before: when to send again.
        """
        with self._writing() as page:
            matched = _asked(page, transaction_uid, list(refused))
            for row in matched:
                reason = refused[row["sop_instance_uid"]]
                values = {
                    "not_before": not_before,
                    "queued_at": page.now,
                    "attempts": 0,
                    "accepted_at": None,
                    "asked_at": None,
                    "reason": reason,
                }
                told = {"transaction_uid": transaction_uid, "reason": reason}
                move(page, row, Event.COMMITMENT_REFUSED, values, told)
            _ignore(page, Event.COMMITMENT_REFUSED, transaction_uid, len(refused) - len(matched))


def _asked(page: Page, transaction_uid: str, sop_instance_uids: Sequence[str]) -> list[Row]:
    """Give the deliveries that the question was about and that still wait for its answer."""
    asked = select(commitment.c.delivery_id).where(commitment.c.transaction_uid == transaction_uid)
    found: list[Row] = []
    for some in chunks(set(sop_instance_uids)):
        about = (table.c.delivery_id.in_(asked), table.c.sop_instance_uid.in_(some))
        found.extend(rows_of(page, *about, table.c.state == "accepted"))
    return found


def _ignore(page: Page, event: Event, transaction_uid: str, count: int) -> None:
    if count > 0:
        why = "this transaction did not ask about them, or their answer is in already"
        told = {"ignored": count, "reason": why}
        page.note(event, f"commitment {transaction_uid[:128]}", None, told)
