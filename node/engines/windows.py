"""Lays windows over a volume and blends what the network says of them, a layer at a time.

Windows, weights and average are those of MONAI's SlidingWindowInferer (1.6.1). A layer is all
windows that begin at the same voxel of one axis, the one along which slices arrive. Layers run in
order; planes that no later layer touches are done and are handed on, so that there is never more
than one layer's worth of scores in memory. Arrays are [channels, x, y, z] of float32.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray
Predict: TypeAlias = Callable[[Array], Array]
"""From a batch [n, channels, x, y, z] to scores, [n, channels, x, y, z] or [n, classes]."""
Window: TypeAlias = tuple[slice, slice, slice]


class NotNumbersError(ArithmeticError):
    """The network's scores are no numbers (NaN); a label map of them would look like "nothing"."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """Voxels that the network is spared, and the scores that are stated for them instead.

    `level` is a grey value as it is before the last scaling of intensities (in CT: HU), `scores`
    has one score for each channel of the network.
    """

    level: float
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """How windows lie and are blended.

    A volume smaller than a window is padded with `cval`, or with its edge where `by_edge` says so.
    `skip`: windows all of whose voxels are below its level are not run. `box`: windows lie over
    the voxels at or above its level only, a box for each layer; this moves the windows, so it
    changes what comes out.
    """

    roi: tuple[int, int, int]
    overlap: tuple[float, float, float]
    mode: str = "constant"
    sigma_scale: float = 0.125
    batch: int = 1
    cval: float = 0.0
    by_edge: bool = False
    skip: Unseen | None = None
    box: Unseen | None = None

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> "Layout":
        """Take the arguments of a SlidingWindowInferer, with MONAI's defaults."""
        overlap = float(arguments.get("overlap", 0.25))
        x, y, z = (int(n) for n in arguments["roi_size"])
        return cls(
            (x, y, z),
            (overlap, overlap, overlap),
            str(arguments.get("mode", "constant")),
            float(arguments.get("sigma_scale", 0.125)),
            int(arguments.get("sw_batch_size", 1)),
            float(arguments.get("cval", 0.0)),
            arguments.get("padding_mode", "constant") == "replicate",
            _unseen(arguments.get("skip"), "below"),
            _unseen(arguments.get("box"), "above"),
        )

    def step(self, axis: int, size: int) -> int:
        """Say how far apart windows begin on an axis of `size` voxels."""
        roi = self.roi[axis]
        return roi if roi == size else max(int(roi * (1 - self.overlap[axis])), 1)

    def starts(self, axis: int, size: int) -> list[int]:
        """List where windows begin: from 0 in even steps, the last moved back to end with it."""
        roi, step = self.roi[axis], self.step(axis, size)
        count = max(-(-(size - roi) // step), 0) + 1
        return [min(i * step, size - roi) for i in range(count)]


def _unseen(said: Mapping[str, Any] | None, key: str) -> Unseen | None:
    return None if said is None else Unseen(float(said[key]), tuple(map(float, said["scores"])))


def importance(roi: Sequence[int], mode: str, sigma_scale: float) -> Array:
    """Say how much each voxel of a window counts: all the same, or less towards its edges."""
    if mode == "constant":
        return np.ones(roi, dtype=np.float32)
    weights = np.ones((), dtype=np.float32)
    for n in roi:
        offset = np.arange(n, dtype=np.float32) - np.float32((n - 1) / 2)
        sigma = n * sigma_scale
        weights = weights[..., np.newaxis] * np.exp(-(offset**2) / np.float32(2 * sigma**2))
    return np.maximum(weights, max(float(weights.min()), 1e-3)).astype(np.float32)


class Blend:
    """Runs layer after layer and gives planes of blended scores, as soon as they are final."""

    def __init__(self, layout: Layout, predict: Predict, sizes: Sequence[int], axis: int) -> None:
        """Begin before the first plane.

        Args:
            layout: how windows lie; `roi` has no 0 or below any more.
            predict: the network; its answer has the window's size.
            sizes: the volume's [x, y, z], at least `roi`; along `axis` it need not be known.
            axis: along which layers follow each other.
        """
        self._layout, self._predict, self._axis = layout, predict, axis
        slab = list(sizes)
        slab[axis] = layout.roi[axis]
        self._sizes = tuple(slab)
        self._weights = importance(layout.roi, layout.mode, layout.sigma_scale)
        self._room = np.empty((layout.batch, 1, *layout.roi), dtype=np.float32)
        self._product = np.empty(layout.roi, dtype=np.float32)
        self._total: Array | None = None
        self._count = np.zeros(self._sizes, dtype=np.float32)
        self._usual: Array | None = None
        self._base = 0
        self.done = 0
        """The first plane that has not been handed on."""

    def run(self, start: int, image: Array, grey: Array | None = None) -> None:
        """Run the layer that begins at plane `start`, up to which all have been taken.

        Args:
            start: where the layer begins.
            image: its planes, [x, y, z].
            grey: with `skip` or `box`: the same planes before their intensities were scaled.
        """
        self._move_to(start)
        windows = self._windows(grey)
        run = [window for window in windows if not self._is_skipped(window, grey)]
        for first in range(0, len(run), self._layout.batch):
            self._run_batch(run[first : first + self._layout.batch], image)
        skip = self._layout.skip
        if skip is not None:
            kept = {_corner(window) for window in run}
            stated = np.array(skip.scores, dtype=np.float32)
            for window in windows:
                if _corner(window) not in kept:
                    self._add(window, stated)
        self._count += self._layer_count(windows)

    def _windows(self, grey: Array | None) -> list[Window]:
        """Lay a layer's windows: over the whole of it, or over the box that holds what is seen."""
        box, roi = self._layout.box, self._layout.roi
        ends = [(0, size) for size in self._sizes]
        if box is not None and grey is not None:
            seen = grey >= box.level
            for axis in range(3):
                if axis != self._axis:
                    ends[axis] = _extent(seen, axis, roi[axis])
        along = [
            [slice(first + i, first + i + roi[axis]) for i in self._starts(axis, last - first)]
            for axis, (first, last) in enumerate(ends)
        ]
        return [(x, y, z) for x, y, z in itertools.product(*along)]

    def _starts(self, axis: int, size: int) -> list[int]:
        return self._layout.starts(axis, size) if size else []

    def _is_skipped(self, window: Window, grey: Array | None) -> bool:
        skip = self._layout.skip
        return skip is not None and grey is not None and not (grey[window] >= skip.level).any()

    def _run_batch(self, windows: Sequence[Window], image: Array) -> None:
        batch = self._room[: len(windows)]
        for room, window in zip(batch, windows, strict=True):
            room[0] = image[window]
        scores = self._predict(batch)
        if scores.ndim != 5 or scores.shape[2:] != self._layout.roi:
            raise ValueError(f"the network made {scores.shape} of windows {self._layout.roi}")
        for window, score in zip(windows, scores, strict=True):
            self._add(window, score)

    def _add(self, window: Window, scores: Array) -> None:
        """Add scores, [channels, x, y, z] or one for each channel, by their weights."""
        if self._total is None:
            self._total = np.zeros((len(scores), *self._sizes), dtype=np.float32)
        for total, score in zip(self._total, scores, strict=True):
            place = total[window]
            if self._layout.mode == "constant":
                place += score
            else:
                np.multiply(score, self._weights, out=self._product)
                place += self._product

    def _layer_count(self, windows: Sequence[Window]) -> Array:
        """Sum the weights of a layer's windows; without boxes all layers have the same."""
        if self._usual is not None:
            return self._usual
        count = np.zeros(self._sizes, dtype=np.float32)
        for window in windows:
            count[window] += self._weights
        if self._layout.box is None:
            self._usual = count
        return count

    def take(self, before: int) -> Array:
        """Take the scores of the planes from `done` up to plane `before`, which must be final.

        Returns:
            [channels, x, y, z], a copy.

        Raises:
            NotNumbersError: some are no numbers.
        """
        count = self._planes(self._count, self.done - self._base, before - self._base)
        box = self._layout.box
        if self._total is None and box is not None:
            self._total = np.zeros((len(box.scores), *self._sizes), dtype=np.float32)
        if self._total is None:
            raise ValueError("planes are taken before any window was run")
        total = self._planes(self._total, self.done - self._base, before - self._base)
        if box is None:
            scores = total / count
        else:
            unseen = count == 0
            scores = total / np.where(unseen, np.float32(1), count)
            scores[:, unseen] = np.array(box.scores, dtype=np.float32)[:, np.newaxis]
        if scores.size == 0 or np.isnan(scores.min()):
            raise NotNumbersError("scores that are no numbers (NaN), or none at all")
        self.done = before
        return scores

    def _planes(self, array: Array, first: int, last: int | None) -> Array:
        index: list[slice] = [slice(None)] * array.ndim
        index[self._axis - 3] = slice(first, last)
        return array[tuple(index)]

    def _move_to(self, start: int) -> None:
        """Let go of the planes before `start` and make room for as many behind."""
        if start != self.done:
            raise ValueError("a layer begins where the planes before it have been taken")
        number = start - self._base
        left = self._sizes[self._axis] - number
        for array in (self._total, self._count):
            if array is not None and number:
                self._planes(array, 0, left)[...] = self._planes(array, number, None)
                self._planes(array, left, None)[...] = 0
        self._base = start


def _corner(window: Window) -> tuple[int, int, int]:
    x, y, z = window
    return x.start, y.start, z.start


def _extent(seen: Array, axis: int, roi: int) -> tuple[int, int]:
    """Find where something is seen along an axis, at least `roi` long; (0, 0) where nothing is."""
    some = np.flatnonzero(seen.any(axis=tuple(i for i in range(3) if i != axis)))
    if not len(some):
        return 0, 0
    first, last = int(some[0]), int(some[-1]) + 1
    lacking = max(roi - (last - first), 0)
    first = min(max(first - lacking // 2, 0), seen.shape[axis] - max(roi, last - first))
    return first, max(last, first + roi)
