"""Writes down what becomes of a job: claimed, put off, refused, failed, finished with results."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, insert, select, update

from node.ledger.rows import Row, job_concerns, job_of
from node.ledger.schema import job as table
from node.ledger.schema import result as results
from node.ledger.transactions import LeaseLostError, Page, Transactions
from node.ledger.writing.holding import due
from node.ledger.writing.owing import owe
from node.ledger.writing.superseding import note_superseded
from node.rules import states
from node.rules.events import Event
from node.rules.nouns import Job, Result

FREE: Mapping[str, None] = {"worker": None, "lease_until": None}
"""The columns of a job that nobody holds."""


class Inferring(Transactions):
    """Verbs of the infer leg."""

    def claim_job(
        self,
        worker: str,
        lease_seconds: float,
        models: Sequence[str] | None = None,
        longest_pause: float | None = None,
    ) -> Job | None:
        """Take the oldest job that waits and whose time has come, under a lease.

        Args:
            worker: who takes it, unique among all processes of the node.
            lease_seconds: for how long, unless extended.
            models: only jobs of these models; any when None.
            longest_pause: for how many seconds a job may be put off at most.

        Returns:
            The job, its `attempts` counting this one; None when there is nothing to do.
        """
        with self._reading() as connection:  # asked every second: do not queue up for nothing
            ready = _due(self._clock.now(), models, longest_pause)
            if connection.execute(select(table.c.job_id).where(*ready).limit(1)).first() is None:
                return None
        with self._writing() as page:
            ready = _due(page.now, models, longest_pause)
            turn = func.coalesce(table.c.turn_at, table.c.created_at)
            oldest = select(table).where(*ready).order_by(turn, table.c.job_id)
            row = page.connection.execute(oldest.limit(1)).mappings().first()
            if row is None:
                return None
            values = {
                "attempts": row["attempts"] + 1,
                "worker": worker,
                "lease_until": page.now + timedelta(seconds=lease_seconds),
            }
            told = {"worker": worker, "attempts": values["attempts"]}
            _move(page, row, Event.JOB_CLAIMED, values, told)
            return job_of({**row, **values})

    def extend_lease(self, job_id: str, worker: str, lease_seconds: float) -> bool:
        """Hold a job for longer; False when it is no longer held by this worker.

        So it is, too, when images came that the job does not read (`superseding`).
        """
        with self._writing() as page:
            later = (
                update(table)
                .where(
                    table.c.job_id == job_id,
                    table.c.state == "running",
                    table.c.worker == worker,
                )
                .values(lease_until=page.now + timedelta(seconds=lease_seconds))
            )
            return page.connection.execute(later).rowcount == 1

    def jobs_lapsed(self, lives: Callable[[str], bool] = lambda _: False) -> list[str]:
        """Put back every job whose lease has run out, and give their names.

        Args:
            lives: whether a worker is known to be alive. It keeps its job: a clock that was set
                forwards ends leases, too, and the job would be run twice at once.
        """
        with self._reading() as connection:
            lapsed = _lapsed(self._clock.now())
            if connection.execute(select(table.c.job_id).where(*lapsed).limit(1)).first() is None:
                return []
        with self._writing() as page:
            query = select(table).where(*_lapsed(page.now)).order_by(table.c.created_at)
            found = page.connection.execute(query).mappings().all()
            rows = [row for row in found if not lives(row["worker"])]
            for row in rows:
                told = {"worker": row["worker"], "attempts": row["attempts"]}
                _move(page, row, Event.JOB_LAPSED, {**FREE, "not_before": page.now}, told)
            return [row["job_id"] for row in rows]

    def job_retried(
        self, job_id: str, worker: str | None, reason: str, not_before: datetime
    ) -> None:
        """Put a job back to wait until `not_before`.

        `worker` is who holds it, or None when a person puts back one that was refused or failed.

        Raises:
            LeaseLostError: the worker does not hold the job.
            ForbiddenTransitionError: nobody holds it, and it was neither refused nor failed.
        """
        with self._writing() as page:
            row = _ended(page, job_id) if worker is None else _held(page, job_id, worker)
            values = {**FREE, "not_before": not_before, "reason": reason, "finished_at": None}
            told = {"worker": worker, "reason": reason, "not_before": not_before.isoformat()}
            _move(page, row, Event.JOB_RETRIED, values, told)

    def job_refused(
        self,
        job_id: str,
        worker: str,
        reason: str,
        advice: str,
        notices: Sequence[Result] = (),
    ) -> None:
        """Note that the model cannot use the series, and owe what tells the study so.

        Raises:
            LeaseLostError: the worker does not hold the job.
            ResultChangedError: a notice exists already under the same UID with other bytes.
        """
        self._end(job_id, worker, Event.JOB_REFUSED, (reason, advice), notices)

    def job_failed(
        self,
        job_id: str,
        worker: str,
        reason: str,
        advice: str,
        notices: Sequence[Result] = (),
    ) -> None:
        """Note that the job was tried as often as allowed, and owe what tells the study so.

        Results that were withheld may be among the notices: they are kept, and owed to nobody.

        Raises:
            LeaseLostError: the worker does not hold the job.
            ResultChangedError: a notice exists already under the same UID with other bytes.
        """
        self._end(job_id, worker, Event.JOB_FAILED, (reason, advice), notices)

    def results_ready(
        self, job_id: str, worker: str, results: Sequence[Result], destinations: Sequence[str]
    ) -> None:
        """Note the first results of a job that goes on, and owe them to every destination.

        Raises:
            LeaseLostError: the worker does not hold the job.
            ResultChangedError: a result exists already under the same UID with other bytes.
        """
        with self._writing() as page:
            _keep_and_owe(page, _held(page, job_id, worker), results, destinations)

    def job_finished(
        self,
        job_id: str,
        worker: str,
        results: Sequence[Result],
        destinations: Sequence[str],
        findings: Mapping[str, object],
    ) -> None:
        """Note results that are safe in the spool, and owe them to every destination.

        Args:
            job_id: the job.
            worker: who holds it.
            results: all that it made, also what was ready before; a PREVIEW is kept and never
                sent, nor is one that is withheld.
            destinations: names of peers.
            findings: what the model found, without anything of the patient.

        Raises:
            LeaseLostError: the worker does not hold the job.
            ResultChangedError: a result exists already under the same UID with other bytes.
        """
        with self._writing() as page:
            row = _held(page, job_id, worker)
            values = {**FREE, "finished_at": page.now, "findings": dict(findings), "reason": None}
            made = [
                {"kind": r.kind, "sop": r.sop_instance_uid, "sha256": r.sha256} for r in results
            ]
            told = {"worker": worker, "results": made, "findings": dict(findings)}
            _move(page, row, Event.JOB_FINISHED, values, told)
            _note_withheld(page, row, results, str(findings.get("withheld", "")))
            _keep_and_owe(page, row, results, destinations)
            note_superseded(page, row)

    def _end(
        self,
        job_id: str,
        worker: str,
        event: Event,
        ending: tuple[str, str],
        notices: Sequence[Result],
    ) -> None:
        reason, advice = ending
        with self._writing() as page:
            row = _held(page, job_id, worker)
            values = {**FREE, "finished_at": page.now, "reason": reason, "advice": advice}
            told = {"worker": worker, "reason": reason, "advice": advice or None}
            _move(page, row, event, values, told)
            _note_withheld(page, row, notices, reason)
            _keep_and_owe(page, row, notices, row["send_to"])


def _note_withheld(page: Page, row: Row, results: Sequence[Result], reason: str) -> None:
    kept = [
        {"kind": one.kind, "sop": one.sop_instance_uid, "sha256": one.sha256}
        for one in results
        if one.withheld
    ]
    if kept:
        about = {"results": kept, "reason": reason}
        page.note(Event.RESULTS_WITHHELD, f"job {row['job_id']}", job_concerns(row), about)


class ResultChangedError(Exception):
    """A result came out different under the same UID: it must never be sent as if it were it."""


def _due(
    now: datetime, models: Sequence[str] | None, longest_pause: float | None
) -> list[ColumnElement[bool]]:
    ready = [table.c.state == "waiting", due(table, now, longest_pause, table.c.attempts == 0)]
    return ready if models is None else [*ready, table.c.model.in_(list(models))]


def _lapsed(now: datetime) -> list[ColumnElement[bool]]:
    return [table.c.state == "running", table.c.lease_until <= now]


def _held(page: Page, job_id: str, worker: str) -> Row:
    query = select(table).where(
        table.c.job_id == job_id, table.c.state == "running", table.c.worker == worker
    )
    row = page.connection.execute(query).mappings().first()
    if row is None:
        raise LeaseLostError(f"job {job_id} is not held by {worker}; leave it to who holds it")
    return row


def _ended(page: Page, job_id: str) -> Row:
    query = select(table).where(table.c.job_id == job_id)
    row = page.connection.execute(query).mappings().first()
    if row is None or row["state"] == "running":  # somebody is at it: not for a person to take
        state = row["state"] if row else ""
        raise states.ForbiddenTransitionError(f"a job that is {state or 'unknown'} is not retried")
    return row


def _move(
    page: Page, row: Row, event: Event, values: Mapping[str, Any], told: Mapping[str, object]
) -> None:
    state = states.after("job", row["state"], event)
    change = update(table).where(table.c.job_id == row["job_id"]).values(state=state, **values)
    page.connection.execute(change)
    page.note(event, f"job {row['job_id']}", job_concerns(row), told)


def _keep_and_owe(
    page: Page, row: Row, made: Sequence[Result], destinations: Sequence[str]
) -> None:
    for one in made:
        _keep(page, row, one)
        if one.kind != "PREVIEW" and not one.withheld:
            owe(page, row, one, destinations)


def _keep(page: Page, row: Row, one: Result) -> None:
    same = results.c.sop_instance_uid == one.sop_instance_uid
    query = select(results.c.sha256, results.c.withheld).where(same)
    known = page.connection.execute(query).first()
    if known is None:
        values = {
            "sop_instance_uid": one.sop_instance_uid,
            "job_id": row["job_id"],
            "sop_class_uid": one.sop_class_uid,
            "series_instance_uid": one.series_instance_uid,
            "transfer_syntax_uid": one.transfer_syntax_uid,
            "kind": one.kind,
            "spool_name": one.spool_name,
            "sha256": one.sha256,
            "size": one.size,
            "predecessor": one.predecessor,
            "optional": one.optional,
            "instead_of": one.instead_of,
            "withheld": one.withheld,
            "made_at": page.now,
        }
        page.connection.execute(insert(results), values)
    elif known.withheld:  # an earlier try's, which nobody was sent
        page.connection.execute(
            update(results)
            .where(same)
            .values(
                sha256=one.sha256, size=one.size, spool_name=one.spool_name, withheld=one.withheld
            )
        )
    elif known.sha256 != one.sha256:
        raise ResultChangedError(
            f"result {one.sop_instance_uid} exists already with other bytes; "
            "the model is not deterministic, or its bundle changed under the same hash"
        )
