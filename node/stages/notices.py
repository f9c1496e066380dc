"""Tells a study that a model did not run, and why; and takes results into the spool."""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from node import log
from node.bundles.shelf import Shelf
from node.dicom.results import Made, not_run, validation
from node.rules.events import Event
from node.rules.failures import Refusal
from node.rules.nouns import Job, ModelIdentity, Notice, Result, Route
from node.spool import Spool
from node.stages.turning import Rooms


def keep(spool: Spool, made: Made) -> Result:
    """Take a finished result into the spool.

    Raises:
        OSError: it could not be kept.
    """
    name = spool.keep_result(made.path)
    return Result(
        sop_instance_uid=made.sop_instance_uid,
        sop_class_uid=made.sop_class_uid,
        series_instance_uid=made.series_instance_uid,
        transfer_syntax_uid=made.transfer_syntax_uid,
        kind=made.kind,
        spool_name=name,
        sha256=made.sha256,
        size=made.size,
        predecessor=made.predecessor,
        optional=made.optional,
        instead_of=made.instead_of,
    )


def where(error: Exception) -> str:
    """Say where in our code an error arose: file, line and function hold no patient data."""
    ours = [f for f in traceback.extract_tb(error.__traceback__) if "/node/" in f.filename]
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno} in {ours[-1].name}"


@dataclass(frozen=True, slots=True)
class Told:
    """What a study is told of a job that came to nothing; `withheld` says why it is told nothing.

    Its results are then withheld, each of them.
    """

    results: tuple[Result, ...] = ()
    withheld: str = ""


class Notices:
    """Writes what is sent when there is no result."""

    def __init__(self, rooms: Rooms, shelf: Shelf, routes: Mapping[str, Route]) -> None:
        """`routes` say what is wanted."""
        self._ledger = rooms.ledger
        self._spool = rooms.spool
        self._shelf = shelf
        self._routes = routes

    def of(self, job: Job, refusal: Refusal) -> Told:
        """Write what the route wants to be told; that this fails must not hide the job's end.

        A study that was sent what the model found, before something else failed, is told nothing.
        Notices that do not stand our own checks are kept for who looks into it, and not sent.
        """
        route = self._routes.get(job.route)
        wanted = route.if_not_run if route is not None else frozenset((Notice.REPORT,))
        if not wanted or not job.send_to:
            return Told()
        try:
            if self._has_results(job):
                return Told()
            return self._checked(job, refusal, wanted)
        except Exception as error:  # noqa: BLE001 - the message may hold patient data: type only
            what = f"{type(error).__name__} at {where(error)}"
            log.say("notice_not_written", "error", job=job.job_id, error=what)
            return Told()

    def _has_results(self, job: Job) -> bool:
        results = self._ledger.results_of(job.job_id)
        return any(one.kind == "SR" and not one.withheld for one in results)

    def _checked(self, job: Job, refusal: Refusal, wanted: frozenset[Notice]) -> Told:
        about = self._about(job, refusal)
        if about is None:
            return Told()
        made = not_run.write_notice(about, wanted)
        problems = validation.notice_problems(about, made)
        kept = tuple(keep(self._spool, one) for one in made)
        if not problems:
            return Told(kept)
        why = f"a notice did not stand our own checks: {'; '.join(problems)}"
        log.say(Event.RESULTS_WITHHELD, "error", job=job.job_id, reason=why)
        return Told(tuple(replace(one, withheld=True) for one in kept), why)

    def _about(self, job: Job, refusal: Refusal) -> not_run.NotRun | None:
        instances = self._ledger.instances_of(job.series_instance_uid, job.edition)
        paths = [self._spool.path(one.spool_name) for one in instances]
        image = next((path for path in paths if path.exists()), None)
        if image is None:
            log.say("notice_not_written", "warning", job=job.job_id, reason="no image is left")
            return None
        before = [
            *self._ledger.results_of(job.job_id),
            *self._ledger.previous_results(job.series_instance_uid, job.edition, job.model),
        ]
        return not_run.NotRun(
            image, self._identity(job), job, refusal, self._spool.work(job.job_id), before
        )

    def _identity(self, job: Job) -> ModelIdentity:
        """Name the model as well as the shelf can; in doubt it is for research."""
        bundle = self._shelf.get(job.model)
        if isinstance(bundle, Refusal):
            return ModelIdentity(job.model, "", job.bundle_hash, "research")
        return bundle.manifest.identity
