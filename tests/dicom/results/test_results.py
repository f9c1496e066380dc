"""What leaves the house: SEG, SR and preview, held against the volume and the validators."""

import hashlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import highdicom
import numpy as np
import pytest
from PIL import Image

from node.dicom import results
from node.dicom.encoding import from_bytes, to_bytes
from node.dicom.findings import Findings
from node.dicom.results import preview, seg, sr, validation
from node.dicom.volume import Volume, read_volume
from node.rules.nouns import Result
from tests.fakes.scanner import CENTRE_MM, CORONAL, SAGITTAL, Scanner


@pytest.fixture
def made(read, run_of, found):
    """Carry a series with these knobs to its results."""

    def go(n: int = 20, **knobs: object) -> tuple[Volume, results.ResultSet]:
        volume = read(n, **knobs)
        assert isinstance(volume, Volume), volume
        outcome = results.make(run_of(volume, found(volume)))
        assert isinstance(outcome, results.ResultSet), outcome
        return volume, outcome

    return go


def by_kind(outcome: results.ResultSet) -> dict[str, bytes]:
    return {one.kind: one.path.read_bytes() for one in outcome.objects}


@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"modality": "CT"},
        {"orientation": SAGITTAL, "n": 36},
        {"orientation": CORONAL, "reverse": True, "n": 30},
        {"orientation": (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)},
        {"rows": 47, "columns": 53},
    ],
    ids=str,
)
def test_validators_find_no_error_in_seg_and_sr(made, tool, tmp_path: Path, knobs):
    _, outcome = made(**knobs)
    for kind in ("SEG", "SR"):
        path = tmp_path / f"{kind}.dcm"
        path.write_bytes(by_kind(outcome)[kind])
        said = tool("dciodvfy", "-new", path)
        assert "Error" not in said.stdout + said.stderr
        assert "Warning" not in said.stdout + said.stderr
        assert said.returncode == 0
    read = tool("dsrdump", tmp_path / "SR.dcm")
    assert read.returncode == 0
    assert "Ellipsoid" in read.stdout


@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"reverse": True},
        {"orientation": SAGITTAL, "n": 36},
        {"orientation": CORONAL, "n": 30},
        {"orientation": (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)},
        {"orientation": (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0)},
        {"rows": 47, "columns": 53},
    ],
    ids=str,
)
def test_the_segment_lies_in_the_patient_where_the_phantom_is(made, knobs):
    volume, outcome = made(**knobs)
    read = highdicom.seg.segread(BytesIO(by_kind(outcome)["SEG"]))
    block = read.get_volume(combine_segments=True)
    index = np.append(np.argwhere(block.array == 1).mean(axis=0), 1)
    centre = (block.affine @ index)[:3]
    assert np.linalg.norm(centre - CENTRE_MM) < 0.15
    bright = np.count_nonzero(volume.voxels > 400)
    assert np.count_nonzero(block.array) == bright


def test_frames_and_segments_without_a_voxel_are_left_out(made, found):
    volume, outcome = made()
    ds = from_bytes(by_kind(outcome)["SEG"])
    filled = sum(bool(plane.any()) for plane in found(volume).labels)
    assert 0 < filled < len(volume.voxels)
    assert filled == ds.NumberOfFrames
    assert [one.SegmentLabel for one in ds.SegmentSequence] == ["Ellipsoid"]
    assert ds.SegmentSequence[0].SegmentNumber == 1


def test_two_segments_are_numbered_in_order_whatever_their_labels(read, run_of, found):
    volume = read()
    labels = found(volume).labels
    labels[5:7, 2:6, 2:5] = 7
    outcome = results.make(run_of(volume, Findings(labels)))
    assert isinstance(outcome, results.ResultSet)
    ds = from_bytes(by_kind(outcome)["SEG"])
    assert [(s.SegmentNumber, s.SegmentLabel) for s in ds.SegmentSequence] == [
        (1, "Ellipsoid"),
        (2, "Left kidney"),
    ]
    side = ds.SegmentSequence[1].SegmentedPropertyTypeCodeSequence[0]
    assert side.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Left"
    assert outcome.facts["volumes_ml"]["Left kidney"] == pytest.approx(2 * 4 * 3 * 9 / 1000)


def test_the_same_job_makes_the_same_bytes(read, run_of, found):
    volume = read()
    digests = []
    for _ in range(2):
        outcome = results.make(run_of(volume, found(volume)))
        digests.append(
            [hashlib.sha256(one.path.read_bytes()).hexdigest() for one in outcome.objects]
        )
    assert digests[0] == digests[1]


def test_another_job_makes_other_uids(read, run_of, found, job_of):
    volume = read()
    job = job_of(volume)
    one = results.make(run_of(volume, found(volume), job=job))
    other = results.make(run_of(volume, found(volume), job=replace(job, job_id="another")))
    for first, second in zip(one.objects, other.objects, strict=True):
        assert first.sop_instance_uid != second.sop_instance_uid


def test_the_algorithm_and_its_hash_are_in_every_object(made, identity):
    _, outcome = made()
    for kind in ("SEG", "SR"):
        text = by_kind(outcome)[kind]
        assert identity.bundle_hash.encode() in text
        assert identity.version.encode() in text
        ds = from_bytes(text)
        assert ds.ContentQualification == "RESEARCH"
        assert ds.SeriesDescription == "AI phantom_finder 1.2.0 RESEARCH"
        assert 9000 <= ds.SeriesNumber < 10000
        roles = [
            x.PurposeOfReferenceCodeSequence[0].CodeValue for x in ds.ContributingEquipmentSequence
        ]
        assert roles == ["109101", "109102"]


def test_the_research_notice_is_in_words_in_every_object(made):
    _, outcome = made()
    mask = from_bytes(by_kind(outcome)["SEG"])
    assert mask.ContentDescription.startswith("Research use only - not for diagnosis")
    groups = highdicom.sr.srread(BytesIO(by_kind(outcome)["SR"])).content
    for group in groups.get_volumetric_roi_measurement_groups():
        said = [item.TextValue for item in group[0].ContentSequence if "TextValue" in item]
        assert "Research use only - not for diagnosis" in said


def test_a_clinical_bundle_is_not_called_research(read, run_of, found, model, identity):
    volume = read()
    model.identity = replace(identity, intended_use="clinical")
    outcome = results.make(run_of(volume, found(volume)))
    ds = from_bytes(by_kind(outcome)["SR"])
    assert ds.ContentQualification == "PRODUCT"
    assert "RESEARCH" not in ds.SeriesDescription
    assert b"Research" not in by_kind(outcome)["SR"] + by_kind(outcome)["SEG"]


def test_the_report_measures_the_mask_and_points_at_its_segment(made):
    volume, outcome = made()
    document = highdicom.sr.srread(BytesIO(by_kind(outcome)["SR"]))
    groups = document.content.get_volumetric_roi_measurement_groups()
    assert len(groups) == 1
    true = np.count_nonzero(volume.voxels > 400) * 9 / 1000
    assert groups[0].get_measurements()[0].value == pytest.approx(true, abs=0.001)
    mask = from_bytes(by_kind(outcome)["SEG"])
    assert groups[0].tracking_uid == mask.SegmentSequence[0].TrackingUID
    target = groups[0].referenced_segment
    assert target.referenced_sop_instance_uid == mask.SOPInstanceUID
    assert target.referenced_segment_numbers == [1]
    plain = document.content.get_image_measurement_groups()
    assert [group.tracking_identifier for group in plain] == ["Left kidney", "Magnetic resonance"]
    assert plain[0].get_measurements()[0].value == 0
    assert plain[1].get_measurements()[0].value == 97
    assert plain[1].get_qualitative_evaluations()[0].value.meaning == "Present"
    assert document.PreliminaryFlag == "PRELIMINARY"
    assert document.CompletionFlag == "COMPLETE"
    assert document.VerificationFlag == "UNVERIFIED"


def test_nothing_found_means_no_seg_and_a_report_that_says_zero(read, run_of, tool, tmp_path: Path):
    volume = read()
    nothing = Findings(np.zeros(volume.voxels.shape, np.uint8), {"Magnetic resonance": 0.2})
    outcome = results.make(run_of(volume, nothing))
    assert isinstance(outcome, results.ResultSet)
    assert [one.kind for one in outcome.objects] == ["SR", "ENHANCED_SR", "CAPTURE", "PREVIEW"]
    path = tmp_path / "sr.dcm"
    path.write_bytes(by_kind(outcome)["SR"])
    document = highdicom.sr.srread(path)
    groups = document.content.get_image_measurement_groups()
    assert [group.get_measurements()[0].value for group in groups] == [0, 0, 20]
    assert groups[2].get_qualitative_evaluations()[0].value.meaning == "Absent"
    said = tool("dciodvfy", "-new", path)
    assert "Error" not in said.stdout + said.stderr


def test_a_classification_alone_needs_no_mask(read, run_of, model):
    volume = read()
    model.segments = ()
    outcome = results.make(run_of(volume, Findings(None, {"Magnetic resonance": 0.97})))
    assert isinstance(outcome, results.ResultSet)
    assert [one.kind for one in outcome.objects] == [
        "SR",
        "ENHANCED_SR",
        "CAPTURE",
        "KEY_OBJECTS",
        "PREVIEW",
    ]


def test_a_report_names_the_one_it_supersedes(read, found, run_of, tool, tmp_path: Path):
    volume = read()
    before = Result("2.25.1", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.2", "", "SR", "", "", 1)
    mask = replace(
        before,
        kind="SEG",
        sop_instance_uid="2.25.3",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.66.4",
        series_instance_uid="2.25.4",
    )
    labels = replace(
        mask,
        kind="LABELMAP",
        sop_instance_uid="2.25.5",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.66.7",
        series_instance_uid="2.25.6",
    )
    picture = replace(mask, kind="CAPTURE", sop_instance_uid="2.25.7")
    outcome = results.make(
        run_of(volume, found(volume), predecessors=[mask, labels, picture, before])
    )
    assert isinstance(outcome, results.ResultSet)
    report = next(one for one in outcome.objects if one.kind == "SR")
    assert report.predecessor == "2.25.1"
    ds = from_bytes(report.path.read_bytes())
    study = ds.PredecessorDocumentsSequence[0]
    assert study.StudyInstanceUID == volume.sources[0].StudyInstanceUID
    series = study.ReferencedSeriesSequence[0]
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "2.25.1"
    named = [
        (str(one.SeriesInstanceUID), *(str(it.ReferencedSOPInstanceUID) for it in it_of))
        for one in study.ReferencedSeriesSequence
        for it_of in [one.ReferencedSOPSequence]
    ]
    assert named == [("2.25.2", "2.25.1"), ("2.25.4", "2.25.3"), ("2.25.6", "2.25.5")]
    path = tmp_path / "sr.dcm"
    path.write_bytes(report.path.read_bytes())
    said = tool("dciodvfy", "-new", path)
    assert "Error" not in said.stdout + said.stderr


def test_sloppy_uids_and_values_of_the_scanner_do_not_stop_a_result(
    tmp_path: Path, requirement, found, run_of
):
    sloppy = {"StudyInstanceUID": "1.2.003.4", "PatientBirthDate": "", "StudyID": "x" * 30}
    volume = read_volume(Scanner(attributes=sloppy).save(tmp_path, 8), requirement)
    assert isinstance(volume, Volume)
    outcome = results.make(run_of(volume, found(volume)))
    assert isinstance(outcome, results.ResultSet), outcome


def test_packed_pixels_of_odd_length_end_with_a_zero_byte(made):
    _, outcome = made(rows=7, columns=9, row_spacing=9.0, column_spacing=8.0)
    ds = from_bytes(by_kind(outcome)["SEG"])
    bits = ds.NumberOfFrames * 63
    assert (bits + 7) // 8 % 2 == 1, "the case is not odd any more"
    assert len(ds.PixelData) == (bits + 7) // 8 + 1
    assert ds.PixelData[-1] == 0


def test_a_label_map_on_another_grid_is_a_mistake_of_the_node(read, run_of):
    volume = read()
    wrong = Findings(np.full((2, 3, 4), 3, np.uint8))
    with pytest.raises(ValueError, match="on a volume of"):
        seg.write_seg(run_of(volume, wrong))


def test_the_preview_shows_three_planes_and_no_patient(made):
    _, outcome = made(attributes={"PatientName": "Secret^Person"})
    content = by_kind(outcome)["PREVIEW"]
    picture = Image.open(BytesIO(content))
    assert picture.size[0] == 3 * preview.PANEL
    pixels = np.array(picture)
    for number in range(3):
        panel = pixels[: preview.PANEL, number * preview.PANEL : (number + 1) * preview.PANEL]
        assert (panel == (240, 200, 160)).all(axis=-1).sum() > 50, "no outline"
    assert b"Secret" not in content


@pytest.mark.parametrize("orientation", [(1.0, 0, 0, 0, 1.0, 0), SAGITTAL, CORONAL], ids=str)
def test_upright_voxels_run_up_back_and_left(read, orientation):
    volume = read(orientation=orientation, n=16)
    assert isinstance(volume, Volume)
    marked = np.zeros(volume.voxels.shape, np.uint8)
    index = np.linalg.inv(volume.affine) @ np.append(CENTRE_MM + np.array([9, 6, 4]), 1)
    marked[tuple(np.rint(index[:3]).astype(int))] = 1
    turned, spacing = preview.upright(marked, volume.affine)
    middle = (np.array(turned.shape) - 1) / 2
    off = (np.argwhere(turned == 1)[0] - middle) * spacing
    assert off == pytest.approx([4, 6, 9], abs=2.0)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda ds: ds.__setattr__("PixelData", bytes(len(ds.PixelData))), "voxels in the SEG"),
        (
            lambda ds: (
                ds.PerFrameFunctionalGroupsSequence[0]
                .PlanePositionSequence[0]
                .__setattr__("ImagePositionPatient", ["0", "0", "500"])
            ),
            "mm away",
        ),
        (
            lambda ds: (
                ds.SharedFunctionalGroupsSequence[0]
                .PlaneOrientationSequence[0]
                .__setattr__("ImageOrientationPatient", ["-1", "0", "0", "0", "1", "0"])
            ),
            "mm away",
        ),
        (lambda ds: ds.__setattr__("PatientID", "SOMEBODY"), "PatientID is not"),
        (lambda ds: ds.__setattr__("FrameOfReferenceUID", "1.2.3"), "FrameOfReferenceUID is not"),
        (lambda ds: ds.__setattr__("StudyInstanceUID", "1.2.3"), "StudyInstanceUID is not"),
        (lambda ds: ds.__setattr__("SOPInstanceUID", "1.2.3"), "SOPInstanceUID is not"),
        (lambda ds: ds.__delattr__("ContentLabel"), "no ContentLabel"),
        (
            lambda ds: (
                ds.ReferencedSeriesSequence[0]
                .ReferencedInstanceSequence[0]
                .__setattr__("ReferencedSOPInstanceUID", "1.2.3")
            ),
            "none of its source images",
        ),
    ],
)
def test_a_spoiled_seg_does_not_pass(read, found, run_of, spoil, complaint):
    volume = read()
    run = run_of(volume, found(volume))
    mask = seg.write_seg(run)
    assert validation.mask_problems(run, [mask]) == []
    spoiled = from_bytes(mask.path.read_bytes())
    spoil(spoiled)
    mask.path.write_bytes(to_bytes(spoiled))
    problems = validation.mask_problems(run, [mask])
    assert any(complaint in problem for problem in problems), problems
    assert "SOMEBODY" not in "".join(problems)


def test_a_report_that_tells_another_volume_does_not_pass(read, found, run_of):
    volume = read()
    findings = found(volume)
    run = run_of(volume, findings)
    mask = seg.write_seg(run)
    other = Findings(np.roll(findings.labels, 1, axis=0) * (np.arange(56) % 2).astype(np.uint8))
    report = sr.write_report(run_of(volume, other), mask)
    problems = validation.report_problems(run, report, [mask])
    assert any("12.708 of Ellipsoid: volume (mL)" in problem for problem in problems), problems


def test_a_segment_without_its_seg_does_not_pass(read, found, run_of):
    volume = read()
    run = run_of(volume, found(volume))
    problems = validation.mask_problems(run, [])
    assert problems == ["the model found segments, but there is no SEG"]


def test_a_result_that_fails_our_checks_is_not_handed_over(read, run_of, found):
    volume = read()
    shifted = volume.affine.copy()
    shifted[0, 3] += 1.0
    wrong = replace(volume, affine=shifted)
    outcome = results.make(run_of(wrong, found(wrong)))
    assert isinstance(outcome, results.Withheld)
    assert "Ellipsoid lies 1.00 mm away" in outcome.refusal.reason
