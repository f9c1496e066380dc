"""Writes down who called and how it ended, and when the node itself came and went."""

from collections.abc import Sequence

from sqlalchemy import insert, select, update

from node.ledger.schema import association as table
from node.ledger.transactions import Transactions
from node.rules.events import Event
from node.rules.nouns import Caller

OUTCOMES = ("released", "aborted", "lost")


class Associating(Transactions):
    """Verbs of the node's own life and of associations."""

    def node_started(self, legs: Sequence[str], version: str) -> None:
        """Note that a process of the node has started with these legs."""
        with self._writing() as page:
            page.note(Event.NODE_STARTED, "node", None, {"legs": list(legs), "version": version})

    def node_stopped(self, legs: Sequence[str], version: str) -> None:
        """Note that it stops, in good order."""
        with self._writing() as page:
            page.note(Event.NODE_STOPPED, "node", None, {"legs": list(legs), "version": version})

    def association_opened(self, association: str, peer: str, caller: Caller) -> None:
        """Note that an association was accepted; `association` is our own name for it."""
        with self._writing() as page:
            known = select(table.c.association).where(table.c.association == association)
            if page.connection.execute(known).first() is not None:
                return  # told twice
            values = {
                "association": association,
                "peer": peer,
                "calling_ae": caller.calling_ae,
                "called_ae": caller.called_ae,
                "address": caller.address,
                "opened_at": page.now,
                "outcome": "open",
                "instances": 0,
            }
            page.connection.execute(insert(table), values)
            page.note(
                Event.ASSOCIATION_OPENED,
                f"association {association}",
                None,
                {"peer": peer, **_told(caller)},
            )

    def association_refused(self, caller: Caller, reason: str) -> None:
        """Note that an association was rejected, and why."""
        with self._writing() as page:
            page.note(
                Event.ASSOCIATION_REFUSED,
                f"caller {caller.calling_ae}",
                None,
                {"reason": reason, **_told(caller)},
            )

    def association_closed(self, association: str, outcome: str, instances: int) -> None:
        """Note how an association ended: released, aborted or lost; told twice, once is kept.

        Raises:
            ValueError: there is no such outcome.
        """
        if outcome not in OUTCOMES:
            raise ValueError(f"an association ends {' or '.join(OUTCOMES)}, not {outcome}")
        with self._writing() as page:
            end = (
                update(table)
                .where(table.c.association == association, table.c.outcome == "open")
                .values(outcome=outcome, instances=instances, closed_at=page.now)
            )
            if page.connection.execute(end).rowcount:
                page.note(
                    Event.ASSOCIATION_CLOSED,
                    f"association {association}",
                    None,
                    {"outcome": outcome, "instances": instances},
                )

    def associations_lost(self) -> int:
        """Close as lost whatever a crash left open, and give its number.

        Called by the process that listens, before it listens.
        """
        with self._writing() as page:
            left = select(table.c.association).where(table.c.outcome == "open")
            names = list(page.connection.scalars(left.order_by(table.c.opened_at)))
            if names:
                end = update(table).where(table.c.outcome == "open")
                page.connection.execute(end.values(outcome="lost", closed_at=page.now))
            for name in names:
                page.note(
                    Event.ASSOCIATION_CLOSED, f"association {name}", None, {"outcome": "lost"}
                )
            return len(names)


def _told(caller: Caller) -> dict[str, object]:
    return {
        "calling_ae": caller.calling_ae,
        "called_ae": caller.called_ae,
        "address": caller.address,
    }
