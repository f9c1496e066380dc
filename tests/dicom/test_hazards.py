"""Every way in which a series can be wrong without looking wrong: it is refused, and we say why."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.dicom.volume import Volume, read_volume
from node.rules.failures import Fault, Refusal
from node.rules.nouns import InputRequirement
from tests.fakes.scanner import Scanner, put_raw, save

NAMES = ("Phantom^Ellipsoid", "TEST-1", "OTHER-2", "20000101")


def refused(outcome: object, *words: str) -> Refusal:
    """Hold that the series was refused for this reason, and that no patient is in the text."""
    assert isinstance(outcome, Refusal), "the series was accepted"
    assert outcome.fault is Fault.INPUT
    assert not outcome.again
    for word in words:
        assert word in outcome.reason
    assert not any(name in str(outcome) for name in NAMES)
    return outcome


def test_missing_slices_are_counted_and_placed(read):
    refused(read(missing=(7, 8)), "2 slices are missing", "3.00 mm", "7 and 8 of 18")


def test_gaps_in_two_places_are_both_told(read):
    refused(read(missing=(3, 9)), "2 slices are missing", "3 and 4, 8 and 9")


def test_uneven_spacing_is_refused(read):
    moved = {5: {"ImagePositionPatient": ["-29.25", "-55", "18.4"]}}
    refused(read(per_slice=moved), "not evenly spaced")


def test_a_repeated_image_is_left_out_and_told(tmp_path: Path, requirement):
    slices = Scanner().series(10)
    again = Scanner().series(10)[4]
    again.SOPInstanceUID = "1.2.3.4"
    again.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    volume = read_volume(save([*slices, again], tmp_path), requirement)
    assert isinstance(volume, Volume)
    assert volume.voxels.shape[0] == 10
    assert volume.repairs == ("1 repeated image left out",)


def test_which_of_two_equal_images_stays_does_not_depend_on_file_names(tmp_path: Path, requirement):
    slices = Scanner().series(6)
    again = Scanner().series(6)[2]
    again.SOPInstanceUID = again.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    one = read_volume(save([*slices, again], tmp_path / "a"), requirement)
    other = read_volume(save([again, *slices], tmp_path / "b"), requirement)
    assert isinstance(one, Volume)
    assert isinstance(other, Volume)
    assert [s.SOPInstanceUID for s in one.sources] == [s.SOPInstanceUID for s in other.sources]


def test_different_images_at_one_place_are_refused(tmp_path: Path, requirement):
    slices = Scanner().series(10)
    other = Scanner().series(10)[4]
    other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    other.PixelData = bytes(len(other.PixelData))
    refused(
        read_volume(save([*slices, other], tmp_path), requirement),
        "at 1 position there are different images",
    )


def test_one_sop_instance_uid_for_two_images_is_refused(read):
    first = Scanner().series(20)[0].SOPInstanceUID
    refused(read(per_slice={9: {"SOPInstanceUID": first}}), "same SOPInstanceUID")


def test_two_echoes_are_refused_by_name(tmp_path: Path, requirement):
    first = Scanner().series(10)
    second = Scanner(name="one", attributes={"EchoTime": "80"}).series(10)
    for number, ds in enumerate(second):
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        ds.PixelData = bytes(len(ds.PixelData))
    refused(read_volume(save([*first, *second], tmp_path), requirement), "EchoTime has 2 values")


def test_two_phases_are_refused_by_name(tmp_path: Path, requirement):
    phases = []
    for phase in (1, 2):
        for ds in Scanner(attributes={"TriggerTime": str(100 * phase)}).series(8):
            ds.SOPInstanceUID = f"1.2.{phase}.{ds.InstanceNumber}"
            ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
            ds.PixelData = bytes([phase]) * len(ds.PixelData)
            phases.append(ds)
    refused(read_volume(save(phases, tmp_path), requirement), "TriggerTime has 2 values")


def test_echo_times_that_scatter_by_rounding_are_one(read):
    assert isinstance(read(per_slice={3: {"EchoTime": "10.03"}}), Volume)


def test_a_localizer_is_set_aside_and_told(read):
    localizer = {
        "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"],
        "ImageOrientationPatient": ["0", "1", "0", "0", "0", "-1"],
    }
    volume = read(per_slice={0: localizer})
    assert isinstance(volume, Volume)
    assert volume.voxels.shape[0] == 19
    assert volume.repairs == ("1 localizer image set aside",)


def test_a_series_of_nothing_but_localizers_is_judged_as_it_is(read):
    localizers = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    assert isinstance(read(attributes=localizers), Volume)


def test_a_tilted_gantry_is_refused_with_its_angle(read):
    refused(read(tilt=15.0), "sideways", "15.0 degrees")


def test_two_orientations_are_refused(read):
    turned = {9: {"ImageOrientationPatient": ["0", "1", "0", "0", "0", "-1"]}}
    refused(read(per_slice=turned), "not parallel")


def test_cosines_that_are_no_directions_are_refused(read):
    bent = ["1", "0", "0", "0.5", "0.5", "0"]
    refused(read(attributes={"ImageOrientationPatient": bent}), "unit vectors")


def test_two_patients_in_one_series_are_an_identity_error(read):
    outcome = refused(read(per_slice={9: {"PatientID": "OTHER-2"}}), "2 patients")
    assert "identity" in outcome.advice


def test_an_identifier_from_another_issuer_is_another_patient(read):
    refused(read(per_slice={9: {"IssuerOfPatientID": "ELSEWHERE"}}), "2 patients")


def test_another_patients_localizer_is_an_identity_error_too(read):
    foreign = {"PatientID": "OTHER-2", "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    refused(read(per_slice={0: foreign}), "2 patients")


@pytest.mark.parametrize(
    ("keyword", "words"),
    [
        ("StudyInstanceUID", "2 studies"),
        ("SeriesInstanceUID", "2 series"),
        ("FrameOfReferenceUID", "2 frames of reference"),
    ],
)
def test_images_that_belong_elsewhere_are_refused(read, keyword, words):
    refused(read(per_slice={9: {keyword: "1.2.3"}}), words)


@pytest.mark.parametrize(
    ("keyword", "words"),
    [
        ("ImagePositionPatient", "ImagePositionPatient is missing"),
        ("ImageOrientationPatient", "ImageOrientationPatient is missing"),
        ("PixelSpacing", "PixelSpacing is missing"),
        ("FrameOfReferenceUID", "no FrameOfReferenceUID"),
    ],
)
def test_images_that_do_not_say_where_they_are_are_refused(
    tmp_path: Path, requirement, keyword, words
):
    slices = Scanner().series(6)
    for ds in slices:
        del ds[keyword]
    refused(read_volume(save(slices, tmp_path), requirement), words)


def test_a_spacing_that_is_no_number_is_refused_and_never_guessed(tmp_path: Path, requirement):
    slices = Scanner().series(6)
    for ds in slices:
        put_raw(ds, "PixelSpacing", "DS", b"2,0\\2,0")
    refused(read_volume(save(slices, tmp_path), requirement), "PixelSpacing")


def test_sloppy_values_that_nobody_needs_do_no_harm(tmp_path: Path, requirement):
    slices = Scanner().series(6)
    for ds in slices:
        put_raw(ds, "StudyDate", "DA", b"2026.01.10")
        put_raw(ds, "SliceThickness", "DS", b"3.00000000000000000001")
        put_raw(ds, "InstanceNumber", "IS", b"1.0")
        put_raw(ds, "PatientWeight", "DS", b"70 kg")
        put_raw(ds, "EchoNumbers", "IS", b"first")
        put_raw(ds, "TriggerTime", "DS", b"soon")
    assert isinstance(read_volume(save(slices, tmp_path), requirement), Volume)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"PhotometricInterpretation": "RGB"}, "RGB"),
        ({"NumberOfFrames": 2}, "many frames"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4.1"}, "Enhanced MR Image Storage"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "Secondary Capture Image Storage"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}, "a mosaic of slices"),
    ],
    ids=str,
)
def test_images_of_a_kind_that_is_not_read_yet_are_refused(read, attributes, words):
    refused(read(attributes=attributes), words)


def test_two_matrix_sizes_are_refused(tmp_path: Path, requirement):
    slices = [*Scanner().series(6)[:5], Scanner(rows=32).series(6)[5]]
    refused(read_volume(save(slices, tmp_path), requirement), "Rows differs", "32, 48")


def test_two_fields_of_view_are_refused(read):
    refused(read(per_slice={9: {"PixelSpacing": ["2.5", "2.5"]}}), "PixelSpacing differs")


def test_pixels_cut_short_are_refused(tmp_path: Path, requirement):
    slices = Scanner().series(6)
    slices[3].PixelData = slices[3].PixelData[:1000]
    refused(read_volume(save(slices, tmp_path), requirement), "slice 4 of 6", "decoded")


def test_a_file_that_is_no_image_is_refused(tmp_path: Path, requirement):
    paths = Scanner().save(tmp_path, 6)
    paths[2].write_text("no image")
    refused(read_volume(paths, requirement), "not a readable DICOM image")


def test_too_few_slices_are_refused(read):
    refused(read(n=2), "2 slices", "at least 3")


def test_no_images_at_all_are_refused(requirement):
    refused(read_volume([], requirement), "no images")


@pytest.mark.parametrize(
    ("wants", "words"),
    [
        (InputRequirement(("CT",)), "Modality is MR; the model reads CT"),
        (InputRequirement(("MR",), ("CHEST",)), "BodyPartExamined is BRAIN"),
        (InputRequirement(("MR",), spacing_mm=(0.5, 2.0)), "3.00 x 2.00 x 1.50 mm"),
    ],
    ids=str,
)
def test_what_the_model_does_not_read_is_refused(tmp_path: Path, wants, words):
    refused(read_volume(Scanner().save(tmp_path, 6), wants), words)


def test_an_absent_body_part_passes_where_the_bundle_says_so(tmp_path: Path):
    slices = Scanner().series(6)
    for ds in slices:
        del ds.BodyPartExamined
    paths = save(slices, tmp_path)
    assert isinstance(read_volume(paths, InputRequirement(("MR",), ("BRAIN", ""))), Volume)
    refused(read_volume(paths, InputRequirement(("MR",), ("BRAIN",))), "absent")


def test_without_a_patient_module_the_series_is_still_read(tmp_path: Path, requirement):
    slices = Scanner().series(6)
    for ds in slices:
        for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"):
            del ds[keyword]
    assert isinstance(read_volume(save(slices, tmp_path), requirement), Volume)


def test_file_meta_information_that_lies_is_not_believed(tmp_path: Path, requirement):
    slices = Scanner().series(6)
    slices[2].file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    for number, ds in enumerate(slices):
        ds.preamble = bytes(128)
        ds.save_as(tmp_path / f"{number}.dcm", enforce_file_format=False)
    assert b"1.2.3\0" in (tmp_path / "2.dcm").read_bytes()
    volume = read_volume(sorted(tmp_path.glob("*.dcm")), requirement)
    assert isinstance(volume, Volume)
    assert volume.sources[2].SOPInstanceUID == slices[2].SOPInstanceUID


def test_nothing_about_a_patient_reaches_stderr(tmp_path: Path, requirement, capfd):
    slices = Scanner().series(6)
    for ds in slices:
        put_raw(ds, "PatientName", "PN", b"SECRET=a=b=c=d^^^^^^^^")
        put_raw(ds, "PatientBirthDate", "DA", b"SECRET.01.10")
        put_raw(ds, "PatientID", "LO", b"SECRET" * 20)
    with np.errstate(all="raise"):
        read_volume(save(slices, tmp_path), requirement)
    assert "SECRET" not in "".join(capfd.readouterr())


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(132, 2200), st.integers(0, 255)), min_size=1, max_size=8))
def test_whatever_a_file_holds_there_is_a_volume_or_a_reason(changes):
    with TemporaryDirectory() as folder:
        paths = Scanner(rows=8, columns=8, row_spacing=9, column_spacing=9).save(Path(folder), 4)
        content = bytearray(paths[1].read_bytes())
        for place, value in changes:
            content[place % len(content)] = value
        paths[1].write_bytes(bytes(content))
        outcome = read_volume(paths, InputRequirement(("MR",)))
    assert isinstance(outcome, Volume | Refusal)
