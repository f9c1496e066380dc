"""From a job to results on disk: read the volume, have the model look, write SEG and SR, check.

Everything here may crash, hang or be killed: the job is held under a lease, and when the lease
lapses somebody else starts again. Results bear UIDs and times derived from the evidence and the
bundle, so a second try makes the same bytes, and the ledger takes them once.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import Event as Signal
from threading import Thread

from node import log
from node.bundles.runner import Runner
from node.bundles.shelf import Bundle, Shelf
from node.dicom import results
from node.dicom.findings import Findings
from node.dicom.results import ModelRun
from node.dicom.volume import Volume, read_volume
from node.ledger.opening import LeaseLostError, ResultChangedError
from node.rules import naming, retrying
from node.rules.events import Event
from node.rules.failures import Fault, Refusal
from node.rules.nouns import (
    Job,
    Result,
    Route,
)
from node.rules.retrying import Persistence
from node.stages.desk import Desk, Prepared
from node.stages.handover import Handover
from node.stages.notices import Notices, where
from node.stages.scope import CHECK, Scope
from node.stages.turning import Bell, Rooms

LEASE_SECONDS = 30.0
LAPSES_ALLOWED = 7
"""So often more a job is started again that was cut off (a power cut, a kill) without a word."""
PAUSES = Persistence(first=2.0, longest=60.0)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a model may take, how often a job is tried, and how the pauses between grow.

    `warm` names the models whose processes are started before their first job, as far as memory
    allows. `routes` say what is made of a run, and how a study is told that there was none.
    `timeouts` are those of single models by name.
    """

    timeout_seconds: float = 600.0
    attempts: int = 3
    warm: tuple[str, ...] = ()
    pauses: Persistence = PAUSES
    routes: Mapping[str, Route] = field(default_factory=dict)
    timeouts: Mapping[str, float] = field(default_factory=dict)

    def timeout_of(self, model: str) -> float:
        """Say how long a model may take, in seconds."""
        return self.timeouts.get(model, self.timeout_seconds)

    def may_fall_back(self, route: str) -> bool | None:
        """Say whether a route lets its model run on the processor; None leaves it to the model."""
        known = self.routes.get(route)
        return known.fall_back_to_cpu if known is not None else None


class Infer:
    """Claims jobs one after another and carries each to its end."""

    name = "infer"

    def __init__(
        self,
        rooms: Rooms,
        shelf: Shelf,
        runner: Runner,
        limits: Limits,
        deliver: Bell,
        desk: Desk | None = None,
    ) -> None:
        """`deliver` is rung when results are queued; on `desk` lies what was prepared."""
        self._ledger = rooms.ledger
        self._spool = rooms.spool
        self._clock = rooms.clock
        self._worker = rooms.worker
        self._lives = rooms.lives
        self._shelf = shelf
        self._runner = runner
        self._limits = limits
        self._to_warm = (*limits.warm, CHECK)
        self._deliver = deliver
        self._desk = desk or Desk()
        self._notices = Notices(rooms, shelf, limits.routes)
        self._handover = Handover(rooms, limits.routes, deliver)
        self._scope = Scope(shelf, runner, limits.routes, limits.timeout_of)

    def step(self) -> float:
        """Do one job, if there is one."""
        for job_id in self._ledger.jobs_lapsed(self._is_at_it):
            log.say(Event.JOB_LAPSED, "warning", job=job_id)
        pause = self._limits.pauses.longest
        job = self._ledger.claim_job(self._worker, LEASE_SECONDS, None, pause)
        if job is None:
            self._warm_up()
            return 1.0
        log.say(Event.JOB_CLAIMED, job=job.job_id, attempts=job.attempts)
        with self._heartbeat(job):
            self._carry(job)
        self._spool.clear_work(job.job_id)
        return 0.0

    def _is_at_it(self, worker: str) -> bool:
        """Say whether another process is known to live; this one has no job while it asks."""
        return worker != self._worker and self._lives(worker)

    def _warm_up(self) -> None:
        """Start one more model's process while there is nothing to do, each once."""
        if not self._to_warm:
            return
        name, self._to_warm = self._to_warm[-1], self._to_warm[:-1]  # the first one stays longest
        refusal = self._readied(name)
        if refusal is not None:
            log.say("model_not_ready", "warning", reason=str(refusal))

    def _readied(self, name: str) -> Refusal | None:
        if name == CHECK:
            refusal = self._scope.warm_up(self._spool.work("warm-up"))
            self._spool.clear_work("warm-up")
            return refusal
        bundle = self._shelf.get(name)
        if isinstance(bundle, Refusal):
            return bundle
        return self._runner.warm(bundle, self._limits.timeout_of(name))

    def _carry(self, job: Job) -> None:
        """Bring a job to its end, whatever happens: one bad series must not stop the rest."""
        try:
            refusal = self._try(job)
        except LeaseLostError:
            log.say(Event.JOB_LAPSED, "warning", job=job.job_id, reason="its lease was lost")
            return
        except OSError as error:
            why = error.strerror or type(error).__name__
            refusal = Refusal(f"the disk failed: {why}", Fault.NODE, again=True)
        except Exception as error:  # noqa: BLE001 - the message may hold patient data: type only
            what = f"{type(error).__name__} at {where(error)}"
            refusal = Refusal(f"the node failed on it ({what})", Fault.NODE, again=True)
        if refusal is not None:
            self._end_if_ours(job, refusal)

    def _end_if_ours(self, job: Job, refusal: Refusal) -> None:
        try:
            self._end(job, refusal)
        except LeaseLostError:
            log.say(Event.JOB_LAPSED, "warning", job=job.job_id, reason="its lease was lost")

    def _end(self, job: Job, refusal: Refusal, withheld: Sequence[Result] = ()) -> None:
        attempts_left = self._limits.attempts - job.attempts
        if refusal.again and attempts_left > 0:
            pause = timedelta(seconds=retrying.pause(job.attempts, self._limits.pauses))
            self._ledger.job_retried(
                job.job_id, self._worker, str(refusal), self._clock.now() + pause
            )
            event = Event.JOB_RETRIED
        else:
            event = self._end_for_good(job, refusal, withheld)
        series = job.series_instance_uid
        log.say(event, "warning", job=job.job_id, series=series, reason=str(refusal))

    def _end_for_good(self, job: Job, refusal: Refusal, withheld: Sequence[Result]) -> Event:
        """Tell the study, too, that there is no result, and why."""
        told = self._notices.of(job, refusal)
        notices = [*withheld, *told.results]
        reason = "; ".join(filter(None, (refusal.reason, told.withheld)))
        refused = refusal.fault in (Fault.INPUT, Fault.MODEL) and not refusal.again
        end = self._ledger.job_refused if refused else self._ledger.job_failed
        said = (job.job_id, self._worker, reason, refusal.advice)
        try:
            end(*said, notices)
        except ResultChangedError:  # as after an upgrade, which words its notices in another way
            log.say(
                "notice_not_written",
                "warning",
                job=job.job_id,
                reason="another one was kept under its UID",
            )
            end(*said)
        return Event.JOB_REFUSED if refused else Event.JOB_FAILED

    def _try(self, job: Job) -> Refusal | None:
        """Run the job once; None when it has come to its end."""
        if job.attempts > self._limits.attempts + LAPSES_ALLOWED:
            why = f"it was started {job.attempts - 1} times and never came to an end"
            return Refusal(why, Fault.NODE, "See the journal of those times, then `radnode retry`")
        bundle = self._shelf.get(job.model)
        if isinstance(bundle, Refusal):
            return bundle
        if refusal := self._study_refused(job):
            return refusal
        started = self._clock.monotonic()
        ran = self._run(job, bundle)
        if isinstance(ran, Refusal):
            return ran
        run, before = ran
        handed = self._handover.make(run, job)
        if isinstance(handed, results.Withheld):
            aside = self._handover.aside(handed)
            self._end(replace(job, attempts=self._limits.attempts), handed.refusal, aside)
            return None
        facts = {
            **handed.facts,
            "before_settling": before,
            "study_lacks": job.lacking or None,
            "bundle_hash": bundle.manifest.identity.bundle_hash,
            "seconds": round(self._clock.monotonic() - started, 3),
        }
        self._ledger.job_finished(job.job_id, self._worker, handed.kept, job.send_to, facts)
        log.say(
            Event.JOB_FINISHED,
            job=job.job_id,
            series=job.series_instance_uid,
            seconds=self._clock.monotonic() - started,
        )
        self._deliver.ring()
        return None

    def _run(self, job: Job, bundle: Bundle) -> tuple[ModelRun, Mapping[str, object]] | Refusal:
        """Give the run, with what was found measured, and how much was done before settling."""
        looked = self._look(job, bundle)
        if isinstance(looked, Refusal):
            return looked
        volume, findings, before = looked
        named = _with_bundle(job, bundle, findings.facts)
        folder = self._spool.work(job.job_id)
        begun = results.begin(
            volume, findings, bundle.manifest, named, folder, self._predecessors(job)
        )
        run = self._scope.judge_findings(begun, job.route)
        if not isinstance(run, Refusal):
            run = self._scope.judge_doubts(run, bundle, job)
        return run if isinstance(run, Refusal) else (run, before)

    def _look(
        self, job: Job, bundle: Bundle
    ) -> tuple[Volume, Findings, Mapping[str, object]] | Refusal:
        """Have the model look, unless it has looked at these very images before they settled.

        Returns:
            The volume, what was found, and how much of it all was done before; or a refusal.
        """
        prepared = self._prepared(job, bundle)
        if isinstance(prepared, Refusal):
            return prepared
        volume, findings = prepared.volume, prepared.findings
        if isinstance(volume, Refusal):
            return volume
        judged = self._scope.judge(volume, bundle, job.route, self._spool.work(job.job_id))
        if isinstance(judged, Refusal):
            return judged
        volume = judged
        before = {"images": prepared.early, "looked": findings is not None, "followed": False}
        if findings is not None:
            return volume, findings, before
        found, seconds = None, self._limits.timeout_of(job.model)
        if prepared.following is not None:
            found = prepared.following.finish(volume.affine, volume.voxels.shape, seconds)
            prepared.following.close()
            before["followed"] = found is not None
        if found is None:
            folder = self._spool.work(job.job_id)
            cpu = self._limits.may_fall_back(job.route)
            found = self._runner.predict(bundle, volume, folder, seconds, cpu=cpu)
        return found if isinstance(found, Refusal) else (volume, found, before)

    def _study_refused(self, job: Job) -> Refusal | None:
        """Refuse a job whose study was not completed in time, if the route wants that."""
        route = self._limits.routes.get(job.route)
        wish = route.study if route is not None else None
        if not job.lacking or wish is None or wish.then != "refuse":
            return None
        why = f"the study is not complete: {job.lacking} did not come in time"
        return Refusal(why, Fault.INPUT, "Have it sent, then `radnode retry` it")

    def _prepared(self, job: Job, bundle: Bundle) -> Prepared | Refusal:
        """Give the volume, and what the model found in it if it was asked before."""
        instances = self._ledger.instances_of(job.series_instance_uid, job.edition)
        paths = {one.spool_name: self._spool.path(one.spool_name) for one in instances}
        gone = sum(not path.exists() for path in paths.values())
        if gone:
            why = f"{gone} of its {len(paths)} images are no longer in the spool"
            return Refusal(why, Fault.INPUT, "Send the series again, then `radnode retry` it")
        requirement = self._scope.requirement(bundle, job.route)
        prepared = self._desk.take(job, paths, bundle, requirement)
        return prepared or Prepared(read_volume(list(paths.values()), requirement))

    def _predecessors(self, job: Job) -> Sequence[Result]:
        return self._ledger.previous_results(job.series_instance_uid, job.edition, job.model)

    @contextmanager
    def _heartbeat(self, job: Job) -> Iterator[None]:
        """Extend the lease while the job runs; when it is lost, stop the model."""
        done = Signal()

        def beat() -> None:
            while not done.wait(LEASE_SECONDS / 3):
                if not self._extend(job):
                    self._runner.close()
                    return

        thread = Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _extend(self, job: Job) -> bool:
        """Extend the lease; a database that is away for a moment takes it from nobody."""
        try:
            return self._ledger.extend_lease(job.job_id, self._worker, LEASE_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next beat tries again
            log.say("lease_not_extended", "warning", job=job.job_id, error=type(error).__name__)
            return True


def clear_left_work(rooms: Rooms) -> None:
    """Clear the scratch folders that a crash left: arrays of images have no business to stay.

    The folders are named before the jobs are: a job that somebody claims meanwhile keeps its own.
    """
    left = rooms.spool.work_names()
    for job_id in left - rooms.ledger.running_jobs():
        rooms.spool.clear_work(job_id)


def _with_bundle(job: Job, bundle: Bundle, facts: Mapping[str, str]) -> Job:
    """Name the job's results after what really ran, should the shelf have changed.

    A network that was compiled of the bundle finds a little else than the bundle's own, and so does
    another engine: what it finds is not the same object, and must not have the same UID.
    """
    bundle_hash = bundle.manifest.identity.bundle_hash
    name = naming.job_id(job.series_instance_uid, job.evidence, naming.run(bundle_hash, facts))
    return replace(job, job_id=name, bundle_hash=bundle_hash)
