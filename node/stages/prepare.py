"""Reads series while they arrive, and has the model look early, so that little is left to do.

Whatever is done here is free to be wrong: what leaves the node is decided when a series has
settled, by the evidence then. If the images are others than those that were read, what was
prepared is completed or thrown away, and the outcome is the same, only later.
"""

from collections.abc import Callable, Sequence

from node import log
from node.bundles.following import Following
from node.bundles.runner import Runner
from node.bundles.shelf import Bundle, Shelf
from node.clock import Clock
from node.dicom.findings import Findings
from node.dicom.growing import GrowingVolume
from node.dicom.volume import Volume
from node.rules import matching, scoping
from node.rules.failures import Refusal
from node.rules.nouns import Instance, Route, SeriesEvidence
from node.rules.speculating import Eagerness, announced, is_likely_complete
from node.stages.desk import Desk, Growing
from node.stages.turning import Rooms

BUSY_SECONDS = 0.1
"""How soon to look again while a series grows, rung for or not."""
HEADERS_AT_ONCE = 32
"""So many headers of a series are made ready for its results each time, some 16 ms of work."""
KEPT_SECONDS = 120.0
"""So long a series that has settled is kept for the job, which may wait behind others."""


class Prepare:
    """Reads what arrives into volumes, within bounds, and speculates on likely completion."""

    name = "prepare"

    def __init__(
        self,
        rooms: Rooms,
        desk: Desk,
        host: tuple[Shelf, Runner, Callable[[str], float]],
        routes: Sequence[Route],
        eagerness: Eagerness,
    ) -> None:
        """`host` is the shelf, who runs its bundles, and how many seconds each may take."""
        self._ledger = rooms.ledger
        self._spool = rooms.spool
        self._clock: Clock = rooms.clock
        self._desk = desk
        self._shelf, self._runner, self._timeout = host
        self._routes = routes
        self._eagerness = eagerness
        self._unwanted: set[tuple[str, int]] = set()

    def step(self) -> float:
        """Read what has come since the last time; give the seconds until looking again."""
        open_series = self._ledger.open_series()
        self._forget(open_series)
        grown = [self._look_at(evidence) for evidence in open_series]
        self._read_ahead()
        if any(grown):
            return BUSY_SECONDS
        for evidence in open_series:
            if self._speculate(evidence):
                return 0.0
        return BUSY_SECONDS if self._desk.all() else 1.0

    def _forget(self, open_series: Sequence[SeriesEvidence]) -> None:
        """Let go of series that have settled long ago, or of which there is a new edition."""
        editions = {one.series_instance_uid: one.edition for one in open_series}
        self._unwanted &= set(editions.items())
        now = self._clock.monotonic()
        for uid, series in self._desk.all():
            if uid not in editions:
                series.settled_at = now if series.settled_at is None else series.settled_at
                if now - series.settled_at > KEPT_SECONDS:
                    self._desk.drop(uid)
            elif editions[uid] != series.edition:
                self._desk.drop(uid)

    def _read_ahead(self) -> None:
        """Make some headers ready for the results, as far as nobody else has the series."""
        for _, series in self._desk.all():
            if series.lock.acquire(blocking=False):
                try:
                    series.growing.read_ahead(HEADERS_AT_ONCE)
                finally:
                    series.lock.release()

    def _look_at(self, evidence: SeriesEvidence) -> bool:
        """Read the new images of a series; False when there were none."""
        uid = evidence.series_instance_uid
        series = self._desk.get(uid) or self._begin(evidence)
        if series is None or len(series.names) >= evidence.instances:
            return False
        coming = self._ledger.instances_of(uid, evidence.edition)
        try:
            with series.lock:
                self._read(series, coming)
                self._follow(series, evidence)
        except (OSError, MemoryError) as error:
            self._give_up(evidence, type(error).__name__)
        return True

    def _read(self, series: Growing, coming: Sequence[Instance]) -> None:
        """Read those images that were not read before.

        Raises:
            OSError: a file cannot be read.
            MemoryError: there is no room for them.
        """
        series.volume = series.findings = None
        series.guessed = frozenset()
        for one in coming:
            if one.spool_name in series.names:
                continue
            if self._desk.held_mb > self._eagerness.megabytes:
                raise MemoryError
            series.place(one.spool_name, self._spool.path(one.spool_name))

    def _follow(self, series: Growing, evidence: SeriesEvidence) -> None:
        """Have the model look slice by slice, if nobody else's series is looked at so.

        Raises:
            OSError: there is no room for the slices.
        """
        if series.following is None and not series.followed and self._may_follow():
            counts = announced(evidence)
            lattice = series.growing.lattice(counts.pop() if len(counts) == 1 else None)
            if lattice is not None:
                folder = self._spool.work(f"arriving-{evidence.series_instance_uid}")
                seconds = self._timeout(series.route.model)
                series.following = Following(self._runner, series.bundle, lattice, folder, seconds)
        series.follow()

    def _may_follow(self) -> bool:
        others = any(one.following is not None for _, one in self._desk.all())
        return self._eagerness.streaming and not others

    def _give_up(self, evidence: SeriesEvidence, why: str) -> None:
        """Leave a series to its job, which reads it as a whole."""
        uid = evidence.series_instance_uid
        log.say("series_not_prepared", series=uid, reason=why)
        self._desk.drop(uid)
        self._unwanted.add((uid, evidence.edition))

    def _begin(self, evidence: SeriesEvidence) -> Growing | None:
        """Begin with a series that a route will want; None when there is none, or no room."""
        key = (evidence.series_instance_uid, evidence.edition)
        if key in self._unwanted or len(self._desk.all()) >= self._eagerness.series:
            return None
        route, _ = matching.choose(evidence.attributes, self._routes, ours=False)
        bundle = self._shelf.get(route.model) if route is not None else None
        if route is None or not isinstance(bundle, Bundle) or self._is_ours(evidence):
            self._unwanted.add(key)
            return None
        requirement = scoping.requirement(bundle.manifest.requirement, route.inputs)
        series = Growing(evidence.edition, route, bundle, requirement, GrowingVolume(requirement))
        self._desk.put(evidence.series_instance_uid, series)
        return series

    def _is_ours(self, evidence: SeriesEvidence) -> bool:
        first = self._ledger.instances_of(evidence.series_instance_uid, evidence.edition)[:1]
        return any(self._ledger.is_own_result(one.sop_instance_uid) for one in first)

    def _speculate(self, evidence: SeriesEvidence) -> bool:
        """Have the model look before the series has settled, if it is likely to be complete."""
        uid = evidence.series_instance_uid
        series = self._desk.get(uid)
        if series is None or len(series.names) != evidence.instances:
            return False
        if series.guesses >= self._eagerness.guesses or series.guessed == series.names:
            return False
        quiet = (self._clock.now() - evidence.last_received).total_seconds()
        if not is_likely_complete(evidence, quiet, self._eagerness):
            return False
        if self._ledger.has_jobs():
            return False  # what has settled goes before what may have
        try:
            with series.lock:
                self._guess(uid, series)
        except (OSError, MemoryError) as error:
            self._give_up(evidence, type(error).__name__)
        return True

    def _guess(self, uid: str, series: Growing) -> None:
        series.guesses += 1
        series.guessed = frozenset(series.names)
        volume = series.growing.finish()
        if isinstance(volume, Refusal):
            return  # the rest may be still to come; if not, the job will say this in words
        series.volume = volume
        seconds = self._timeout(series.route.model)
        following = series.followed_by(volume)
        found: Findings | Refusal | None = None
        if following is not None:
            found = following.finish(volume.affine, volume.voxels.shape, seconds)
        series.let_go()
        if found is None:
            found = self._look(uid, series, volume, seconds)
        if isinstance(found, Refusal):
            log.say("early_look_failed", "warning", series=uid, reason=str(found))
            return
        series.findings = found
        log.say("looked_early", series=uid, instances=len(series.names))

    def _look(
        self, uid: str, series: Growing, volume: Volume, seconds: float
    ) -> Findings | Refusal:
        folder = self._spool.work(f"early-{uid}")
        try:
            cpu = series.route.fall_back_to_cpu
            return self._runner.predict(series.bundle, volume, folder, seconds, cpu=cpu)
        finally:
            self._spool.clear_work(f"early-{uid}")
