"""From images to a settled series, and the job it deserves."""

from collections.abc import Callable, Sequence

from node import log
from node.rules import matching, naming, settling
from node.rules.events import Event
from node.rules.nouns import Job, Route, SeriesEvidence
from node.rules.settling import Patience
from node.stages.turning import Bell, Rooms


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
    ) -> None:
        """`bundle_hash` gives the hash that the shelf has recorded for a model, "" for none."""
        self._ledger = rooms.ledger
        self._routes = routes
        self._patience = patience
        self._clock = rooms.clock
        self._bundle_hash = bundle_hash
        self._infer = infer
        self._watched: dict[str, tuple[tuple[object, ...], float]] = {}

    def step(self) -> float:
        """Settle what can be; give the time until the next series may be ready."""
        open_series = self._ledger.open_series()
        still = {evidence.series_instance_uid for evidence in open_series}
        self._watched = {uid: seen for uid, seen in self._watched.items() if uid in still}
        waits = [self._look_at(evidence) for evidence in open_series]
        return min(waits, default=1.0)

    def _look_at(self, evidence: SeriesEvidence) -> float:
        watched = self._watch(evidence)
        verdict = settling.settle(evidence, self._clock.now(), self._patience, watched)
        if not verdict.settled:
            return max(verdict.again_in, 0.01)
        self._settle(evidence, verdict.reason)
        return 1.0

    def _watch(self, evidence: SeriesEvidence) -> float:
        """Give for how long this process has seen the series stand still."""
        shape = (
            evidence.edition,
            evidence.instances,
            evidence.open_associations,
            evidence.last_received,
        )
        now = self._clock.monotonic()
        known = self._watched.get(evidence.series_instance_uid)
        if known is None or known[0] != shape:
            self._watched[evidence.series_instance_uid] = (shape, now)
            return 0.0
        return now - known[1]

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
        log.say(Event.JOB_CREATED, series=uid, job=job.job_id, route=job.route)
        self._infer.ring()

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
        )
