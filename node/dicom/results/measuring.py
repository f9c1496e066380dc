"""Measures what was segmented: volume, intensities and extent of every label, in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from node.dicom.findings import Findings
from node.dicom.results import shapes
from node.dicom.results.shapes import Axes
from node.dicom.volume import Volume
from node.rules.nouns import Segment

INTENSITIES = ("mean", "sd", "minimum", "maximum", "median")
_SLAB = 16
"""Slices that are looked at together."""
_MOST_BINS = 1 << 23
"""Larger tables of labels by values than this are not made; then the values themselves are kept."""


@dataclass(frozen=True, slots=True)
class Intensity:
    """Statistics over a label's voxels in the image's unit; `sd` is over all of them (n)."""

    mean: float
    sd: float
    minimum: float
    maximum: float
    median: float


@dataclass(frozen=True, slots=True)
class Measured:
    """The measurements of one label.

    `largest_slice` is the index of the slice where it has most voxels, of those that an image
    shows, since nothing can be drawn on what was filled in; None when it has a voxel on none.
    `intensity`, `diameter_mm` (the largest distance of two voxel centres, IBSI L0JK) and `axes` are
    None where nobody asked for them or there is nothing to measure.
    """

    label: int
    voxels: int
    volume_ml: float
    largest_slice: int | None = None
    intensity: Intensity | None = None
    diameter_mm: float | None = None
    axes: Axes | None = None


def measure(volume: Volume, findings: Findings, segments: Sequence[Segment]) -> dict[int, Measured]:
    """Measure every label that a model has a word for, also those without a voxel.

    Memory: beside the volume a table of labels by values of at most 64 MB; where the values are no
    whole numbers or spread too far for it, the values of the labelled voxels.

    Args:
        volume: the images, voxels [slices, rows, columns].
        findings: its `labels` are on the same grid.
        segments: the labels, and what of each is to be measured.

    Raises:
        ValueError: the label map is not on the grid of the images.
    """
    labels = findings.labels
    if labels is None:
        return {}
    if labels.shape != volume.voxels.shape:
        raise ValueError(f"labels {labels.shape} on a volume of {volume.voxels.shape}")
    places = _places(labels, segments)
    sweep = _Sweep(volume, segments)
    for start in range(0, len(labels), _SLAB):
        sweep.take(start, labels[start : start + _SLAB], places)
    areas, corners = sweep.areas, sweep.corners()
    shown = areas.copy()
    shown[list(volume.filled)] = 0
    intensities = sweep.intensities()
    measured = {}
    for at, segment in enumerate(segments):
        voxels = int(areas[:, at].sum())
        largest = int(shown[:, at].argmax()) if shown[:, at].any() else None
        measured[segment.label] = Measured(
            segment.label,
            voxels,
            round(voxels * volume.voxel_ml, 3),
            largest,
            intensities.get(at),
            _diameter(volume, segment, corners.get(at)),
            _axes(volume, segment, largest, corners.get(at)),
        )
    return measured


def _places(labels: np.ndarray, segments: Sequence[Segment]) -> np.ndarray:
    """Map each label to its segment's place, from 1; 0 for background and unknown labels."""
    highest = max(int(labels.max(initial=0)), max((one.label for one in segments), default=0))
    places = np.zeros(highest + 1, np.uint16)
    for at, segment in enumerate(segments, 1):
        places[segment.label] = at
    return places


class _Sweep:
    """What is gathered of every label while the volume is gone through once, slab by slab."""

    def __init__(self, volume: Volume, segments: Sequence[Segment]) -> None:
        self._voxels, self._number = volume.voxels, len(segments)
        self._shown = [set(INTENSITIES) & set(one.measurements) for one in segments]
        self._outlined = np.array(
            [False, *(one.axes or "diameter" in one.measurements for one in segments)]
        )
        self.areas = np.zeros((len(self._voxels), self._number), np.int64)
        self._table, self._low = (
            _table(self._voxels, self._number) if any(self._shown) else (None, 0)
        )
        self._kept: list[list[np.ndarray]] = [[] for _ in segments]
        self._points: list[np.ndarray] = []
        self._owners: list[np.ndarray] = []

    def take(self, start: int, slab: np.ndarray, places: np.ndarray) -> None:
        """Look at the labels of some slices from `start` on, and the voxels that bear one."""
        inside = slab > 0
        at = places[slab[inside]].astype(np.intp)
        planes = np.repeat(np.arange(len(slab)), inside.sum(axis=(1, 2)))
        rows = self._number + 1  # the first is of labels without a word
        counts = np.bincount(planes * rows + at, minlength=len(slab) * rows)
        self.areas[start : start + len(slab)] = counts.reshape(len(slab), rows)[:, 1:]
        if any(self._shown):
            values = self._voxels[start : start + len(slab)][inside]
            self._count(at[at > 0] - 1, values[at > 0] if not at.all() else values)
        if self._outlined.any():
            for index, plane in enumerate(slab, start):
                self._outline(index, plane, places)

    def _count(self, at: np.ndarray, values: np.ndarray) -> None:
        table = self._table
        if table is not None:
            codes = at * table.shape[1] + (values.astype(np.intp) - self._low)
            table += np.bincount(codes, minlength=table.size).reshape(table.shape)
            return
        order = at.argsort(kind="stable")
        counts = np.bincount(at, minlength=self._number)
        pieces = np.split(values[order], counts.cumsum()[:-1])
        for place in np.flatnonzero(counts):
            self._kept[place].append(pieces[place])

    def _outline(self, index: int, plane: np.ndarray, places: np.ndarray) -> None:
        """Keep the pixels that may be corners of a label's hull, on its slice or in the volume."""
        rows, columns = np.divmod(np.flatnonzero(shapes.edges(plane)), plane.shape[1])
        at = places[plane[rows, columns]]
        kept = self._outlined[at]
        points = np.column_stack([np.full(int(kept.sum()), index), rows[kept], columns[kept]])
        self._points.append(points)
        self._owners.append(at[kept])

    def corners(self) -> dict[int, np.ndarray]:
        """Give what was kept of outlines by place, as [points, (slice, row, column)]."""
        if not self._points:
            return {}
        points, owners = np.concatenate(self._points), np.concatenate(self._owners)
        order = owners.argsort(kind="stable")
        counts = np.bincount(owners, minlength=self._number + 1)
        groups = np.split(points[order], counts.cumsum()[:-1])
        return {at - 1: groups[at] for at in np.flatnonzero(counts).tolist()}

    def intensities(self) -> dict[int, Intensity]:
        """Give the statistics of the segments that ask for them and have a voxel."""
        wanted = [at for at, words in enumerate(self._shown) if words]
        table = self._table
        if table is not None:
            return {at: _of_table(table[at], self._low) for at in wanted if table[at].any()}
        kept = self._kept
        return {at: _of_values(np.concatenate(kept[at])) for at in wanted if kept[at]}


def _table(voxels: np.ndarray, segments: int) -> tuple[np.ndarray | None, int]:
    """Make a table of segments by values, and say which value is its first; None if too large."""
    if not np.issubdtype(voxels.dtype, np.integer):
        return None, 0
    low, high = int(voxels.min()), int(voxels.max())
    if (high - low + 1) * segments > _MOST_BINS:
        return None, 0
    return np.zeros((segments, high - low + 1), np.int64), low


def _of_table(counts: np.ndarray, low: int) -> Intensity:
    """Give the statistics of whole values; `counts[0]` is how often `low` occurs."""
    there = np.flatnonzero(counts)
    values, weights = there + low, counts[there]
    number = int(weights.sum())
    mean = float(values @ weights) / number
    spread = float(((values - mean) ** 2) @ weights) / number
    upto = weights.cumsum()
    middle = [values[np.searchsorted(upto, rank)] for rank in ((number + 1) // 2, number // 2 + 1)]
    return Intensity(mean, spread**0.5, float(values[0]), float(values[-1]), float(sum(middle)) / 2)


def _of_values(values: np.ndarray) -> Intensity:
    exact = values.astype(np.float64)
    return Intensity(
        float(exact.mean()),
        float(exact.std()),
        float(exact.min()),
        float(exact.max()),
        float(np.median(exact)),
    )


def _diameter(volume: Volume, segment: Segment, corners: np.ndarray | None) -> float | None:
    if corners is None or "diameter" not in segment.measurements:
        return None
    return shapes.farthest_pair(corners @ volume.affine[:3, :3].T)[2]


def _axes(
    volume: Volume, segment: Segment, largest: int | None, corners: np.ndarray | None
) -> Axes | None:
    if not segment.axes or largest is None or corners is None or volume.tiled:
        return None
    _, tall, wide = volume.spacing_mm
    return shapes.axes_of(corners[corners[:, 0] == largest, 1:], largest, (tall, wide))
