"""Brings what the network found back to the scanner's grid, slice by slice, as labels.

Where a bundle interpolates scores and then takes the largest, all its channels would have to be
brought to the scanner's grid, which is many times the work of the network. But where the eight
voxels around a place have the same label, the scores interpolated between them have it too: the
same score is the largest at each of the eight, so it is in every weighted mean of them. Only the
places in between labels are interpolated, and nothing changes but ties of rounding.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from node.engines.gridding import COLUMNS, ROWS, Gridding
from node.engines.resampling import Line

Array: TypeAlias = np.ndarray

AT_FIRST = 512
"""Room for so many slices is taken while nobody knows how many there will be."""


def largest(scores: Array) -> Array:
    """Find the channel with the largest score, the first of equals; [channels, ...]."""
    if len(scores) == 2:
        return (scores[1] > scores[0]).view(np.uint8)
    best = np.zeros(scores.shape[1:], dtype=np.uint8 if len(scores) <= 256 else np.uint16)
    top = scores[0].copy()
    better = np.empty(top.shape, dtype=bool)
    for channel in range(1, len(scores)):
        np.greater(scores[channel], top, out=better)
        np.copyto(best, best.dtype.type(channel), where=better)
        np.maximum(top, scores[channel], out=top)
    return best


@dataclass(slots=True)
class _Plane:
    """One plane of the network's grid: labels [a * b], and scores [channels, a * b] if wanted."""

    labels: Array
    scores: Array | None = None
    mixed: Array | None = None


class Places:
    """Where the voxels of a slice lie in a plane of the network's grid."""

    def __init__(self, gridding: Gridding, *, nearest: bool) -> None:
        """Work out the indexes once; `nearest` for labels, else for scores."""
        rows, columns = (gridding.tracks[i].back(nearest=nearest) for i in (ROWS, COLUMNS))
        height, width = (gridding.tracks[i].new for i in (ROWS, COLUMNS))
        self.shape = (len(rows), len(columns))
        self.sizes = (width, height) if gridding.columns_first else (height, width)
        steps = (1, height) if gridding.columns_first else (width, 1)
        self._rows, self._columns = _scaled(rows, steps[0]), _scaled(columns, steps[1])
        self.base = (self._rows.low[:, np.newaxis] + self._columns.low).ravel()
        cells = [np.minimum(line.low, line.high) for line in (self._rows, self._columns)]
        self.cell = (cells[0][:, np.newaxis] + cells[1]).ravel()
        blends = (columns, rows) if gridding.columns_first else (rows, columns)
        self.blends = tuple(line.weight is not None for line in blends)
        self.is_same = rows.is_same(height) and columns.is_same(width)

    def interpolate(self, scores: Array, places: Array) -> Array:
        """Interpolate [channels, a * b] at some of a slice's voxels, given by their number."""
        r, c = np.divmod(places, self.shape[1])
        upper = self._between_columns(scores, self._rows.low[r], c)
        if self._rows.weight is None:
            return upper
        lower = self._between_columns(scores, self._rows.high[r], c)
        lower -= upper
        lower *= self._rows.weight[r]
        lower += upper
        return lower

    def _between_columns(self, scores: Array, row: Array, c: Array) -> Array:
        left = np.take(scores, row + self._columns.low[c], axis=1)
        if self._columns.weight is None:
            return left
        right = np.take(scores, row + self._columns.high[c], axis=1)
        right -= left
        right *= self._columns.weight[c]
        right += left
        return right


def _scaled(line: Line, step: int) -> Line:
    return Line(line.low * step, line.high * step, line.weight)


class Return:
    """Planes of scores in, slices of labels out."""

    def __init__(
        self, gridding: Gridding, activate: Callable[[Array], Array], *, nearest: bool, threads: int
    ) -> None:
        """Begin with no plane.

        Args:
            gridding: how the grids lie to each other; its number of slices may be a guess.
            activate: what is done to the scores before they are brought back, for example softmax.
            nearest: bring back labels by nearest neighbour; else interpolate scores.
            threads: how many slices are worked on at once.
        """
        self._activate, self._nearest, self._axis = activate, nearest, gridding.axis
        self._places = Places(gridding, nearest=nearest)
        self._line = gridding.departures(nearest=nearest)
        self._planes: dict[int, _Plane] = {}
        self._count = 0
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._room: Array | None = None
        self._made = 0

    def put(self, scores: Array) -> None:
        """Take the scores of the next planes, [channels, x, y, z]."""
        scores = self._activate(scores)
        if self._nearest:
            self.put_labels(largest(scores))
            return
        field = scores[1:2] - scores[0:1] if len(scores) == 2 else scores
        labels = (field[0] > 0).view(np.uint8) if len(scores) == 2 else largest(scores)
        field = np.ascontiguousarray(np.moveaxis(field, self._axis + 1, 1))
        self._put(labels, field.reshape(len(field), field.shape[1], -1))

    def put_labels(self, labels: Array) -> None:
        """Take the labels of the next planes, [x, y, z]."""
        self._put(labels, None)

    def _put(self, labels: Array, field: Array | None) -> None:
        turned = np.ascontiguousarray(np.moveaxis(labels, self._axis, 0))
        for k, plane in enumerate(turned):
            scores = None if field is None else field[:, k]
            self._planes[self._count] = _Plane(plane.ravel(), scores)
            self._count += 1
        self._advance(int(np.searchsorted(self._line.high, self._count, side="left")))

    def _advance(self, until: int) -> None:
        """Make the slices up to `until`; all planes that they look at are there."""
        if until <= self._made:
            return
        room = self._grown(until)
        pairs: dict[tuple[int, int], list[int]] = {}
        for t in range(self._made, until):
            weighs = self._line.weight is not None and self._line.weight[t] != 0
            low = int(self._line.low[t])
            pairs.setdefault((low, int(self._line.high[t]) if weighs else low), []).append(t)

        def make(pair: tuple[tuple[int, int], list[int]]) -> None:
            self._make(*pair[0], pair[1], room)

        list((self._pool.map if self._pool else map)(make, pairs.items()))
        self._made = until
        if until < len(self._line):
            for number in [n for n in self._planes if n < self._line.low[until]]:
                del self._planes[number]

    def _grown(self, until: int) -> Array:
        if self._room is None or until > len(self._room):
            held = AT_FIRST if self._room is None else 2 * len(self._room)
            size = max(until, min(held, len(self._line)))
            dtype = next(iter(self._planes.values())).labels.dtype
            grown = np.empty((size, *self._places.shape), dtype=dtype)
            if self._room is not None:
                grown[: self._made] = self._room[: self._made]
            self._room = grown
        return self._room

    def _make(self, low: int, high: int, slices: list[int], room: Array) -> None:
        plane, other = self._planes[low], self._planes[high]
        base = plane.labels
        if not self._places.is_same:
            base = np.take(base, self._places.base)
        places = self._ambiguous(plane, other) if plane.scores is not None else None
        for t in slices:
            out = room[t].reshape(-1)
            out[...] = base
        if places is None or not len(places) or plane.scores is None or other.scores is None:
            return
        near = self._places.interpolate(plane.scores, places)
        far = self._places.interpolate(other.scores, places) - near if other is not plane else None
        for t in slices:
            scores = near
            if far is not None and self._line.weight is not None:
                scores = near + far * self._line.weight[t]
            found = largest(scores) if len(scores) > 1 else (scores[0] > 0).view(np.uint8)
            room[t].reshape(-1)[places] = found

    def _ambiguous(self, plane: _Plane, other: _Plane) -> Array | None:
        """Find the voxels of a slice between two planes around which labels differ."""
        if other is plane and self._places.is_same:
            return None
        cells = self._mixed(plane) | self._mixed(other)
        if other is not plane:
            cells |= plane.labels != other.labels
        return np.flatnonzero(np.take(cells, self._places.cell))

    def _mixed(self, plane: _Plane) -> Array:
        """Say for each voxel of a plane whether a label differs in the square that begins there."""
        if plane.mixed is None:
            labels = plane.labels.reshape(self._places.sizes)
            mixed = np.zeros(labels.shape, dtype=bool)
            if self._places.blends[0]:
                mixed[:-1] |= labels[1:] != labels[:-1]
            if self._places.blends[1]:
                mixed[:, :-1] |= labels[:, 1:] != labels[:, :-1]
            if all(self._places.blends):
                mixed[:-1, :-1] |= labels[1:, 1:] != labels[:-1, 1:]
            plane.mixed = mixed.ravel()
        return plane.mixed

    def finish(self, gridding: Gridding) -> Array:
        """Make the rest, now that the number of slices is known.

        Returns:
            The label map, [slices, rows, columns].
        """
        self._line = gridding.departures(nearest=self._nearest)
        self._advance(len(self._line))
        if self._pool is not None:
            self._pool.shutdown()
        assert self._room is not None  # noqa: S101 - a volume has a slice
        labels = self._room[: len(self._line)]
        return labels[::-1] if gridding.tracks[0].is_reversed else labels
