"""Writes down what a person puts back to be tried again, and which bytes were let go."""

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Table, select, update

from node.ledger.chain import Concerns
from node.ledger.finding import Found, find
from node.ledger.rows import job_concerns
from node.ledger.schema import conflict, instance, result, series
from node.ledger.schema import delivery as deliveries
from node.ledger.schema import job as jobs
from node.ledger.transactions import Page, Transactions, chunks
from node.ledger.writing.inferring import FREE
from node.ledger.writing.owing import move, rows_of
from node.ledger.writing.superseding import IS_OUTDATED
from node.rules import states
from node.rules.doubting import HELD
from node.rules.events import Event

KINDS: Mapping[str, Sequence[Table]] = {"instances": (instance, conflict), "results": (result,)}
"""What bytes there are to be let go, and the tables that know of them."""


class Sweeping(Transactions):
    """Verbs of a person who wants something again, and of the sweep leg."""

    def retry(self, uid: str, by: str) -> list[str]:
        """Put back what failed or was refused, with all its attempts before it.

        Args:
            uid: of a study, a series, a job, a result (its SOP or series UID) or a delivery.
            by: who asked for it.

        Returns:
            What was put back, as "job NAME" and "delivery NAME"; nothing if nothing had failed. A
            job whose series has got more images since is not: there is another for all of them.
        """
        with self._writing() as page:
            found = find(page.connection, uid)
            return [*_retry_jobs(page, found, by), *_retry_deliveries(page, found, by)]

    def release(self, uid: str, by: str) -> list[str]:
        """Have results sent that were held since the model was not sure enough; it looks again.

        Args:
            uid: of a study, a series or a job.
            by: the person who looked at it.

        Returns:
            What was released, as "job NAME"; nothing if nothing was held for that.
        """
        with self._writing() as page:
            found = find(page.connection, uid)
            if found.kind in ("result", "delivery"):
                return []
            held = (jobs.c.state == "refused", jobs.c.reason.startswith(HELD))
            return _put_back(page, found.jobs, held, {"by": by, "released": True}, released_by=by)

    def instances_lost(self, names: Sequence[str]) -> None:
        """Note images whose files are gone or not whole, by the files' names in the spool.

        If they are sent again, that copy is kept in their place.
        """
        with self._writing() as page:
            for some in chunks(names):
                lost = (instance.c.spool_name.in_(some), instance.c.released_at.is_(None))
                for row in page.connection.execute(select(instance).where(*lost)).mappings().all():
                    concerns = Concerns(
                        study_uid=row["study_instance_uid"],
                        series_uid=row["series_instance_uid"],
                        sop_uid=row["sop_instance_uid"],
                    )
                    told = {"spool_name": row["spool_name"], "sha256": row["sha256"]}
                    subject = f"instance {row['sop_instance_uid']}"
                    page.note(Event.INSTANCE_LOST, subject, concerns, told)
                page.connection.execute(update(instance).where(*lost).values(released_at=page.now))

    def bytes_released(self, kind: str, series_uid: str, names: Sequence[str]) -> bool:
        """Note that files are about to be let go; their facts stay.

        Args:
            kind: "instances" or "results".
            series_uid: the series of the images, for results the one that they were made of.
            names: of the files in the spool.

        Returns:
            False when they are to be kept: a late image has reopened their series meanwhile.

        Raises:
            ValueError: there is no such kind.
        """
        if kind not in KINDS:
            raise ValueError(f"bytes are of {' or '.join(KINDS)}, not of {kind}")
        with self._writing() as page:
            of = select(series).where(series.c.series_instance_uid == series_uid)
            row = page.connection.execute(of).mappings().first()
            if kind == "instances" and row is not None and row["state"] == "open":
                return False
            count = 0
            for table in KINDS[kind]:
                for some in chunks(names):
                    kept = (table.c.spool_name.in_(some), table.c.released_at.is_(None))
                    gone = update(table).where(*kept).values(released_at=page.now)
                    count += page.connection.execute(gone).rowcount
            if count:
                study = None if row is None else row["study_instance_uid"]
                concerns = Concerns(study_uid=study, series_uid=series_uid)
                told = {"kind": kind, "files": count}
                page.note(Event.BYTES_RELEASED, f"series {series_uid}", concerns, told)
            return True


def _retry_jobs(page: Page, found: Found, by: str) -> list[str]:
    ended = (jobs.c.state.in_(("refused", "failed", "held")),)
    names = found.jobs if found.kind not in ("result", "delivery") else ()
    return _put_back(page, names, ended, {"by": by})


def _put_back(
    page: Page,
    names: Sequence[str],
    which: Sequence[ColumnElement[bool]],
    told: Mapping[str, object],
    **more: str,
) -> list[str]:
    put_back = []
    for some in chunks(names):
        wanted = (jobs.c.job_id.in_(some), *which, ~IS_OUTDATED)
        query = select(jobs).where(*wanted).order_by(jobs.c.created_at)
        for row in page.connection.execute(query).mappings().all():
            state = states.after("job", row["state"], Event.JOB_RETRIED)
            change = update(jobs).where(jobs.c.job_id == row["job_id"])
            values = {"state": state, "attempts": 0, "not_before": page.now, "finished_at": None}
            values |= {"reason": None, "advice": None, "lacking": None}  # whatever it lacks
            page.connection.execute(change.values(**values, **more, **FREE))
            subject = f"job {row['job_id']}"
            page.note(Event.JOB_RETRIED, subject, job_concerns(row), told)
            put_back.append(subject)
    return put_back


def _retry_deliveries(page: Page, found: Found, by: str) -> list[str]:
    put_back = []
    for some in chunks(found.deliveries):
        for row in rows_of(
            page, deliveries.c.delivery_id.in_(some), deliveries.c.state == "failed"
        ):
            values = {
                "attempts": 0,
                "not_before": page.now,
                "queued_at": page.now,
                "finished_at": None,
                "reason": None,
            }
            move(page, row, Event.DELIVERY_RETRIED, values, {"by": by})
            put_back.append(f"delivery {row['delivery_id']}")
    return put_back
