"""Series that are being read before they settle, until their job takes what was prepared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import numpy as np

from node.bundles.following import Following
from node.bundles.shelf import Bundle
from node.dicom.findings import Findings
from node.dicom.growing import GrowingVolume
from node.dicom.volume import Volume
from node.rules.failures import Refusal
from node.rules.nouns import InputRequirement, Job, Route


@dataclass(slots=True)
class Prepared:
    """What was read of a series, and what the model found in it, if it was asked already.

    `early` is how many of its images were read before it had settled. With `following`, the model
    has had its slices, too, and may be asked for the rest.
    """

    volume: Volume | Refusal
    findings: Findings | None = None
    early: int = 0
    following: Following | None = None


@dataclass(slots=True, eq=False)
class Growing:
    """One series while it grows; whoever touches its images holds its lock.

    `names` are those of its images in the spool that were read, `guessed` those that the model was
    asked about, which then make `volume`; `findings` is what it found. `settled_at` is when it was
    first seen to be no longer open, in seconds of the process's clock. `following` has its slices
    handed over to the model, the first `followed` of those that arrived.
    """

    edition: int
    route: Route
    bundle: Bundle
    requirement: InputRequirement
    growing: GrowingVolume
    lock: Lock = field(default_factory=Lock)
    names: set[str] = field(default_factory=set)
    guesses: int = 0
    guessed: frozenset[str] = frozenset()
    volume: Volume | None = None
    findings: Findings | None = None
    settled_at: float | None = None
    following: Following | None = None
    followed: int = 0

    def place(self, name: str, path: Path) -> None:
        """Read an image.

        Raises:
            OSError: its file cannot be read.
        """
        self.growing.place(path)
        self.names.add(name)

    def follow(self) -> None:
        """Hand over the slices that the model has not had."""
        if self.following is None:
            return
        arrived = self.growing.arrived
        for slot in arrived[self.followed :]:
            self.following.put(slot, self.growing.slice(slot))
        self.followed = len(arrived)
        self.following.push()

    def followed_by(self, volume: Volume) -> Following | None:
        """Give who handed over the slices, if they are those of the volume, as they lie there."""
        used = list(self.growing.used)
        if self.following is None or not used or volume.voxels.dtype != np.int16:
            return None
        is_run = used == list(range(used[0], used[0] + len(volume.voxels)))
        return self.following if is_run and set(used) == set(self.growing.arrived) else None

    def let_go(self) -> None:
        """Give back what the model's process does not need any more."""
        if self.following is not None:
            self.following.close()
            self.following = None


class Desk:
    """Where series lie that are being read; the leg puts them there, jobs take them away."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = Lock()
        self._series: dict[str, Growing] = {}

    def take(
        self, job: Job, paths: Mapping[str, Path], bundle: Bundle, requirement: InputRequirement
    ) -> Prepared | None:
        """Give what was prepared for a job, completed by the images that are still lacking.

        Args:
            job: it reads the images of its edition, and no others.
            paths: their files, by name in the spool.
            bundle: the one that will look at them.
            requirement: what is to be read.

        Returns:
            None when nothing was, or it does not fit: then read the series as ever.

        Raises:
            OSError: a file cannot be read.
        """
        with self._lock:
            series = self._series.pop(job.series_instance_uid, None)
        if series is None:
            return None
        with series.lock:
            fits = series.bundle.sha256 == bundle.sha256 and series.requirement == requirement
            if not fits or not series.names <= set(paths):
                series.let_go()
                return None
            early = len(series.names)
            if series.guessed == set(paths) and series.volume is not None:
                series.let_go()
                return Prepared(series.volume, series.findings, early)
            for name in sorted(set(paths) - series.names):
                series.place(name, paths[name])
            series.follow()
            volume = series.growing.finish()
            following = None if isinstance(volume, Refusal) else series.followed_by(volume)
            if following is None:
                series.let_go()
            return Prepared(volume, None, early, following)

    def get(self, uid: str) -> Growing | None:
        """Give a series that is being read."""
        return self._series.get(uid)

    def put(self, uid: str, series: Growing) -> None:
        """Begin with a series."""
        with self._lock:
            self._series[uid] = series

    def drop(self, uid: str) -> None:
        """Forget a series."""
        with self._lock:
            series = self._series.pop(uid, None)
        if series is not None:
            series.let_go()

    def all(self) -> list[tuple[str, Growing]]:
        """Give all that are being read."""
        with self._lock:
            return list(self._series.items())

    @property
    def held_mb(self) -> float:
        """How much memory the images take that were read."""
        return sum(series.growing.held_bytes for _, series in self.all()) / 1e6
