"""Every validator accepts every result of every input: the proof, over the corpus of hazards."""

import json
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.errors import InvalidDicomError
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian
from pynetdicom import AE

from bench.orthanc import Orthanc, find
from node.dicom import results
from node.dicom.results import Made, concepts, not_run, validation
from node.dicom.volume import Volume
from node.rules.failures import Fault, Refusal
from node.rules.nouns import Notice, Output, Segment
from tests.dicom.hazards.corpus import MAKERS
from tests.dicom.hazards.test_corpus import VERDICTS
from tests.dicom.results.cases import (
    INPUTS,
    MODEL,
    PLACED,
    REFUSED,
    UPRIGHT,
    Case,
    carry,
    job_for,
    outline,
    together,
)
from tests.dicom.results.validators import (
    Verdict,
    dcentvfy_said,
    dciodvfy_said,
    masks_read_by_dcmqi,
    needs_pixelmed,
    pixelmed,
    rendered,
    values_read_by_dcmqi,
)

RETIRED = "ultrasound_cine_of_the_retired_class"
"""Of a class whose attributes dcentvfy does not know."""
REPORTS = ("SR", "ENHANCED_SR", "NOT_RUN")


@pytest.fixture(scope="session")
def case_of(tmp_path_factory) -> Callable[[str], Case]:
    """Carry an input of the corpus to all the results that there are, once in a process."""
    made: dict[str, Case] = {}

    def make(name: str) -> Case:
        if name not in made:
            made[name] = carry(name, tmp_path_factory.mktemp("case"))
        return made[name]

    return make


@pytest.fixture(scope="session")
def judge(tmp_path_factory, request) -> Callable[[Path], Verdict]:
    """Ask PixelMed of a report, once for all reports that differ in nothing it looks at."""
    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if hasattr(request.config, "workerinput") else folder

    def ask(path: Path) -> Verdict:
        kept = folder / f"pixelmed-{outline(pydicom.dcmread(path))}.json"
        if not kept.exists():
            said = folder / f"{path.stem}.verdict"
            said.write_text(json.dumps(asdict(pixelmed(path))))
            said.replace(kept)
        known = json.loads(kept.read_text())
        return Verdict(tuple(known["errors"]), tuple(known["warnings"]), known["root"])

    return ask


class OpenOrthanc(Orthanc):
    """An Orthanc that takes SOP classes younger than itself, such as Label Map Segmentation."""

    def _config(self) -> dict[str, object]:
        return {**super()._config(), "UnknownSopClassAccepted": True}


@pytest.fixture(scope="session")
def pacs(tmp_path_factory) -> Iterator[Orthanc]:
    if find() is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Orthanc is not installed")
        pytest.skip("Orthanc is not installed")
    with OpenOrthanc(tmp_path_factory.mktemp("proof") / "orthanc") as started:
        yield started


@pytest.mark.parametrize("name", together(INPUTS))
def test_dciodvfy_has_nothing_against_any_result_that_is_ours(case_of, tool, name):
    """What it says of the image too was inherited: patient and study are taken over as they are."""
    case = case_of(name)
    inherited = set(dciodvfy_said(tool, case.volume.paths[0]))
    said = {one.kind: set(dciodvfy_said(tool, one.path)) - inherited for one in case.sent}
    if name == "no_patient":
        said = {kind: {x for x in lines if "DICOMDIR" not in x} for kind, lines in said.items()}
    if name == "absent_body_part_allowed":  # whether it is a paired one is unknown indeed
        known = "permitted to be empty when actually unknown"
        said = {kind: {x for x in lines if known not in x} for kind, lines in said.items()}
    if name == RETIRED:  # it does not count the retired class among those of many frames
        said = {kind: {x for x in lines if "multi-frame" not in x} for kind, lines in said.items()}
    assert {kind: lines for kind, lines in said.items() if lines} == {}
    assert "SR" in said
    assert ("SEG" in said) == (name in PLACED)


@pytest.mark.parametrize("name", together([one for one in INPUTS if one != RETIRED]))
def test_images_and_results_of_a_patient_agree(case_of, tool, tmp_path: Path, name):
    case = case_of(name)
    images = [inflated(path, tmp_path) for path in sorted(set(case.volume.paths))]
    before = dcentvfy_said(tool, images)
    said = dcentvfy_said(tool, [*images, *(one.path for one in case.sent)])
    if name == "no_patient":  # what is required in results is there, if empty
        said = [line for line in said if "Attribute present in one instance but not" not in line]
    if any("PatientName" in line for line in before):  # the images do not agree with each other
        said = [line for line in said if "PatientName" not in line]
    study = f"was referenced - {pydicom.dcmread(images[0]).StudyInstanceUID} "
    said = [line for line in said if study not in line]  # RTSTRUCT refers to the study, too
    assert sorted(set(said) - set(before)) == []


def inflated(path: Path, folder: Path) -> Path:
    """Give a file that dicom3tools can read, which knows no deflated ones."""
    ds = pydicom.dcmread(path)
    if ds.file_meta.TransferSyntaxUID != DeflatedExplicitVRLittleEndian:
        return path
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.save_as(folder / path.name)
    return folder / path.name


@pytest.mark.parametrize("name", together(INPUTS))
def test_pixelmed_finds_no_error_in_any_report(case_of, judge, name):
    needs_pixelmed()
    for one in case_of(name).sent:
        if one.kind in REPORTS:
            verdict = judge(one.path)
            assert verdict.errors == (), one.kind
            assert verdict.root, f"{one.kind} follows no template that PixelMed knows"


@pytest.mark.parametrize("name", together(INPUTS))
def test_dcmtk_reads_reports_and_makes_pages_of_them(case_of, tool, name):
    case = case_of(name)
    reports = [one for one in case.sent if one.kind in (*REPORTS, "KEY_OBJECTS")]
    assert {one.kind: said for one in reports if (said := rendered(tool, one.path))} == {}
    page = tool("dsr2html", case.of("SR")[0].path).stdout
    assert "Mass" in page
    assert name not in PLACED or "Ellipsoid" in page


@pytest.mark.parametrize("name", together(UPRIGHT))
def test_dcmqi_reads_the_masks_voxel_for_voxel(case_of, tool, tmp_path: Path, name):
    case = case_of(name)
    labels = case.run.findings.labels
    for one in (*case.of("SEG"), *case.of("LABELMAP")):
        read = dict(masks_read_by_dcmqi(tool, one.path, tmp_path / one.kind))
        wanted = [segment.label for segment in case.run.present]
        assert sorted(read) == list(range(1, len(wanted) + 1)), one.kind
        for number, label in enumerate(wanted, 1):
            got = read[number].on(case.volume.affine, labels.shape)
            assert np.array_equal(got, labels == label), (one.kind, label)


@pytest.mark.parametrize("name", together(PLACED))
def test_a_stack_leans_where_the_corpus_says_so(case_of, name):
    assert leans(case_of(name).volume) == (name not in UPRIGHT)


def leans(volume: Volume) -> bool:
    axes = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    return bool(np.abs(axes.T @ axes - np.eye(3)).max() > 0.001)


@pytest.mark.parametrize("name", together(PLACED))
def test_dcmqi_reads_the_numbers_that_were_measured(case_of, tool, tmp_path: Path, name):
    case = case_of(name)
    groups = values_read_by_dcmqi(tool, case.of("SR")[0].path, tmp_path)
    volumetric = [group for group in groups if "ReferencedSegment" in group]
    assert [group["ReferencedSegment"] for group in volumetric] == list(
        range(1, len(case.run.present) + 1)
    )
    mask = pydicom.dcmread(case.of("SEG")[0].path, stop_before_pixels=True)
    for group, segment, described in zip(
        volumetric, case.run.present, mask.SegmentSequence, strict=True
    ):
        assert group["TrackingIdentifier"] == segment.name
        assert group["TrackingUniqueIdentifier"] == described.TrackingUID
        assert group["segmentationSOPInstanceUID"] == case.of("SEG")[0].sop_instance_uid
        assert numbers_in(group) == pytest.approx(measured(case, segment), rel=1e-5, abs=1e-3)


def numbers_in(group: dict[str, object]) -> dict[str, float]:
    """Give the numbers of a group by what dcmqi calls them: quantity, and derivation if any."""
    found = {}
    for item in group["measurementItems"]:
        words = item["quantity"]["CodeMeaning"]
        derived = item.get("derivationModifier", {}).get("CodeMeaning", "")
        found[DERIVED.get(derived, NAMED.get(words, words))] = float(item["value"])
    return found


NAMED = {"Volume": "volume_ml", "Maximum 3D Diameter": "diameter_mm"}
DERIVED = {
    "Mean": "mean",
    "Standard Deviation": "sd",
    "Minimum": "minimum",
    "Maximum": "maximum",
    "Median": "median",
}


def measured(case: Case, segment: Segment) -> dict[str, float]:
    one = case.run.measured[segment.label]
    found = {key: getattr(one, key) for key in NAMED.values()}
    if one.intensity is not None and concepts.intensity(case.volume.sources[0]) is not None:
        found |= {key: getattr(one.intensity, key) for key in DERIVED.values()}
    return {key: value for key, value in found.items() if value is not None}


@pytest.mark.parametrize("name", together(INPUTS))
def test_orthanc_stores_each_result_and_gives_it_back_unchanged(case_of, pacs, name):
    case = case_of(name)
    assert stored(pacs, case.sent) == {one.sop_instance_uid: 0 for one in case.sent}
    for one in case.sent:
        found = pacs.post("/tools/lookup", one.sop_instance_uid.encode())
        instance = next(entry["ID"] for entry in found if entry["Type"] == "Instance")
        assert same_elements(one.path.read_bytes(), pacs.file(instance)), one.kind


def stored(pacs: Orthanc, objects: list[Made]) -> dict[str, int]:
    """Send objects by C-STORE; give each its status."""
    ae = AE(ae_title="PROOF")
    for sop_class, syntax in {(o.sop_class_uid, o.transfer_syntax_uid) for o in objects}:
        ae.add_requested_context(sop_class, syntax)
    association = ae.associate("127.0.0.1", pacs.port, ae_title="ORTHANC")
    assert association.is_established
    said = {one.sop_instance_uid: association.send_c_store(one.path) for one in objects}
    association.release()
    return {uid: status.Status if "Status" in status else -1 for uid, status in said.items()}


def same_elements(one: bytes, other: bytes) -> bool:
    """Compare two files but for their file meta information (who wrote them last)."""
    read, again = (pydicom.dcmread(BytesIO(data)) for data in (one, other))
    return read == again and read.file_meta.TransferSyntaxUID == again.file_meta.TransferSyntaxUID


@pytest.mark.parametrize("name", together(PLACED))
def test_highdicom_reads_masks_and_report(case_of, name):
    case = case_of(name)
    labels = case.run.findings.labels
    mask = highdicom.seg.segread(case.of("SEG")[0].path)
    assert mask.number_of_segments == len(case.run.present)
    frames = sum(int((labels == one.label).any(axis=(1, 2)).sum()) for one in case.run.present)
    assert int(mask.NumberOfFrames) == frames
    report = highdicom.sr.srread(case.of("SR")[0].path)
    groups = report.content.get_volumetric_roi_measurement_groups()
    assert len(groups) == len(case.run.present)


@pytest.mark.parametrize("name", together(INPUTS))
def test_the_same_run_makes_the_same_bytes(case_of, tmp_path: Path, name):
    case = case_of(name)
    again = results.make(replace(case.run, folder=tmp_path), frozenset(Output))
    assert isinstance(again, results.ResultSet)
    assert [one.sha256 for one in again.objects] == [one.sha256 for one in case.objects]


@pytest.mark.parametrize("name", together(INPUTS))
def test_results_sort_last_and_no_two_share_a_number_or_a_uid(case_of, name):
    """But for stand-ins, which no destination has together with what they stand for."""
    case = case_of(name)
    last = max(int(source.get("SeriesNumber") or 0) for source in case.volume.sources)
    numbers = {}
    everything = [one for one in case.objects if one.kind != "PREVIEW"]
    for one in everything:
        number = pydicom.dcmread(one.path, specific_tags=["SeriesNumber"]).SeriesNumber
        assert number > last
        if one.instead_of is None:
            numbers[one.series_instance_uid] = number
    assert len(set(numbers.values())) == len(numbers)
    assert len({one.sop_instance_uid for one in everything}) == len(everything)


@pytest.mark.parametrize("name", together(REFUSED))
def test_validators_accept_that_a_model_did_not_run(tool, judge, tmp_path: Path, name):
    """What dciodvfy says of the image too was inherited; the model is told of no other image."""
    image = next(p for p in MAKERS[name](tmp_path / "in") if readable(p))
    source = pydicom.dcmread(image, stop_before_pixels=True)
    job = job_for(name, str(source.SeriesInstanceUID), str(source.StudyInstanceUID))
    refusal = Refusal(VERDICTS[name]["refusal"], Fault.INPUT, "Send the series again")
    (tmp_path / "out").mkdir()
    told = not_run.NotRun(image, MODEL.identity, job, refusal, tmp_path / "out")
    made = not_run.write_notice(told, frozenset(Notice))
    assert validation.notice_problems(told, made) == []
    inherited = set(dciodvfy_said(tool, image))
    for one in made:
        said = {x for x in dciodvfy_said(tool, one.path) if "DICOMDIR" not in x} - inherited
        assert said == set(), one.kind
    reports = [one for one in made if one.kind == "NOT_RUN"]
    assert len(reports) == 1
    assert rendered(tool, reports[0].path) == []
    needs_pixelmed()
    verdict = judge(reports[0].path)
    assert verdict.errors == ()
    assert verdict.root, "it follows no template that PixelMed knows"


def readable(path: Path) -> bool:
    try:
        read = pydicom.dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, ValueError, zlib.error, EOFError, OSError):
        return False
    return "SeriesInstanceUID" in read and "StudyInstanceUID" in read and "SOPClassUID" in read
