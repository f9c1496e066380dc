"""Runs a network over a volume while its slices arrive, and is nearly done when the last one is.

Windows lie from one end of the volume in even steps, and only the last ones are moved back to end
with it. So every layer of windows but the last is fixed before anybody knows how many slices there
will be. Each slice is resampled when it comes, each layer runs when its slices are complete, and
planes that no later layer touches become labels. Afterwards only the rest is left. A volume that is
there from the start goes the same way, so both give the same labels, voxel for voxel.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from node.engines.gridding import SLICES, Gridding
from node.engines.inferer import AT_ONCE, padded, whole_axes
from node.engines.intake import Intake, NotStreamedError, Ready
from node.engines.returning import Return, largest
from node.engines.windows import Blend, Layout, Predict

Array: TypeAlias = np.ndarray
Change: TypeAlias = Callable[[Array], Array]
"""Does something to each value of an array on its own."""


@dataclass(frozen=True, slots=True)
class Course:
    """What a volume goes through.

    `early` and `late` change grey values before and after they are resampled. `activate` changes
    scores. With `nearest` labels are brought back, after `middle` has been done to all of them;
    without, scores are. `threads` is how many slices are brought back at once; `monotonic` gives
    seconds, for the stopwatch.
    """

    early: Change
    late: Change
    layout: Layout
    activate: Change
    nearest: bool
    middle: Change | None = None
    threads: int = 1
    monotonic: Callable[[], float] = lambda: 0.0


class Laps:
    """A stopwatch with named laps, in seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """`monotonic` gives seconds."""
        self._monotonic = monotonic
        self.seconds: dict[str, float] = {}

    def add(self, other: "Laps") -> None:
        """Add what another stopwatch counted."""
        for name, seconds in other.seconds.items():
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        """Count the time in here for `name`."""
        began = self._monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + self._monotonic() - began


class Stream:
    """Slices in, a label map out."""

    def __init__(
        self,
        course: Course,
        gridding: Gridding,
        predict: Predict,
        count: int | None = None,
        intake: Intake | Ready | None = None,
    ) -> None:
        """Begin with no slice.

        Args:
            course: what is done.
            gridding: where the network's planes lie.
            predict: the network.
            count: the number of slices, None while it is not known; `gridding` then guesses it.
            intake: where planes come from, if not from slices that are fed.
        """
        self._course, self._announced, self._axis = course, gridding, gridding.axis
        self._count = count
        self._intake = intake or Intake(gridding, course.early)
        self.laps = Laps(course.monotonic)
        self._back = Return(
            gridding, course.activate, nearest=course.nearest, threads=course.threads
        )
        self._labels: list[Array] = []
        self._layout = whole_axes(course.layout, gridding.sizes)
        self._roi = self._layout.roi[self._axis]
        self._step = self._layout.step(self._axis, self._roi + 1)
        margins = padded(self._layout.roi, gridding.sizes)
        margins[self._axis] = (0, 0)
        self._inner = [slice(a, a + n) for (a, _), n in zip(margins, gridding.sizes, strict=True)]
        sizes = [n + a + b for n, (a, b) in zip(gridding.sizes, margins, strict=True)]
        sizes[self._axis] = self._roi
        self._blend = Blend(self._layout, predict, sizes, self._axis)
        self._image = np.full(sizes, self._layout.cval, dtype=np.float32)
        looked_at = self._layout.skip is not None or self._layout.box is not None
        self._grey = np.full(sizes, -np.inf, dtype=np.float32) if looked_at else None
        self._base = self._filled = self._layers = 0
        self._real: int | None = None
        self._margin = (0, 0)
        if count is not None:
            self._end(gridding)

    # ---- slices ------------------------------------------------------------------------------

    def feed(self, number: int, values: Array) -> None:
        """Take a slice; it is resampled in its plane, nothing more.

        Args:
            number: counted from the end where the network's grid begins, from 0.
            values: [rows, columns], already in the units of the volume (in CT: HU).

        Raises:
            NotStreamedError: it came before, or there is no such slice.
        """
        if not 0 <= number < self._announced.tracks[SLICES].size:
            raise NotStreamedError("a slice beyond the end of the volume")
        with self.laps.lap("preprocessing"):
            self._intake.put(number, values)

    def advance(self) -> None:
        """Run what is complete: layers of windows, and labels of the planes before them."""
        while self.advance_once():
            pass
        self._label(AT_ONCE)

    def advance_once(self) -> bool:
        """Run one layer of windows, if one is complete; False when none is."""
        start = self._next_start()
        if start is None or self._reach() < start + self._roi:
            return False
        self._run(start)
        return True

    def _next_start(self) -> int | None:
        """Say where the next layer begins; None when all have run."""
        if self._real is None:
            return self._layers * self._step
        starts = self._layout.starts(self._axis, self._real + sum(self._margin))
        return starts[self._layers] if self._layers < len(starts) else None

    def _reach(self) -> int:
        """Say how many planes are there, with what the volume is padded with."""
        reach = self._intake.reach()
        behind = self._margin[1] if reach == self._real else 0
        return self._margin[0] + reach + behind

    def _final(self) -> int:
        """Say how many planes no later layer will touch, wherever the volume ends."""
        start = self._next_start()
        if start is None:
            return self._reach()
        if self._layers == 0 or self._real is not None:
            return start
        return min(start, self._reach() - self._roi)

    # ---- layers ------------------------------------------------------------------------------

    def _run(self, start: int) -> None:
        with self.laps.lap("preprocessing"):
            self._fill(start)
        self._label()
        with self.laps.lap("network"):
            self._blend.run(start, self._image, self._grey)
        self._layers += 1
        self._label()

    def _planes(self, array: Array) -> Array:
        """See an array with the slices' axis first."""
        return np.moveaxis(array, self._axis, 0)

    def _fill(self, start: int) -> None:
        """Let go of the planes before `start`, and put those of its layer in place."""
        shift, kept = start - self._base, self._filled - start
        for array in (self._image, self._grey):
            if array is not None and shift:
                self._planes(array)[:kept] = self._planes(array)[shift : shift + kept]
        self._base = start
        inner = [place for axis, place in enumerate(self._inner) if axis != self._axis]
        stop = min(start + self._roi, self._margin[0] + self._intake.reach())
        while self._filled < stop:
            number = min(AT_ONCE, stop - self._filled)
            made = self._intake.take(number)
            place = (slice(self._filled - start, self._filled - start + number), *inner)
            if self._grey is not None:
                self._planes(self._grey)[place] = made
            self._planes(self._image)[place] = self._course.late(made)
            self._filled += number

    def _label(self, least: int = 1) -> None:
        """Hand on what is final, a few planes at a time; nothing if there are less than `least`."""
        final = self._final()
        with self.laps.lap("postprocessing"):
            while final - self._blend.done >= least:
                self._hand_on(min(self._blend.done + AT_ONCE, final))

    def _hand_on(self, before: int) -> None:
        place = [slice(None), *self._inner]
        place[self._axis + 1] = self._real_planes(self._blend.done, before)
        scores = self._blend.take(before)[tuple(place)]
        if not scores.size:
            return
        if self._course.middle is None:
            self._back.put(scores)
        else:
            self._labels.append(largest(self._course.activate(scores)))

    def _real_planes(self, first: int, last: int) -> slice:
        """Say which of the planes from `first` to before `last` are not padding."""
        before = self._margin[0]
        if self._real is None or not sum(self._margin):
            return slice(None)
        return slice(max(before - first, 0), max(min(last, before + self._real) - first, 0))

    # ---- the end -----------------------------------------------------------------------------

    def _end(self, gridding: Gridding) -> None:
        """Take note of how many planes there are."""
        self._real = gridding.sizes[self._axis]
        self._intake.end(gridding)
        lacking = max(self._roi - self._real, 0)
        self._margin = (lacking // 2, lacking - lacking // 2)
        self._filled = max(self._filled, self._margin[0])

    def finish(self, gridding: Gridding) -> Array:
        """Run the rest.

        Args:
            gridding: for the number of slices that came.

        Returns:
            The label map, [slices, rows, columns].

        Raises:
            NotStreamedError: slices are missing, or the grid is not the one that was announced.
        """
        count = gridding.tracks[SLICES].size
        if self._intake.has_gap or self._intake.known != count:
            raise NotStreamedError("slices are missing")
        if self._count is None:
            if not self._announced.agrees(gridding):
                raise NotStreamedError("the whole volume lies otherwise than its first slices")
            self._end(gridding)
        self.advance()
        self._label()
        with self.laps.lap("postprocessing"):
            if self._course.middle is not None:
                labels = np.concatenate(self._labels, axis=self._axis)
                self._back.put_labels(self._course.middle(labels[np.newaxis])[0])
            return self._back.finish(gridding)
