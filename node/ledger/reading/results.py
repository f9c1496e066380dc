"""What is known of jobs and their results, and what the node is doing right now."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, exists, func, select

from node.ledger.rows import result_of
from node.ledger.schema import association, delivery, job, result, series
from node.ledger.transactions import Transactions
from node.rules import states
from node.rules.nouns import Result

FAILURES_SHOWN = 10
OURS = ", results withheld: a failure of ours"


class Results(Transactions):
    """Questions about what was made, and the overview."""

    def results_of(self, job_id: str) -> list[Result]:
        """Give what a job made."""
        with self._reading() as connection:
            return _results(connection, job_id)

    def previous_results(self, series_uid: str, edition: int, model: str) -> list[Result]:
        """Give what the same model made of the newest earlier edition that has any results.

        They may be notices that it did not run; what was withheld is no result to anybody.
        """
        query = (
            select(job.c.job_id)
            .join(result, result.c.job_id == job.c.job_id)
            .where(job.c.series_instance_uid == series_uid, job.c.model == model)
            .where(job.c.edition < edition, ~result.c.withheld)
            .order_by(job.c.edition.desc(), job.c.finished_at.desc())
            .limit(1)
        )
        with self._reading() as connection:
            newest = connection.scalar(query)
            found = [] if newest is None else _results(connection, newest)
            return [one for one in found if not one.withheld]

    def is_own_result(self, sop_instance_uid: str) -> bool:
        """Say whether the node made this object itself (a PACS may send it back)."""
        query = select(result.c.kind).where(result.c.sop_instance_uid == sop_instance_uid)
        with self._reading() as connection:
            return connection.execute(query).first() is not None

    def has_jobs(self) -> bool:
        """Say whether any job waits or runs."""
        query = select(job.c.job_id).where(job.c.state.in_(("waiting", "running"))).limit(1)
        with self._reading() as connection:
            return connection.execute(query).first() is not None

    def status(self) -> dict[str, Any]:
        """Give the overview: counts by state, what waits longest, the latest failures.

        Returns:
            `series`, `jobs`, `deliveries` (counts by state), `withheld_results` (how many did
            not stand our own checks, and are kept), `open_associations`,
            `open_series` (UIDs), `oldest_waiting_job` and `last_instance_received` (UTC moments
            or None), `failures` (newest first: at, what, name, series, destination, reason,
            advice).
        """
        with self._reading() as connection:
            calling = select(func.count()).where(association.c.outcome == "open")
            withheld = select(func.count()).select_from(result).where(_withheld())
            oldest = select(func.min(job.c.created_at)).where(job.c.state == "waiting")
            still = select(series.c.series_instance_uid).where(series.c.state == "open")
            return {
                "series": _counts(connection, series, states.SERIES),
                "jobs": _counts(connection, job, states.JOB),
                "deliveries": _counts(connection, delivery, states.DELIVERY),
                "withheld_results": connection.scalar(withheld),
                "open_associations": connection.scalar(calling.select_from(association)),
                "open_series": list(connection.scalars(still.order_by(series.c.last_received))),
                "oldest_waiting_job": connection.scalar(oldest),
                "last_instance_received": connection.scalar(
                    select(func.max(series.c.last_received))
                ),
                "failures": _failures(connection),
            }


def _withheld() -> ColumnElement[bool]:
    return result.c.withheld & result.c.released_at.is_(None)


def _results(connection: Connection, job_id: str) -> list[Result]:
    query = select(result).where(result.c.job_id == job_id).order_by(result.c.sop_instance_uid)
    return [result_of(row) for row in connection.execute(query).mappings()]


def _counts(connection: Connection, table: Table, names: Mapping[str, str]) -> dict[str, int]:
    query = select(table.c.state, func.count()).group_by(table.c.state)
    counts = {row[0]: row[1] for row in connection.execute(query)}
    return {state: counts.get(state, 0) for state in names}


def _failures(connection: Connection) -> list[dict[str, Any]]:
    """The latest jobs and deliveries that ended badly."""
    withheld = exists().where(result.c.job_id == job.c.job_id, result.c.withheld)
    jobs = (
        select(job, withheld.label("withheld"))
        .where(job.c.state.in_(("refused", "failed")))
        .order_by(job.c.finished_at.desc())
        .limit(FAILURES_SHOWN)
    )
    deliveries = (
        select(delivery, job.c.series_instance_uid)
        .join(job, job.c.job_id == delivery.c.job_id)
        .where(delivery.c.state == "failed")
        .order_by(delivery.c.finished_at.desc())
        .limit(FAILURES_SHOWN)
    )
    found = [_failure("job", row) for row in connection.execute(jobs).mappings()]
    found += [_failure("delivery", row) for row in connection.execute(deliveries).mappings()]
    found.sort(key=lambda one: one["at"], reverse=True)
    return found[:FAILURES_SHOWN]


def _failure(what: str, row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "at": row["finished_at"],
        "what": f"{what} {row['state']}{OURS if row.get('withheld') else ''}",
        "name": row[f"{what}_id"],
        "series": row["series_instance_uid"],
        "destination": row.get("destination", ""),
        "reason": row["reason"],
        "advice": row.get("advice", ""),
    }
