"""From images to a settled series, and the job it deserves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from node import log
from node.dicom.placing import place
from node.rules import completing, matching, naming, settling, studying
from node.rules.completing import Contents
from node.rules.events import Event
from node.rules.nouns import Job, Placed, Route, SeriesEvidence
from node.rules.settling import Patience
from node.rules.studying import HeldJob
from node.stages.counting import PacsCount
from node.stages.turning import Bell, Rooms

LOOK_AFTER_SECONDS = 1.0
"""While an association is open, images are looked at only when nothing came for so long."""
MOST_IMAGES = 20_000
"""Larger series settle by time and by what others count."""


@dataclass(slots=True)
class _Watched:
    """A series as this process has last seen it, since when, and what its images say."""

    shape: tuple[object, ...]
    since: float
    places: dict[str, Placed | None] = field(default_factory=dict)
    contents: Contents | None = None


class Settle:
    """Looks at every open series, and settles those that the evidence says are complete."""

    name = "settle"

    def __init__(
        self,
        rooms: Rooms,
        routes: Sequence[Route],
        patience: Patience,
        bundle_hash: Callable[[str], str],
        infer: Bell,
        pacs: PacsCount | None = None,
    ) -> None:
        """`bundle_hash` gives the hash that the shelf has recorded for a model, "" for none.

        `pacs` is asked how many images a series has there.
        """
        self._ledger = rooms.ledger
        self._spool = rooms.spool
        self._pacs = pacs
        self._routes = routes
        self._patience = patience
        self._clock = rooms.clock
        self._bundle_hash = bundle_hash
        self._infer = infer
        self._watched: dict[str, _Watched] = {}
        self._over: dict[str, tuple[datetime, float]] = {}

    def step(self) -> float:
        """Settle what can be; give the time until the next series may be ready."""
        open_series = self._ledger.open_series()
        still = {evidence.series_instance_uid for evidence in open_series}
        self._watched = {uid: seen for uid, seen in self._watched.items() if uid in still}
        waits = [self._look_at(evidence) for evidence in open_series]
        waits += [self._look_at_held(held) for held in self._ledger.held_jobs()]
        return min(waits, default=1.0)

    def _look_at(self, evidence: SeriesEvidence) -> float:
        watched = self._watch(evidence)
        stands_still = self._clock.monotonic() - watched.since
        if not evidence.open_associations or stands_still >= LOOK_AFTER_SECONDS:
            evidence = self._with_counts(evidence)
            if watched.contents is None:
                watched.contents = self._examine(evidence, watched.places)
        verdict = settling.settle(
            evidence, self._clock.now(), self._patience, stands_still, watched.contents
        )
        if not verdict.settled:
            return min(max(verdict.again_in, 0.01), LOOK_AFTER_SECONDS)
        self._settle(evidence, verdict.reason)
        return 1.0

    def _watch(self, evidence: SeriesEvidence) -> _Watched:
        """Give what this process has seen of the series; anew when it no longer stands still."""
        shape = (
            evidence.edition,
            evidence.instances,
            evidence.open_associations,
            evidence.last_received,
            evidence.last_closed,
        )
        known = self._watched.get(evidence.series_instance_uid)
        if known is None or known.shape != shape:
            places = {} if known is None else known.places
            known = _Watched(shape, self._clock.monotonic(), places)
            self._watched[evidence.series_instance_uid] = known
        return known

    def _with_counts(self, evidence: SeriesEvidence) -> SeriesEvidence:
        counted = self._pacs.of(evidence) if self._pacs is not None else ()
        return replace(evidence, signals=(*evidence.signals, *counted))

    def _examine(self, evidence: SeriesEvidence, places: dict[str, Placed | None]) -> Contents:
        """Look at the headers of the images that were not looked at before."""
        if evidence.instances > MOST_IMAGES:
            return Contents()
        for one in self._ledger.instances_of(evidence.series_instance_uid, evidence.edition):
            if one.spool_name not in places:
                try:
                    places[one.spool_name] = place(self._spool.path(one.spool_name))
                except OSError:  # it says nothing; who reads the volume will say why
                    places[one.spool_name] = None
        readable = [found for found in places.values() if found is not None]
        return completing.examine(readable, evidence.attributes)

    def _settle(self, evidence: SeriesEvidence, reason: str) -> None:
        uid = evidence.series_instance_uid
        first = self._ledger.instances_of(uid, evidence.edition)[:1]
        ours = any(self._ledger.is_own_result(one.sop_instance_uid) for one in first)
        route, decisions = matching.choose(evidence.attributes, self._routes, ours=ours)
        job = self._job(evidence, route) if route else None
        if not self._ledger.series_settled(evidence, reason, decisions, job):
            return  # a slice came in between; look again
        log.say(Event.SERIES_SETTLED, series=uid, instances=evidence.instances, reason=reason)
        if job is None:
            log.say(Event.SERIES_UNCLAIMED, series=uid)
            return
        event = Event.JOB_HELD if job.lacking else Event.JOB_CREATED
        log.say(event, series=uid, job=job.job_id, route=job.route)
        self._infer.ring()

    def _look_at_held(self, held: HeldJob) -> float:
        """Release a job when its study has what the route names, or the time for that is over."""
        route = next((one for one in self._routes if one.name == held.route), None)
        lacking, over = "", None
        if route is not None and route.study is not None:
            study = self._ledger.study_series(held.study_instance_uid)
            lacking = studying.lacking(route.study, study)
            over = studying.over_at(route.study, study)
        left = self._left(held.job_id, over) if over is not None else 1.0
        if lacking and (over is None or left > 0):
            return left
        self._over.pop(held.job_id, None)
        self._ledger.job_released(held.job_id, lacking)
        log.say(Event.JOB_RELEASED, job=held.job_id, series=held.series_instance_uid)
        self._infer.ring()
        return 1.0

    def _left(self, job_id: str, over: datetime) -> float:
        """Give the seconds until a wait is over, by the wall clock as it was first looked at."""
        known = self._over.get(job_id)
        if known is None or known[0] != over:
            seconds = (over - self._clock.now()).total_seconds()
            known = self._over[job_id] = (over, self._clock.monotonic() + seconds)
        return known[1] - self._clock.monotonic()

    def _lacking(self, evidence: SeriesEvidence, route: Route) -> str:
        """Say what the study lacks now that this series has settled."""
        if route.study is None:
            return ""
        uid = evidence.series_instance_uid
        study = self._ledger.study_series(evidence.study_instance_uid)
        known = [
            replace(one, settled=True) if one.series_instance_uid == uid else one for one in study
        ]
        return studying.lacking(route.study, known)

    def _job(self, evidence: SeriesEvidence, route: Route) -> Job:
        uid = evidence.series_instance_uid
        digest = self._ledger.evidence_of(uid, evidence.edition)
        bundle_hash = self._bundle_hash(route.model)
        return Job(
            job_id=naming.job_id(uid, digest, bundle_hash or route.model),
            series_instance_uid=uid,
            study_instance_uid=evidence.study_instance_uid,
            edition=evidence.edition,
            evidence=digest,
            route=route.name,
            model=route.model,
            bundle_hash=bundle_hash,
            send_to=route.send_to,
            settled_at=self._clock.now(),
            stat=route.stat,
            lacking=self._lacking(evidence, route),
        )
