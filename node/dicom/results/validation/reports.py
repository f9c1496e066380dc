"""Holds a report against what it speaks of: references, segments, figures."""

from collections.abc import Iterator, Mapping

import numpy as np
from pydicom.dataset import Dataset

from node.dicom.findings import voxel_counts
from node.dicom.reading import text_of
from node.dicom.results.model_run import ModelRun
from node.dicom.results.validation.documents import missing
from node.rules.naming import tracking_uid

VOLUME_TOLERANCE_ML = 0.001

_TYPE_1_SR = (
    "ValueType",
    "ConceptNameCodeSequence",
    "ContentSequence",
    "CompletionFlag",
    "VerificationFlag",
    "CurrentRequestedProcedureEvidenceSequence",
)


def problems(run: ModelRun, there: Mapping[str, Dataset]) -> list[str]:
    """Say what is wrong with the report among the results that are `there`, by kind."""
    report, seg = there.get("SR"), there.get("SEG")
    if report is None:
        return ["there is no SR"]
    found = list(missing("SR", report, _TYPE_1_SR))
    if not found:
        found += _report_problems(seg, report, run)
        found += _figure_problems(report, run)
    return found


def _report_problems(seg: Dataset | None, sr: Dataset, run: ModelRun) -> Iterator[str]:
    """Look whether everything that the report refers to is there."""
    known = {text_of(source, "SOPInstanceUID") for source in run.volume.sources}
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


def _figure_problems(sr: Dataset, run: ModelRun) -> Iterator[str]:
    """Look whether the report's volumes are the mask's."""
    if run.findings.labels is None:
        return
    said = _volumes_by_tracking(sr)
    counts = voxel_counts(run.findings.labels, max(run.measured, default=0))
    for segment in run.model.segments:
        value = said.get(tracking_uid(run.job.job_id, segment.name))
        expected = int(counts[segment.label]) * run.volume.voxel_ml
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
