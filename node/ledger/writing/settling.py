"""Writes down that a series has settled, and the job that it deserves or why it gets none."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import insert, select, update

from node.ledger.chain import Concerns
from node.ledger.rows import job_concerns
from node.ledger.schema import job as jobs
from node.ledger.schema import series
from node.ledger.transactions import Page, Transactions
from node.rules import states
from node.rules.events import Event
from node.rules.nouns import Job, RouteDecision, SeriesEvidence


class Settling(Transactions):
    """The verb of the settle leg."""

    def series_settled(
        self,
        evidence: SeriesEvidence,
        reason: str,
        decisions: Sequence[RouteDecision],
        job: Job | None,
    ) -> bool:
        """Settle a series as the evidence shows it, and make its job.

        Args:
            evidence: what was decided upon.
            reason: why it was taken for complete.
            decisions: what each route said.
            job: the job to make; its `settled_at` becomes the series'. None if no route wants it.

        Returns:
            False when the series is no longer what the evidence shows (an image came between, or
            somebody settled it): nothing was written, look again.
        """
        with self._writing() as page:
            query = select(series).where(
                series.c.series_instance_uid == evidence.series_instance_uid,
                series.c.state == "open",
                series.c.edition == evidence.edition,
                series.c.instances == evidence.instances,
            )
            row = page.connection.execute(query).mappings().first()
            if row is None:
                return False
            state = states.after("series", row["state"], Event.SERIES_SETTLED)
            end = (
                update(series)
                .where(series.c.series_instance_uid == evidence.series_instance_uid)
                .values(state=state, settled_at=page.now, reason=reason)
            )
            page.connection.execute(end)
            exists = job is not None and _exists(page, job.job_id)
            _note_settled(page, evidence, reason, exists=exists)
            told = [{"route": d.route, "chosen": d.chosen, "reason": d.reason} for d in decisions]
            if job is None:
                subject, concerns = _subject(evidence)
                page.note(Event.SERIES_UNCLAIMED, subject, concerns, {"decisions": told})
            elif not exists:
                _create(page, replace(job, settled_at=page.now), told)
            return True


def _exists(page: Page, job_id: str) -> bool:
    known = select(jobs.c.job_id).where(jobs.c.job_id == job_id)
    return page.connection.execute(known).first() is not None


def _subject(evidence: SeriesEvidence) -> tuple[str, Concerns]:
    concerns = Concerns(
        study_uid=evidence.study_instance_uid, series_uid=evidence.series_instance_uid
    )
    return f"series {evidence.series_instance_uid}", concerns


def _note_settled(page: Page, evidence: SeriesEvidence, reason: str, *, exists: bool) -> None:
    subject, concerns = _subject(evidence)
    detail = {
        "edition": evidence.edition,
        "instances": evidence.instances,
        "reason": reason,
        "job": "job already exists" if exists else None,
    }
    page.note(Event.SERIES_SETTLED, subject, concerns, detail)


def _create(page: Page, job: Job, decisions: list[dict[str, object]]) -> None:
    row: dict[str, Any] = {
        "job_id": job.job_id,
        "series_instance_uid": job.series_instance_uid,
        "study_instance_uid": job.study_instance_uid,
        "edition": job.edition,
        "evidence": job.evidence,
        "route": job.route,
        "model": job.model,
        "bundle_hash": job.bundle_hash,
        "send_to": list(job.send_to),
        "settled_at": job.settled_at,
        "state": states.after("job", "", Event.JOB_CREATED),
        "attempts": 0,
        "not_before": page.now,
        "created_at": page.now,
    }
    page.connection.execute(insert(jobs), row)
    detail = {
        "edition": job.edition,
        "evidence": job.evidence,
        "route": job.route,
        "model": job.model,
        "bundle_hash": job.bundle_hash,
        "send_to": list(job.send_to),
        "decisions": decisions,
    }
    page.note(Event.JOB_CREATED, f"job {job.job_id}", job_concerns(row), detail)
