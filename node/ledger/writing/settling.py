"""Writes down that a series has settled, the job that it deserves, and what was learnt of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select, update

from node.ledger.chain import Concerns
from node.ledger.rows import job_concerns
from node.ledger.schema import instance, series, signal
from node.ledger.schema import job as jobs
from node.ledger.transactions import Page, Transactions, chunks
from node.ledger.writing.learning import learn
from node.rules import states
from node.rules.events import Event
from node.rules.nouns import Job, RouteDecision, SeriesEvidence

STAT_HEAD_START = timedelta(minutes=10)
"""A STAT job goes before all that wait for less than this; who waits longer is not starved."""


class Settling(Transactions):
    """The verbs of the settle leg."""

    def series_announced(self, source: str, images: Mapping[str, int]) -> None:
        """Note what somebody says of how many images series have; the last word counts.

        Args:
            source: who says so, in words ("MPPS", "the PACS archive").
            images: how many, by Series Instance UID.
        """
        with self._writing() as page:
            for uid, count in sorted(images.items()):
                same = (signal.c.series_instance_uid == uid, signal.c.source == source)
                change = update(signal).where(*same).values(images=count, told_at=page.now)
                if page.connection.execute(change).rowcount:
                    continue
                page.connection.execute(
                    insert(signal),
                    {
                        "series_instance_uid": uid,
                        "source": source,
                        "images": count,
                        "told_at": page.now,
                    },
                )

    def instances_announced(self, source: str, sop_instance_uids: Sequence[str]) -> None:
        """Note that somebody speaks of instances as if they were all of their series.

        Those that we do not have may belong to any of the series of the others: with several
        series the number of each is not known, and nothing is noted.

        Args:
            source: who says so, in words ("a commitment request").
            sop_instance_uids: all the instances that were named.
        """
        named = set(sop_instance_uids)
        known: Counter[str] = Counter()
        with self._reading() as connection:
            for some in chunks(named):
                query = select(instance.c.series_instance_uid).where(
                    instance.c.sop_instance_uid.in_(some)
                )
                known.update(connection.scalars(query))
        lacking = len(named) - known.total()
        if lacking and len(known) == 1:
            known.update(dict.fromkeys(known, lacking))
        if known and (not lacking or len(known) == 1):
            self.series_announced(source, known)

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
                One that is `lacking` something of its study is held until `job_released`.

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
            learn(page, evidence.series_instance_uid)
            exists = job is not None and _exists(page, job.job_id)
            _note_settled(page, evidence, reason, exists=exists)
            told = [{"route": d.route, "chosen": d.chosen, "reason": d.reason} for d in decisions]
            if job is None:
                subject, concerns = _subject(evidence)
                page.note(Event.SERIES_UNCLAIMED, subject, concerns, {"decisions": told})
            elif not exists:
                _create(page, replace(job, settled_at=page.now), told)
            return True

    def job_released(self, job_id: str, lacking: str) -> None:
        """Let a job that was held be claimed; `lacking` is what its study lacks all the same.

        It does nothing when somebody released it before.
        """
        with self._writing() as page:
            query = select(jobs).where(jobs.c.job_id == job_id, jobs.c.state == "held")
            row = page.connection.execute(query).mappings().first()
            if row is None:
                return
            state = states.after("job", row["state"], Event.JOB_RELEASED)
            values = {"state": state, "not_before": page.now, "lacking": lacking or None}
            page.connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(values))
            why = f"{lacking} did not come in time" if lacking else f"{row['lacking']} is there"
            page.note(Event.JOB_RELEASED, f"job {job_id}", job_concerns(row), {"reason": why})


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
    event = Event.JOB_HELD if job.lacking else Event.JOB_CREATED
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
        "state": states.after("job", "", event),
        "attempts": 0,
        "not_before": page.now,
        "created_at": page.now,
        "turn_at": page.now - STAT_HEAD_START if job.stat else None,
        "lacking": job.lacking or None,
    }
    page.connection.execute(insert(jobs), row)
    detail = {
        "edition": job.edition,
        "evidence": job.evidence,
        "route": job.route,
        "model": job.model,
        "bundle_hash": job.bundle_hash,
        "send_to": list(job.send_to),
        "stat": job.stat,
        "decisions": decisions,
        "reason": f"waits for {job.lacking} of its study" if job.lacking else None,
    }
    page.note(event, f"job {job.job_id}", job_concerns(row), detail)
