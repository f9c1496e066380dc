"""Key objects: made when there is something to look at, and pointing at just that."""

from dataclasses import replace

import numpy as np
import pytest

from node.dicom.findings import Findings
from node.dicom.results import key_objects, seg, sr
from node.dicom.results.validation import pointers
from tests.dicom.results.looking import read_all


@pytest.fixture
def made(read, found, run_of, model, segments):
    """Make SEG, SR and key objects of a lesion."""

    def make(**knobs):
        model.segments = (replace(segments[0], is_finding=True), segments[1])
        volume = read(**knobs)
        run = run_of(volume, found(volume))
        objects = [mask := seg.write_seg(run), *sr.write_report(run, mask)]
        return run, [*objects, key_objects.write_key_objects(run, objects)]

    return make


def test_a_finding_is_pointed_at_with_its_largest_slice_and_mask_and_no_report(made, tool):
    run, objects = made()
    selection = objects[-1]
    assert selection.optional
    there = read_all(objects)
    ds = there["KEY_OBJECTS"][0]
    assert ds.ConceptNameCodeSequence[0].CodeValue == "113000"
    areas = (run.findings.labels > 0).sum(axis=(1, 2))
    largest = run.volume.sources[int(areas.argmax())].SOPInstanceUID
    targets = [
        one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for one in ds.ContentSequence
        if "ReferencedSOPSequence" in one
    ]
    ours = [one.sop_instance_uid for one in objects if one.kind == "SEG"]
    assert targets == [largest, *ours]
    words = [one.TextValue for one in ds.ContentSequence if one.ValueType == "TEXT"]
    assert "Ellipsoid" in " ".join(words)
    assert "not for diagnosis" in " ".join(words)
    assert pointers.problems(run, there) == []
    said = tool("dciodvfy", "-new", selection.path)
    assert "Error" not in said.stdout + said.stderr


def test_the_same_finding_gives_the_same_bytes(made):
    first, second = (made()[1][-1] for _ in range(2))
    assert first.sha256 == second.sha256


def test_without_finding_there_are_no_key_objects(read, run_of, model, segments):
    volume = read()
    model.segments = (replace(segments[0], is_finding=True), segments[1])
    organ = np.zeros(volume.voxels.shape, np.uint8)
    organ[5, 5:9, 5:9] = segments[1].label
    run = run_of(volume, Findings(organ, {"Magnetic resonance": 0.49}))
    assert key_objects.write_key_objects(run, []) is None


def test_a_probable_class_is_a_finding_and_points_at_the_first_image(read, run_of, model, tool):
    volume = read()
    model.segments = ()
    run = run_of(volume, Findings(None, {"Magnetic resonance": 0.5}))
    reports = sr.write_report(run, None)
    selection = key_objects.write_key_objects(run, reports)
    assert selection is not None
    there = read_all([*reports, selection])
    assert pointers.problems(run, there) == []
    (target,) = [one for one in there["KEY_OBJECTS"][0].ContentSequence if one.ValueType == "IMAGE"]
    first = volume.sources[0].SOPInstanceUID
    assert target.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first
    listed = there["KEY_OBJECTS"][0].CurrentRequestedProcedureEvidenceSequence
    assert len(listed[0].ReferencedSeriesSequence) == 1
    said = tool("dciodvfy", "-new", selection.path)
    assert "Error" not in said.stdout + said.stderr


def test_key_objects_that_point_at_nothing_we_made_do_not_pass(made):
    run, objects = made()
    there = read_all(objects)
    problems = pointers.problems(run, {"KEY_OBJECTS": there["KEY_OBJECTS"]})
    assert len(problems) == 1
    assert all("neither a source image nor a result" in one for one in problems)


def test_key_objects_that_point_at_a_report_or_at_no_image_do_not_pass(made):
    run, objects = made()
    there = read_all(objects)
    image, mask = (
        one.ReferencedSOPSequence[0]
        for one in there["KEY_OBJECTS"][0].ContentSequence
        if "ReferencedSOPSequence" in one
    )
    report = there["ENHANCED_SR"][0]
    mask.ReferencedSOPClassUID = report.SOPClassUID
    mask.ReferencedSOPInstanceUID = report.SOPInstanceUID
    (problem,) = pointers.problems(run, there)
    assert "refers to a report" in problem
    ds = there["KEY_OBJECTS"][0]
    own = there["SEG"][0].SOPInstanceUID
    image.ReferencedSOPInstanceUID = mask.ReferencedSOPInstanceUID = own
    image.ReferencedSOPClassUID = mask.ReferencedSOPClassUID = there["SEG"][0].SOPClassUID
    for series in ds.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence:
        series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = own
    (problem,) = pointers.problems(run, there)
    assert "refers to no image" in problem
