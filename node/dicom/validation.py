"""Holds finished results against what they came from, before anything leaves the house.

What is checked is what was written: the files, read again. The masks are unpacked and counted, and
placed in the patient by the SEG's own headers, so that an error of ours in building cannot hide.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from pydicom.dataset import Dataset

from node.dicom import lineage
from node.dicom.findings import Findings, voxel_counts
from node.dicom.header import uid_problem
from node.dicom.reading import text_of
from node.dicom.seg import present_segments, tracking_uid
from node.dicom.volume import Volume
from node.rules.naming import result_uid
from node.rules.nouns import Job, Segment

CENTROID_TOLERANCE_MM = 0.1
VOLUME_TOLERANCE_ML = 0.001

_SAME_BYTES = ("PatientID", "PatientName", "PatientBirthDate", "IssuerOfPatientID")
_TYPE_1 = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "SeriesNumber",
    "InstanceNumber",
    "Manufacturer",
    "ManufacturerModelName",
    "DeviceSerialNumber",
    "SoftwareVersions",
    "ContentDate",
    "ContentTime",
    "ContentQualification",
)
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
_TYPE_1_SR = (
    "ValueType",
    "ConceptNameCodeSequence",
    "ContentSequence",
    "CompletionFlag",
    "VerificationFlag",
    "CurrentRequestedProcedureEvidenceSequence",
)


def problems(
    seg: Dataset | None,
    sr: Dataset,
    volume: Volume,
    findings: Findings,
    segments: Sequence[Segment],
    job: Job,
) -> list[str]:
    """Give everything that is wrong with a SEG and its SR, in plain sentences; none is good.

    Args:
        seg: the Segmentation as read from its file; None when there is none.
        sr: the Structured Report as read from its file.
        volume: what the model saw.
        findings: what it found.
        segments: what its labels mean.
        job: whose results these are.

    Raises:
        OSError: the first source image cannot be read.
    """
    found = [*_document_problems("SR", sr, volume, job), *_missing("SR", sr, _TYPE_1_SR)]
    present = present_segments(findings, segments)
    if seg is not None:
        found += _document_problems("SEG", seg, volume, job)
        found += _missing("SEG", seg, _TYPE_1_SEG)
        if not found:
            found += _mask_problems(seg, volume, findings, present, job)
    elif present:
        found.append("the model found segments, but there is no SEG")
    if not found:
        found += _report_problems(seg, sr, volume)
        found += _figure_problems(sr, volume, findings, segments, job)
    return found


def _missing(what: str, ds: Dataset, keywords: Iterable[str]) -> Iterator[str]:
    for keyword in keywords:
        if keyword not in ds or ds[keyword].is_empty:
            yield f"the {what} has no {keyword}"


def _document_problems(what: str, ds: Dataset, volume: Volume, job: Job) -> list[str]:
    source = lineage.read_source(volume.paths[0])
    return [
        *_missing(what, ds, _TYPE_1),
        *_lineage_problems(what, ds, source),
        *_uid_problems(what, ds, job),
    ]


def _lineage_problems(what: str, ds: Dataset, source: Dataset) -> Iterator[str]:
    for keyword in _SAME_BYTES:  # the fact only: values are the patient's
        if _bytes(ds, keyword) != _bytes(source, keyword):
            yield f"the {what}'s {keyword} is not, byte for byte, the images'"
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        if keyword in ds and text_of(ds, keyword) != text_of(source, keyword):
            yield f"the {what}'s {keyword} is not the images'"


def _uid_problems(what: str, ds: Dataset, job: Job) -> Iterator[str]:
    for keyword, level in (("SOPInstanceUID", "instance"), ("SeriesInstanceUID", "series")):
        if text_of(ds, keyword) != result_uid(job.job_id, what, level):
            yield f"the {what}'s {keyword} is not the one derived from its job"
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        if problem := uid_problem(text_of(ds, keyword)):
            yield f"the {what}'s {keyword} {problem}"
    if text_of(ds.file_meta, "MediaStorageSOPInstanceUID") != text_of(ds, "SOPInstanceUID"):
        yield f"the {what}'s file meta information names another instance"


def _bytes(ds: Dataset, keyword: str) -> bytes:
    """Give a value as it lies in the file, without padding."""
    if keyword not in ds:
        return b""
    value = ds.get_item(keyword).value or b""
    return value.rstrip(b" \0") if isinstance(value, bytes) else str(value).encode()


def _mask_problems(
    seg: Dataset, volume: Volume, findings: Findings, present: Sequence[Segment], job: Job
) -> Iterator[str]:
    assert findings.labels is not None  # noqa: S101 - there is a SEG
    known = {text_of(source, "SOPInstanceUID") for source in volume.sources}
    for uid in sorted(set(_referenced(seg)) - known):
        yield f"the SEG refers to {uid}, which is none of its source images"
    described = list(seg.SegmentSequence)
    if [text_of(one, "TrackingUID") for one in described] != [
        tracking_uid(job, one.name) for one in present
    ]:
        yield "the SEG does not describe the segments that were found, in their order"
        return
    counts, centroids = _measured(seg, len(described))
    true_counts, true_centroids = _true_measures(findings.labels, volume.affine)
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


def _report_problems(seg: Dataset | None, sr: Dataset, volume: Volume) -> Iterator[str]:
    """Look whether everything that the report refers to is there."""
    known = {text_of(source, "SOPInstanceUID") for source in volume.sources}
    own = text_of(seg, "SOPInstanceUID") if seg is not None else ""
    listed = set()
    for study in sr.CurrentRequestedProcedureEvidenceSequence:
        for series in study.ReferencedSeriesSequence:
            listed |= {text_of(x, "ReferencedSOPInstanceUID") for x in series.ReferencedSOPSequence}
    for uid in sorted(listed - known - {own}):
        yield f"the SR lists {uid} as evidence, which is neither a source image nor its SEG"
    for item in _items(sr):
        for reference in item.get("ReferencedSOPSequence", ()):
            uid = text_of(reference, "ReferencedSOPInstanceUID")
            if uid not in listed:
                yield f"the SR refers to {uid}, which is not among its evidence"
            elif uid == own and seg is not None:
                yield from _segment_problems(reference, seg)


def _segment_problems(reference: Dataset, seg: Dataset) -> Iterator[str]:
    there = {int(one.SegmentNumber) for one in seg.SegmentSequence}
    numbers = np.atleast_1d(reference.get("ReferencedSegmentNumber", []))
    if not len(numbers) or not {int(number) for number in numbers} <= there:
        yield "the SR refers to a segment that the SEG does not have"


def _items(item: Dataset) -> Iterator[Dataset]:
    for child in item.get("ContentSequence", ()):
        yield child
        yield from _items(child)


def _figure_problems(
    sr: Dataset, volume: Volume, findings: Findings, segments: Sequence[Segment], job: Job
) -> Iterator[str]:
    """Look whether the report's volumes are the mask's."""
    if findings.labels is None:
        return
    said = _volumes_by_tracking(sr)
    counts = voxel_counts(findings.labels, max((one.label for one in segments), default=0))
    for segment in segments:
        value = said.get(tracking_uid(job, segment.name))
        expected = int(counts[segment.label]) * volume.voxel_ml
        if value is None:
            yield f"the SR says nothing of {segment.name}"
        elif abs(value - expected) > VOLUME_TOLERANCE_ML:
            yield f"the SR says {value:.3f} mL of {segment.name}; the mask has {expected:.3f} mL"


def _volumes_by_tracking(sr: Dataset) -> dict[str, float]:
    found: dict[str, float] = {}
    for group in _items(sr):
        children = list(group.get("ContentSequence", ()))
        uids = [text_of(one, "UID") for one in children if one.get("ValueType") == "UIDREF"]
        values = [one.MeasuredValueSequence[0] for one in children if one.get("ValueType") == "NUM"]
        for value in values:
            unit = value.MeasurementUnitsCodeSequence[0]
            if uids and text_of(unit, "CodeValue") == "mL":
                found[uids[0]] = float(value.NumericValue)
    return found
