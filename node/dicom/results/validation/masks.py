"""Holds a SEG's masks against the label map: counted, and placed by the SEG's own headers."""

from collections.abc import Iterator

import numpy as np
from pydicom.dataset import Dataset

from node.dicom.reading import text_of
from node.dicom.results.model_run import ModelRun
from node.dicom.results.validation.documents import missing
from node.rules.naming import tracking_uid

CENTROID_TOLERANCE_MM = 0.1

_TYPE_1_SEG = (
    "FrameOfReferenceUID",
    "ContentLabel",
    "SegmentationType",
    "NumberOfFrames",
    "SegmentSequence",
    "ReferencedSeriesSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "DimensionOrganizationSequence",
    "DimensionIndexSequence",
    "PixelData",
)


def problems(run: ModelRun, seg: Dataset | None) -> list[str]:
    """Say what is wrong with a Segmentation; None stands for one that was not made."""
    if seg is None:
        return ["the model found segments, but there is no SEG"] if run.present else []
    return list(missing("SEG", seg, _TYPE_1_SEG)) or list(_mask_problems(seg, run))


def _mask_problems(seg: Dataset, run: ModelRun) -> Iterator[str]:
    labels, present = run.findings.labels, run.present
    assert labels is not None  # noqa: S101 - there is a SEG
    known = {text_of(source, "SOPInstanceUID") for source in run.volume.sources}
    for uid in sorted(set(_referenced(seg)) - known):
        yield f"the SEG refers to {uid}, which is none of its source images"
    described = list(seg.SegmentSequence)
    if [text_of(one, "TrackingUID") for one in described] != [
        tracking_uid(run.job.job_id, one.name) for one in present
    ]:
        yield "the SEG does not describe the segments that were found, in their order"
        return
    counts, centroids = _measured(seg, len(described))
    true_counts, true_centroids = _true_measures(labels, run.volume.affine)
    for number, segment in enumerate(present):
        count, expected = counts[number], true_counts[segment.label]
        if count != expected:
            yield f"{segment.name} has {count} voxels in the SEG, {expected} in the mask"
            continue
        apart = float(np.linalg.norm(centroids[number] - true_centroids[segment.label]))
        if apart > CENTROID_TOLERANCE_MM:
            yield f"{segment.name} lies {apart:.2f} mm away from where the mask has it"


def _referenced(seg: Dataset) -> Iterator[str]:
    """Give the source images that a SEG names, of the whole and of each frame."""
    for series in seg.ReferencedSeriesSequence:
        for one in series.ReferencedInstanceSequence:
            yield text_of(one, "ReferencedSOPInstanceUID")
    for frame in seg.PerFrameFunctionalGroupsSequence:
        for derivation in frame.get("DerivationImageSequence", ()):
            for one in derivation.SourceImageSequence:
                yield text_of(one, "ReferencedSOPInstanceUID")


def _measured(seg: Dataset, segments: int) -> tuple[np.ndarray, np.ndarray]:
    """Count voxels and find centroids (LPS mm) from nothing but what the SEG's file says."""
    shared = seg.SharedFunctionalGroupsSequence[0]
    spacing = [float(step) for step in shared.PixelMeasuresSequence[0].PixelSpacing]
    orientation = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    cosines = np.array([float(value) for value in orientation])
    down, across = cosines[3:] * spacing[0], cosines[:3] * spacing[1]
    rows, columns = np.arange(seg.Rows), np.arange(seg.Columns)
    counts, sums = np.zeros(segments, np.int64), np.zeros((segments, 3))
    for index, frame in enumerate(seg.PerFrameFunctionalGroupsSequence):
        # a macro that is the same for all frames may stand among the shared ones (C.7.6.16)
        holder = frame if "SegmentIdentificationSequence" in frame else shared
        number = holder.SegmentIdentificationSequence[0].ReferencedSegmentNumber - 1
        position = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, np.float64)
        mask = _frame(seg, index)
        count = int(mask.sum())
        counts[number] += count
        sums[number] += count * position
        sums[number] += float(mask.sum(axis=1, dtype=np.int64) @ rows) * down
        sums[number] += float(mask.sum(axis=0, dtype=np.int64) @ columns) * across
    return counts, sums / np.maximum(counts, 1)[:, None]


def _frame(seg: Dataset, index: int) -> np.ndarray:
    """Unpack one frame, rows x columns of 0 and 1: eight voxels a byte, lowest bit first."""
    size = seg.Rows * seg.Columns
    start = index * size
    packed = np.frombuffer(seg.PixelData, np.uint8)[start // 8 : (start + size + 7) // 8]
    bits = np.unpackbits(packed, bitorder="little")[start % 8 : start % 8 + size]
    return bits.reshape(seg.Rows, seg.Columns)


def _true_measures(labels: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count voxels and find centroids (LPS mm) of every label of the mask itself."""
    kinds = int(labels.max()) + 1
    counts, sums = np.zeros(kinds, np.int64), np.zeros((kinds, 3))
    for index, plane in enumerate(labels):
        rows, columns = np.nonzero(plane)
        found = plane[rows, columns]
        here = np.bincount(found, minlength=kinds)
        counts += here
        sums[:, 0] += here * index
        sums[:, 1] += np.bincount(found, weights=rows, minlength=kinds)
        sums[:, 2] += np.bincount(found, weights=columns, minlength=kinds)
    middle = sums / np.maximum(counts, 1)[:, None]
    return counts, middle @ affine[:3, :3].T + affine[:3, 3]
