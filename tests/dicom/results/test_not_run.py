"""A study is told that a model did not run: which, on what, why, and what can be done."""

from dataclasses import replace

import pydicom
import pytest

from node.dicom.results import validation
from node.dicom.results.not_run import NotRun, write_notice
from node.rules.failures import Refusal
from node.rules.nouns import ModelIdentity, Notice, Result
from tests.fakes.scanner import Scanner

WHY = Refusal("2 slices are missing", advice="Have the whole series sent")
BOTH = frozenset(Notice)


@pytest.fixture
def not_run(read, job_of, identity, tmp_path):
    def go(refusal=WHY, model=identity, predecessors=(), **knobs):
        volume = read(4, **knobs)
        folder = tmp_path / "notices"
        folder.mkdir(exist_ok=True)
        return NotRun(volume.paths[0], model, job_of(volume), refusal, folder, predecessors)

    return go


def test_a_notice_says_what_why_and_what_to_do(not_run, tool):
    report, picture = write_notice(not_run(attributes={"SeriesNumber": "7"}), BOTH)
    assert (report.kind, picture.kind) == ("NOT_RUN", "NOT_RUN_CAPTURE")
    said = tool("dsrdump", "+Pl", report.path).stdout
    for words in (
        "AI did not run: phantom_finder 1.2.0 gave no result for series 7 (MR).",
        "Reason: 2 slices are missing.",
        "What can be done: Have the whole series sent.",
        "says nothing about the images",
    ):
        assert words in said


@pytest.mark.parametrize("charset", ["ISO_IR 100", "GB18030", ["", "ISO 2022 IR 149"]])
def test_validators_find_no_error(not_run, tool, charset):
    for one in write_notice(not_run(charset=charset), BOTH):
        said = tool("dciodvfy", "-new", one.path)
        assert "Error" not in said.stdout + said.stderr
    assert tool("dsr2html", write_notice(not_run(), BOTH)[0].path, "/dev/null").returncode == 0


def test_it_stands_in_the_study_of_the_patient(not_run):
    source = pydicom.dcmread(not_run().image)
    for one in write_notice(not_run(), BOTH):
        ds = pydicom.dcmread(one.path)
        for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "AccessionNumber"):
            assert ds[keyword].value == source[keyword].value
        assert ds.SeriesInstanceUID != source.SeriesInstanceUID
        assert ds.ContentQualification == "RESEARCH"


def test_the_same_reason_makes_the_same_bytes_and_another_one_another_document(not_run):
    first, again = (write_notice(not_run(), BOTH) for _ in range(2))
    other = write_notice(not_run(replace(WHY, reason="no room")), BOTH)
    assert [one.sha256 for one in first] == [one.sha256 for one in again]
    for one, another in zip(first, other, strict=True):
        assert one.sop_instance_uid != another.sop_instance_uid
        assert one.series_instance_uid == another.series_instance_uid


def test_a_model_that_the_shelf_does_not_have_is_named_all_the_same(not_run, tool):
    unknown = ModelIdentity("gone", "", "", "research")
    (report,) = write_notice(not_run(model=unknown), frozenset((Notice.REPORT,)))
    assert "AI did not run: gone gave" in tool("dsrdump", "+Pl", report.path).stdout
    said = tool("dciodvfy", "-new", report.path)
    assert "Error" not in said.stdout + said.stderr


def spoil_reason(ds):
    ds.ContentSequence[-1].ContentSequence[0].TextValue = "Reason: none."


def spoil_image(ds):
    study = ds.CurrentRequestedProcedureEvidenceSequence[0]
    study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "1.2.3"


def spoil_predecessor(ds):
    ds.PredecessorDocumentsSequence = ds.CurrentRequestedProcedureEvidenceSequence


@pytest.mark.parametrize(
    ("which", "spoil", "complaint"),
    [
        (0, spoil_reason, "does not say why"),
        (0, spoil_image, "refers to another image"),
        (0, spoil_predecessor, "none of its predecessors"),
        (0, lambda ds: ds.__delattr__("ContentDate"), "NOT_RUN has no ContentDate"),
        (0, lambda ds: ds.__setattr__("StudyInstanceUID", "1.2.3"), "StudyInstanceUID is not"),
        (1, lambda ds: ds.__setattr__("PatientID", "SOMEBODY"), "PatientID is not"),
        (1, lambda ds: ds.__setattr__("SeriesInstanceUID", "1.2.3"), "derived from its job"),
        (1, lambda ds: ds.__setattr__("PixelData", b"12"), "as many pixels"),
        (1, lambda ds: ds.__setattr__("BurnedInAnnotation", "NO"), "that there is text in it"),
    ],
)
def test_a_spoiled_notice_does_not_pass(not_run, which, spoil, complaint):
    told = not_run()
    made = write_notice(told, BOTH)
    assert validation.notice_problems(told, made) == []
    ds = pydicom.dcmread(made[which].path)
    spoil(ds)
    ds.save_as(made[which].path)
    problems = validation.notice_problems(told, made)
    assert any(complaint in problem for problem in problems), problems
    assert "SOMEBODY" not in "".join(problems)


def test_it_names_what_it_supersedes(not_run):
    before = Result("2.25.1", "1.2.840.10008.5.1.4.1.1.88.11", "2.25.2", "", "NOT_RUN", "", "", 1)
    (report,) = write_notice(not_run(predecessors=(before,)), frozenset((Notice.REPORT,)))
    assert report.predecessor == "2.25.1"
    study = pydicom.dcmread(report.path).PredecessorDocumentsSequence[0]
    (series,) = study.ReferencedSeriesSequence
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "2.25.1"


def test_only_what_is_wanted_is_written(not_run):
    assert write_notice(not_run(), frozenset()) == []
    (one,) = write_notice(not_run(), frozenset((Notice.PICTURE,)))
    assert one.kind == "NOT_RUN_CAPTURE"


def test_an_image_that_no_volume_can_be_made_of_is_enough(not_run, tmp_path):
    """What could not be used is just what the notice is about."""
    (path,) = Scanner(attributes={"ImagePositionPatient": None}).save(tmp_path / "bad", 1)
    (report,) = write_notice(replace(not_run(), image=path), frozenset((Notice.REPORT,)))
    assert pydicom.dcmread(report.path).Modality == "SR"
