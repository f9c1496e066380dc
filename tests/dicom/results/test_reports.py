"""The reports: drawn axes first, every measurement, the request that is answered, the fallback."""

from dataclasses import replace

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from node.dicom import results
from node.dicom.encoding import from_bytes, to_bytes
from node.dicom.findings import Findings
from node.dicom.results import seg, shapes, sr, validation
from node.dicom.volume import read_volume
from tests.dicom.results.test_measuring import EVERYTHING
from tests.fakes.scanner import CORONAL, SAGITTAL, Scanner


@pytest.fixture
def reported(read, found, run_of, model, segments):
    """A run whose first segment asks for everything, and its results."""

    def go(n=20, **knobs):
        asking = replace(segments[0], measurements=EVERYTHING, axes=True)
        model.segments = (asking, *segments[1:])
        volume = read(n, **knobs)
        run = run_of(volume, found(volume))
        mask = seg.write_seg(run)
        return run, mask, sr.write_report(run, mask)

    return go


def figures(document):
    """Every number of a report: tracking identifier, concept, derivation, unit, value."""
    told = []
    content = document.content
    for groups in (
        content.get_planar_roi_measurement_groups(),
        content.get_volumetric_roi_measurement_groups(),
        content.get_image_measurement_groups(),
    ):
        for group in groups:
            told += [
                (
                    group.tracking_identifier,
                    one.name.meaning,
                    one.derivation.meaning if one.derivation else "",
                    one.unit.value,
                    one.value,
                )
                for one in group.get_measurements()
            ]
    return told


@pytest.mark.parametrize(
    ("modality", "concept", "unit"),
    [("MR", "MR signal intensity", "1"), ("CT", "Attenuation Coefficient", "[hnsf'U]")],
)
def test_every_measurement_is_there_with_its_unit(reported, modality, concept, unit):
    run, _, (full, _) = reported(modality=modality)
    told = figures(highdicom.sr.srread(full.path))
    measured = run.measured[3]
    values = run.volume.voxels[run.findings.labels == 3].astype(float)
    expected = [
        ("Ellipsoid", "Long Axis", "", "mm", measured.axes.long_axis.length_mm),
        ("Ellipsoid short axis", "Short Axis", "", "mm", measured.axes.short_axis.length_mm),
        ("Ellipsoid", "Volume", "", "mL", measured.volume_ml),
        ("Ellipsoid", concept, "Mean", unit, values.mean()),
        ("Ellipsoid", concept, "Standard Deviation", unit, values.std()),
        ("Ellipsoid", concept, "Minimum", unit, values.min()),
        ("Ellipsoid", concept, "Maximum", unit, values.max()),
        ("Ellipsoid", concept, "Median", unit, np.median(values)),
        ("Ellipsoid", "Maximum 3D Diameter", "", "mm", measured.diameter_mm),
    ]
    assert [one[:4] for one in told[: len(expected)]] == [one[:4] for one in expected]
    assert [one[4] for one in told[: len(expected)]] == pytest.approx(
        [one[4] for one in expected], abs=0.001
    )


@pytest.mark.parametrize(
    "knobs", [{}, {"orientation": SAGITTAL, "n": 36}, {"orientation": CORONAL, "reverse": True}]
)
def test_the_axes_are_drawn_first_and_through_the_segment(reported, knobs):
    run, _, (full, _) = reported(**knobs)
    document = highdicom.sr.srread(full.path)
    measurements = next(
        item
        for item in document.ContentSequence
        if item.ConceptNameCodeSequence[0].CodeMeaning == "Imaging Measurements"
    )
    first = measurements.ContentSequence[0]
    drawn = [item for item in first.ContentSequence if item.ValueType == "SCOORD"]
    points = np.array(drawn[0].GraphicData).reshape(2, 2) - 0.5  # (column, row), first at 0
    target = drawn[0].ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    uids = [source.SOPInstanceUID for source in run.volume.sources]
    plane = run.findings.labels[uids.index(target)]
    assert (plane == 3).sum() == max((one == 3).sum() for one in run.findings.labels)
    for column, row in points:
        assert plane[round(row), round(column)] == 3


def test_values_without_a_certain_unit_are_left_out(reported):
    _, _, (full, _) = reported(modality="PT", attributes={"Units": "BQML"})
    assert {one[1] for one in figures(highdicom.sr.srread(full.path))} == {
        "Long Axis",
        "Short Axis",
        "Volume",
        "Maximum 3D Diameter",
        "Probability",
    }


def test_the_fallback_says_the_same_in_a_class_that_more_accept(reported):
    _, _, (full, plain) = reported()
    assert full.sop_class_uid == "1.2.840.10008.5.1.4.1.1.88.34"
    assert plain.sop_class_uid == "1.2.840.10008.5.1.4.1.1.88.22"
    assert (full.optional, full.instead_of) == (True, None)
    assert (plain.optional, plain.instead_of) == (False, full.sop_class_uid)
    one, other = (pydicom.dcmread(made.path) for made in (full, plain))
    assert one.ContentSequence == other.ContentSequence
    assert one.SOPInstanceUID != other.SOPInstanceUID
    assert one.SeriesInstanceUID != other.SeriesInstanceUID
    assert other.file_meta.MediaStorageSOPClassUID == other.SOPClassUID == plain.sop_class_uid


def test_a_report_names_the_request_that_it_answers(reported):
    asked = Dataset()
    asked.RequestedProcedureID = "RP-7"
    asked.RequestedProcedureDescription = "Brain"
    asked.ScheduledProcedureStepID = "SPS-1"
    run, _, made = reported(
        attributes={"AccessionNumber": "A-42", "RequestAttributesSequence": Sequence([asked])}
    )
    for one in made:
        (request,) = pydicom.dcmread(one.path).ReferencedRequestSequence
        assert request.RequestedProcedureID == "RP-7"
        assert request.AccessionNumber == "A-42"
        assert request.StudyInstanceUID == run.job.study_instance_uid
        for keyword in ("PlacerOrderNumberImagingServiceRequest", "ReferencedStudySequence"):
            assert keyword in request
            assert not request[keyword].value


@pytest.mark.parametrize("kind", [0, 1])
def test_validators_find_no_error_in_either(reported, tool, kind):
    for knobs in ({}, {"modality": "CT"}, {"modality": "PT", "attributes": {"Units": "GML"}}):
        _, _, made = reported(**knobs)
        said = tool("dciodvfy", "-new", made[kind].path)
        assert "Error" not in said.stdout + said.stderr
        dumped = tool("dsrdump", made[kind].path)
        assert dumped.returncode == 0, dumped.stderr
        assert "Long Axis" in dumped.stdout


@pytest.fixture
def over_a_gap(requirement, run_of, model, segments, tmp_path):
    """A run whose segment is largest on a slice that was filled in, and elsewhere `beside`."""

    def go(beside):
        model.segments = (replace(segments[0], axes=True, is_finding=True),)
        files = Scanner(missing=(7,)).save(tmp_path / "gap", 20)
        volume = read_volume(files, replace(requirement, missing_slices=2))
        (gap,) = volume.filled
        labels = np.zeros(volume.voxels.shape, np.uint8)
        labels[:, 10:20, 10:20] = 3 * beside
        labels[gap, 5:40, 5:40] = 3
        return run_of(volume, Findings(labels))

    return go


def test_axes_are_drawn_where_an_image_shows_them_not_on_a_slice_that_was_filled_in(over_a_gap):
    run = over_a_gap(beside=True)
    outcome = results.make(run)
    assert isinstance(outcome, results.ResultSet), outcome
    report = next(one for one in outcome.objects if one.kind == "SR")
    item, group = measurement(pydicom.dcmread(report.path), "Long Axis")
    drawn = next(item for item in group.ContentSequence if item.ValueType == "SCOORD")
    target = drawn.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    shown = {
        one.SOPInstanceUID: at
        for at, one in enumerate(run.volume.sources)
        if at not in run.volume.filled
    }
    plane = run.findings.labels[shown[target]]
    for column, row in np.array(drawn.GraphicData).reshape(2, 2) - 0.5:
        assert plane[round(row), round(column)] == 3
    assert item.MeasuredValueSequence[0].NumericValue == pytest.approx(
        run.measured[3].axes.long_axis.length_mm, abs=0.001
    )


def test_what_lies_on_a_filled_slice_alone_has_no_axes(over_a_gap):
    run = over_a_gap(beside=False)
    assert run.measured[3].axes is None
    assert isinstance(results.make(run), results.ResultSet)


def test_axes_that_are_drawn_on_the_image_beside_theirs_do_not_pass(over_a_gap):
    run = over_a_gap(beside=True)
    (gap,) = run.volume.filled
    plane = run.findings.labels[gap] == 3
    wrong = replace(run.measured[3], axes=shapes.axes(plane, gap, run.volume.spacing_mm[1:]))
    outcome = results.make(replace(run, measured={3: wrong}))
    assert isinstance(outcome, results.Withheld)
    assert "draws Ellipsoid where it is not" in outcome.refusal.reason


def test_a_score_that_is_nothing_has_no_sign(read, run_of, model):
    model.segments = ()
    scores = {"uncertainty": -0.0, "disagreement": -1e-9, "out_of_distribution": -12.34}
    found = Findings(None, {"Magnetic resonance": 1.0}, scores=scores)
    report = pydicom.dcmread(sr.write_report(run_of(read(4), found), None)[0].path)
    said = {one.value for one in report.iterall() if one.keyword == "TextValue"}
    assert {"uncertainty=0", "disagreement=0", "out_of_distribution=-12.3"} <= said


def measurement(document, meaning):
    """Find the first number of that name."""
    for group in document.ContentSequence[-1].ContentSequence:
        for item in group.ContentSequence:
            if item.ValueType == "NUM" and item.ConceptNameCodeSequence[0].CodeMeaning == meaning:
                return item, group
    raise AssertionError(meaning)


def spoil_value(meaning):
    def spoil(document):
        item, _ = measurement(document, meaning)
        item.MeasuredValueSequence[0].NumericValue = "1.5"

    return spoil


def spoil_unit(document):
    item, _ = measurement(document, "Maximum 3D Diameter")
    item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue = "cm"


def spoil_line(document):
    _, group = measurement(document, "Long Axis")
    drawn = next(item for item in group.ContentSequence if item.ValueType == "SCOORD")
    drawn.GraphicData = [1.0, 1.0, 500.0, 1.0]


def spoil_place(document):
    """Draw the same line in the corner of the image."""
    _, group = measurement(document, "Long Axis")
    drawn = next(item for item in group.ContentSequence if item.ValueType == "SCOORD")
    points = np.array(drawn.GraphicData).reshape(2, 2)
    drawn.GraphicData = list((points - points.min(axis=0)).ravel())


def spoil_target(document):
    _, group = measurement(document, "Long Axis")
    drawn = next(item for item in group.ContentSequence if item.ValueType == "SCOORD")
    drawn.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "1.2.3"


def drop_a_figure(document):
    item, group = measurement(document, "Maximum 3D Diameter")
    group.ContentSequence.remove(item)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (spoil_value("Volume"), "volume (mL)"),
        (spoil_value("Probability"), "Magnetic resonance"),
        (spoil_value("Maximum 3D Diameter"), "diameter (mm)"),
        (spoil_value("Long Axis"), "long axis"),
        (spoil_unit, "nobody measured"),
        (spoil_line, "outside of an image"),
        (spoil_place, "draws Ellipsoid where it is not"),
        (spoil_target, "none of its source images"),
        (drop_a_figure, "says nothing of Ellipsoid: diameter"),
    ],
)
def test_a_spoiled_report_does_not_pass(reported, spoil, complaint):
    run, mask, made = reported()
    assert validation.report_problems(run, made, [mask]) == []
    document = from_bytes(made[0].path.read_bytes())
    spoil(document)
    made[0].path.write_bytes(to_bytes(document))
    problems = validation.report_problems(run, made, [mask])
    assert any(complaint in problem for problem in problems), problems
    assert any("do not say the same" in problem for problem in problems)


def test_both_reports_are_handed_over(reported, found):
    run, _, _ = reported()
    outcome = results.make(run, frozenset())
    assert isinstance(outcome, results.ResultSet), outcome
    assert [one.kind for one in outcome.objects] == ["SEG", "SR", "ENHANCED_SR", "PREVIEW"]
