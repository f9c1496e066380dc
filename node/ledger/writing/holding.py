"""Who holds what under a lease, and the end of a lease whose holder is known to be gone."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Table, or_, select, update

from node.ledger.schema import delivery, job
from node.ledger.transactions import Transactions

_HELD = ((job, "running"), (delivery, "sending"))


def due(
    table: Table, now: datetime, longest_pause: float | None, fresh: ColumnElement[bool]
) -> ColumnElement[bool]:
    """Of a row that waits: its time has come, or was written by a clock that was set back since.

    What is `fresh` waits for nothing, and nothing is put off for longer than the longest pause, in
    seconds (None: there is none).
    """
    reasons = [table.c.not_before <= now, fresh]
    if longest_pause is not None:
        reasons.append(table.c.not_before > now + timedelta(seconds=longest_pause))
    return or_(*reasons)


class Holding(Transactions):
    """The verbs of leases, whatever they are of."""

    def holders(self) -> set[str]:
        """Name every worker that holds a job or a delivery."""
        found: set[str] = set()
        with self._reading() as connection:
            for table, state in _HELD:
                query = select(table.c.worker).where(table.c.state == state).distinct()
                found.update(connection.scalars(query))
        return found

    def running_jobs(self) -> set[str]:
        """Name every job that somebody holds."""
        with self._reading() as connection:
            return set(connection.scalars(select(job.c.job_id).where(job.c.state == "running")))

    def leases_ended(self, workers: Iterable[str]) -> None:
        """End the leases of workers that are known to be gone; what they held lapses at once."""
        gone = list(workers)
        if not gone:
            return
        with self._writing() as page:
            for table, state in _HELD:
                held = (table.c.state == state, table.c.worker.in_(gone))
                page.connection.execute(update(table).where(*held).values(lease_until=page.now))
