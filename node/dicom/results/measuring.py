"""Measures what was segmented: volume, intensities and extent of every label, in one pass."""

from collections.abc import Iterator, Sequence
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
    areas = _areas(labels, places, len(segments))
    shown = areas.copy()
    shown[list(volume.filled)] = 0
    intensities = _intensities(volume.voxels, labels, places, segments)
    diameters = _diameters(volume, labels, places, segments)
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
            diameters.get(at),
            _axes(volume, labels, segment, largest),
        )
    return measured


def _places(labels: np.ndarray, segments: Sequence[Segment]) -> np.ndarray:
    """Map each label to its segment's place, from 1; 0 for background and unknown labels."""
    highest = max(int(labels.max(initial=0)), max((one.label for one in segments), default=0))
    places = np.zeros(highest + 1, np.uint16)
    for at, segment in enumerate(segments, 1):
        places[segment.label] = at
    return places


def _areas(labels: np.ndarray, places: np.ndarray, segments: int) -> np.ndarray:
    """Count voxels [slices, segments]."""
    areas = np.zeros((len(labels), segments), np.int64)
    for index, plane in enumerate(labels):
        found = np.bincount(plane[plane > 0], minlength=len(places))  # background is most of it
        known = np.flatnonzero(places)
        areas[index, places[known].astype(np.intp) - 1] = found[known]
    return areas


def _labelled(
    voxels: np.ndarray, labels: np.ndarray, places: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give the labelled voxels, slab by slab: places from 0, and values."""
    for start in range(0, len(labels), _SLAB):
        slab = labels[start : start + _SLAB]
        inside = slab > 0
        at = places[slab[inside]]
        values = voxels[start : start + _SLAB][inside]
        if not at.all():
            known = at > 0
            at, values = at[known], values[known]
        yield at.astype(np.intp) - 1, values


def _intensities(
    voxels: np.ndarray, labels: np.ndarray, places: np.ndarray, segments: Sequence[Segment]
) -> dict[int, Intensity]:
    wanted = [at for at, one in enumerate(segments) if set(INTENSITIES) & set(one.measurements)]
    if not wanted:
        return {}
    if np.issubdtype(voxels.dtype, np.integer):
        low, high = int(voxels.min()), int(voxels.max())
        if (high - low + 1) * len(segments) <= _MOST_BINS:
            table = np.zeros((len(segments), high - low + 1), np.int64)
            for at, values in _labelled(voxels, labels, places):
                codes = at * table.shape[1] + (values.astype(np.intp) - low)
                table += np.bincount(codes, minlength=table.size).reshape(table.shape)
            return {at: _of_table(table[at], low) for at in wanted if table[at].any()}
    kept: list[list[np.ndarray]] = [[] for _ in segments]
    for at, values in _labelled(voxels, labels, places):
        order = at.argsort(kind="stable")
        counts = np.bincount(at, minlength=len(segments))
        pieces = np.split(values[order], counts.cumsum()[:-1])
        for place in np.flatnonzero(counts):
            kept[place].append(pieces[place])
    return {at: _of_values(np.concatenate(kept[at])) for at in wanted if kept[at]}


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


def _diameters(
    volume: Volume, labels: np.ndarray, places: np.ndarray, segments: Sequence[Segment]
) -> dict[int, float]:
    wanted = np.array([False, *("diameter" in one.measurements for one in segments)])
    if not wanted.any():
        return {}
    corners: list[np.ndarray] = []
    of: list[np.ndarray] = []
    for index, plane in enumerate(labels):
        if not plane.any():
            continue
        rows, columns = np.nonzero(shapes.edges(plane))
        at = places[plane[rows, columns]]
        kept = wanted[at]
        corners.append(
            np.column_stack([np.full(int(kept.sum()), index), rows[kept], columns[kept]])
        )
        of.append(at[kept])
    if not corners:
        return {}
    points = np.concatenate(corners) @ volume.affine[:3, :3].T
    owners = np.concatenate(of).astype(np.intp)
    order = owners.argsort(kind="stable")
    counts = np.bincount(owners, minlength=len(segments) + 1)
    groups = np.split(points[order], counts.cumsum()[:-1])
    return {at - 1: shapes.farthest_pair(groups[at])[2] for at in np.flatnonzero(counts).tolist()}


def _axes(volume: Volume, labels: np.ndarray, segment: Segment, largest: int | None) -> Axes | None:
    if not segment.axes or largest is None or volume.tiled:
        return None
    _, tall, wide = volume.spacing_mm
    return shapes.axes(labels[largest] == segment.label, largest, (tall, wide))
