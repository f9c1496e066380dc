"""What a model may want to know besides the voxels: typed, absent as None, no patient shown."""

from pathlib import Path

import pytest

from node.dicom.metadata import Metadata
from node.dicom.volume import read_volume
from node.rules.nouns import InputRequirement
from tests.fakes.scanner import Scanner, put_raw, save


def metadata(tmp_path: Path, modality="MR", **attributes) -> Metadata:
    paths = Scanner(modality, attributes=attributes).save(tmp_path, 4)
    return read_volume(paths, InputRequirement((modality,))).metadata


def test_a_magnets_settings_are_numbers(tmp_path):
    found = metadata(tmp_path, MagneticFieldStrength="3", FlipAngle="12", InversionTime="900")
    assert (found.repetition_time_ms, found.echo_time_ms) == (18.0, 10.0)
    assert (found.field_strength_t, found.flip_angle_degrees) == (3.0, 12.0)
    assert (found.inversion_time_ms, found.kvp, found.kernel) == (900.0, None, None)
    assert found.scanning_sequence == ("GR",)


def test_a_field_in_gauss_becomes_tesla(tmp_path):
    assert metadata(tmp_path, MagneticFieldStrength="15000").field_strength_t == 1.5


def test_a_ct_says_kernel_voltage_and_contrast(tmp_path):
    found = metadata(
        tmp_path,
        "CT",
        ConvolutionKernel="B30f",
        ContrastBolusAgent="Iodine",
        ContrastBolusStartTime="101425.5",
    )
    assert (found.modality, found.kvp, found.kernel, found.units) == ("CT", 120.0, "B30f", "HU")
    assert (found.contrast_agent, found.contrast_delay_s) == ("Iodine", 34.5)
    assert found.echo_time_ms is None


@pytest.mark.parametrize(
    ("said", "years"), [("061Y", 61), ("018M", 1.5), ("003W", 0.0575), ("010D", 0.0274)]
)
def test_an_age_is_in_years(tmp_path, said, years):
    assert metadata(tmp_path, PatientAge=said).patient_age_years == pytest.approx(years, abs=1e-3)


def test_without_an_age_the_dates_say_it(tmp_path):
    assert metadata(tmp_path, PatientBirthDate="19800103").patient_age_years == 45
    assert metadata(tmp_path / "b", PatientBirthDate="19800102").patient_age_years == 46


def test_what_cannot_be_read_is_absent(tmp_path):
    slices = Scanner().series(4)
    for ds in slices:
        put_raw(ds, "EchoTime", "DS", b"soon")
        put_raw(ds, "PatientAge", "AS", b"old")
        put_raw(ds, "PatientBirthDate", "DA", b"long ago")
    found = read_volume(save(slices, tmp_path), InputRequirement(("MR",))).metadata
    assert (found.echo_time_ms, found.patient_age_years) == (None, None)


def test_age_and_sex_are_never_printed(tmp_path):
    found = metadata(tmp_path, PatientAge="061Y", PatientSex="F")
    assert (found.patient_age_years, found.patient_sex) == (61, "F")
    assert "61" not in repr(found)
    assert "sex" not in f"{found}"
