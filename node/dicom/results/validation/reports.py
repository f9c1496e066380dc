"""Holds a report against what it speaks of: references, segments, every figure, every line."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from pydicom.dataset import Dataset

from node.dicom.reading import text_of
from node.dicom.results import concepts
from node.dicom.results.groups import axis_name
from node.dicom.results.measuring import Measured
from node.dicom.results.model_run import ModelRun
from node.dicom.results.pointing import key_of, meant
from node.dicom.results.shapes import Line
from node.dicom.results.sr import REPORTS
from node.dicom.results.validation.documents import missing
from node.rules.naming import tracking_uid
from node.rules.nouns import Segment

TOLERANCE = 0.002
"""Figures are written with three decimals."""

_TYPE_1_SR = (
    "ValueType",
    "ConceptNameCodeSequence",
    "ContentSequence",
    "CompletionFlag",
    "VerificationFlag",
    "CurrentRequestedProcedureEvidenceSequence",
)
Figure = tuple[str, str, str, str]
"""What a figure is of: tracking UID, and the code values of concept, derivation and unit."""


def problems(run: ModelRun, there: Mapping[str, Dataset]) -> list[str]:
    """Say what is wrong with the reports among the results that are `there`, by kind."""
    seg = there.get("SEG")
    if any(kind not in there for kind in REPORTS):
        return ["there is no report"]
    full, plain = (there[kind] for kind in REPORTS)
    content = [_raw(one, "ContentSequence") for one in (full, plain)]
    found = list(missing("SR", full, _TYPE_1_SR))
    is_whole = not found
    if content[0] != content[1]:
        found.append("the two reports do not say the same")
    if is_whole:
        found += _reference_problems("SR", seg, full, run)
        found += _figure_problems("SR", full, run)
        found += _line_problems("SR", full, run)
    return found


def _raw(report: Dataset, keyword: str) -> object:
    """Give a value as it lies in the file."""
    return report.get_item(keyword).value if keyword in report else None


def _reference_problems(
    kind: str, seg: Dataset | None, report: Dataset, run: ModelRun
) -> Iterator[str]:
    """Look whether everything that the report refers to is there."""
    known = {text_of(source, "SOPInstanceUID") for source in run.volume.sources}
    own = text_of(seg, "SOPInstanceUID") if seg is not None else ""
    listed = set()
    for study in report.CurrentRequestedProcedureEvidenceSequence:
        for series in study.ReferencedSeriesSequence:
            listed |= {text_of(x, "ReferencedSOPInstanceUID") for x in series.ReferencedSOPSequence}
    for uid in sorted(listed - known - {own}):
        yield f"the {kind} lists {uid} as evidence, which is neither a source image nor its SEG"
    for item in _items(report):
        for reference in item.get("ReferencedSOPSequence", ()):
            uid = text_of(reference, "ReferencedSOPInstanceUID")
            if uid not in listed:
                yield f"the {kind} refers to {uid}, which is not among its evidence"
            elif uid == own and seg is not None:
                yield from _segment_problems(kind, reference, seg)


def _segment_problems(kind: str, reference: Dataset, seg: Dataset) -> Iterator[str]:
    there = {int(one.SegmentNumber) for one in seg.SegmentSequence}
    numbers = np.atleast_1d(reference.get("ReferencedSegmentNumber", []))
    if not len(numbers) or not {int(number) for number in numbers} <= there:
        yield f"the {kind} refers to a segment that the SEG does not have"


def _items(item: Dataset) -> Iterator[Dataset]:
    for child in item.get("ContentSequence", ()):
        yield child
        yield from _items(child)


# ---- figures -----------------------------------------------------------------------------------


def _figure_problems(kind: str, report: Dataset, run: ModelRun) -> Iterator[str]:
    """Look whether every figure is the one that was measured, and none is missing or too many."""
    said = dict(_said(report))
    for figure, (name, expected) in _expected(run).items():
        value = said.pop(figure, None)
        if value is None:
            yield f"the {kind} says nothing of {name}"
        elif abs(value - expected) > TOLERANCE:
            yield f"the {kind} says {value:.3f} of {name}; it is {expected:.3f}"
    for _, concept, _, unit in said:
        yield f"the {kind} has a figure of {concept} in {unit} that nobody measured"


def _said(report: Dataset) -> Iterator[tuple[Figure, float]]:
    for group in _items(report):
        children = list(group.get("ContentSequence", ()))
        uid = _tracked(children)
        for item in children:
            if item.get("ValueType") != "NUM":
                continue
            value = item.MeasuredValueSequence[0]
            derived = [
                text_of(one.ConceptCodeSequence[0], "CodeValue")
                for one in item.get("ContentSequence", ())
                if one.get("ValueType") == "CODE"
            ]
            figure = (
                uid,
                text_of(item.ConceptNameCodeSequence[0], "CodeValue"),
                derived[0] if derived else "",
                text_of(value.MeasurementUnitsCodeSequence[0], "CodeValue"),
            )
            yield figure, float(value.NumericValue)


def _expected(run: ModelRun) -> dict[Figure, tuple[str, float]]:
    found: dict[Figure, tuple[str, float]] = {}
    job = run.job.job_id
    if run.findings.labels is not None:
        for segment in run.model.segments:
            measured = run.measured[segment.label]
            uid = tracking_uid(job, segment.name)
            for concept, derivation, unit, what, value in _figures(run, segment, measured):
                found[uid, concept, derivation, unit] = (f"{segment.name}: {what}", value)
            for which, code, line in _lines(measured):
                uid = tracking_uid(job, axis_name(segment, which))
                name = f"{segment.name}: {which} axis"
                found[uid, code, "", concepts.MILLIMETRE.value] = (name, line.length_mm)
    for one in run.model.classes:
        if one.name in run.findings.probabilities:
            figure = (tracking_uid(job, one.name), concepts.PROBABILITY.value, "", "%")
            found[figure] = (one.name, 100 * run.findings.probabilities[one.name])
    return found


def _figures(
    run: ModelRun, segment: Segment, measured: Measured
) -> Iterator[tuple[str, str, str, str, float]]:
    """Give concept, derivation, unit, a word and the value of all that is measured of a segment."""
    millilitres = measured.voxels * run.volume.voxel_ml
    yield concepts.VOLUME.value, "", concepts.MILLILITRE.value, "volume (mL)", millilitres
    meant = concepts.intensity(run.volume.sources[0])
    if measured.intensity is not None and meant is not None:
        for word, derivation in concepts.STATISTICS.items():
            if word in segment.measurements:
                value = float(getattr(measured.intensity, word))
                yield meant[0].value, derivation.value, meant[1].value, word, value
    if measured.diameter_mm is not None:
        millimetre = concepts.MILLIMETRE.value
        yield concepts.DIAMETER.value, "", millimetre, "diameter (mm)", measured.diameter_mm


def _lines(measured: Measured) -> list[tuple[str, str, Line]]:
    if measured.axes is None:
        return []
    return [
        ("long", concepts.LONG_AXIS.value, measured.axes.long_axis),
        ("short", concepts.SHORT_AXIS.value, measured.axes.short_axis),
    ]


# ---- lines -------------------------------------------------------------------------------------


def _line_problems(kind: str, report: Dataset, run: ModelRun) -> Iterator[str]:
    """Look whether each line lies in its segment on its image, and is as long as it says."""
    filled = set(run.volume.filled)  # what stands in for these is the image beside them
    sources = run.volume.sources
    images = {key_of(one): at for at, one in enumerate(sources) if at not in filled}
    segments = {
        tracking_uid(run.job.job_id, axis_name(one, which)): one
        for one in run.model.segments
        for which in ("long", "short")
    }
    _, tall, wide = run.volume.spacing_mm
    for group in _items(report):
        children = list(group.get("ContentSequence", ()))
        drawn = [one for one in children if one.get("ValueType") == "SCOORD"]
        figures = [one for one in children if one.get("ValueType") == "NUM"]
        for one in drawn:
            target = one.ContentSequence[0].ReferencedSOPSequence[0]
            index = images.get(meant(target))
            if index is None:
                yield f"the {kind} draws on an image that is none of its source images"
                continue
            points = np.array(one.GraphicData, np.float64).reshape(-1, 2)
            image = sources[index]
            if (points < 0).any() or (points > (image.Columns, image.Rows)).any():
                yield f"the {kind} draws outside of an image"
            elif (segment := segments.get(_tracked(children))) is None:
                yield f"the {kind} draws a line of no segment"
            elif _beside(points, run, segment, index):
                yield f"the {kind} draws {segment.name} where it is not"
            length = float(np.linalg.norm((points[-1] - points[0]) * (wide, tall)))
            value = float(figures[0].MeasuredValueSequence[0].NumericValue) if figures else 0.0
            if abs(length - value) > TOLERANCE * max(1.0, tall, wide) * 2:
                yield f"the {kind} draws a line of {length:.3f} mm and says {value:.3f} mm"


def _tracked(children: Sequence[Dataset]) -> str:
    """Give the tracking UID among the items of a group, "" when there is none."""
    return next((text_of(one, "UID") for one in children if one.get("ValueType") == "UIDREF"), "")


def _beside(points: np.ndarray, run: ModelRun, segment: Segment, index: int) -> bool:
    """Say whether a line ends elsewhere than in the rectangle around its segment on the slice.

    A short axis may end between corners of the hull, where the segment itself is bent inwards.
    """
    labels = run.findings.labels
    there = np.argwhere(labels[index] == segment.label) if labels is not None else np.empty(0)
    if not len(there):
        return True
    ends = points[:, ::-1] - 0.5  # an image begins at its first pixel's corner
    apart = np.maximum(there.min(axis=0) - ends, ends - there.max(axis=0))
    return bool((apart > TOLERANCE).any())
