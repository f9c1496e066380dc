"""From slices to a volume: where things are in the patient, and in which units."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.pixels import get_decoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from node.dicom.volume import AIR_HU, Volume, read_volume
from tests.fakes.scanner import AXIAL, CENTRE_MM, CORONAL, SAGITTAL, Scanner

TRUE_ML = 4 / 3 * np.pi * 24 * 18 * 14 / 1000
OBLIQUE = (0.9659258, 0.0, -0.2588190, 0.0669873, 0.9659258, 0.2500000)


def centre_of(volume: Volume) -> np.ndarray:
    """Give the bright phantom's centre in LPS millimetres."""
    bright = volume.voxels > volume.voxels.mean() + volume.voxels.std()
    index = np.append(np.argwhere(bright).mean(axis=0), 1)
    return (volume.affine @ index)[:3]


@pytest.mark.parametrize(
    "knobs",
    [
        {"orientation": AXIAL},
        {"orientation": SAGITTAL, "n": 36},
        {"orientation": CORONAL, "n": 30},
        {"orientation": AXIAL, "reverse": True},
        {"orientation": (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)},
        {"orientation": (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0)},
        {"orientation": (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0)},
        {"orientation": OBLIQUE},
        {"jitter_mm": 0.004},
        {"transfer_syntax": ImplicitVRLittleEndian},
    ],
    ids=str,
)
def test_the_phantom_is_at_the_same_place_however_it_is_scanned(read, knobs):
    volume = read(**knobs)
    assert isinstance(volume, Volume)
    assert np.linalg.norm(centre_of(volume) - CENTRE_MM) < 0.15
    bright = np.count_nonzero(volume.voxels > 400)
    assert bright * volume.voxel_ml == pytest.approx(TRUE_ML, rel=0.02)


def test_the_affine_says_where_every_slice_begins(read):
    volume = read(orientation=OBLIQUE, reverse=True)
    assert isinstance(volume, Volume)
    for index, source in enumerate(volume.sources):
        place = (volume.affine @ [index, 0, 0, 1])[:3]
        assert np.abs(place - np.array(source.ImagePositionPatient, float)).max() < 1e-4
    assert volume.spacing_mm == pytest.approx((3.0, 2.0, 1.5))
    assert np.linalg.det(volume.affine[:3, :3]) != 0


def test_neither_file_names_nor_instance_numbers_decide_the_order(tmp_path: Path, requirement):
    slices = Scanner().series(8)
    for ds, number in zip(slices, (5, 1, 8, 2, 7, 3, 6, 4), strict=True):
        ds.InstanceNumber = number
    paths = []
    for ds, name in zip(slices, "hbdfaceg", strict=True):
        paths.append(tmp_path / f"{name}.dcm")
        ds.save_as(paths[-1], enforce_file_format=True)
    volume = read_volume(paths[::-1], requirement)
    assert isinstance(volume, Volume)
    assert [s.SOPInstanceUID for s in volume.sources] == [d.SOPInstanceUID for d in slices]
    assert [p.name for p in volume.paths] == [p.name for p in paths]


def test_slices_without_instance_numbers_are_read(tmp_path: Path, requirement):
    slices = Scanner().series(8)
    for ds in slices:
        del ds.InstanceNumber
    paths = [tmp_path / f"{i}.dcm" for i in range(8)]
    for ds, path in zip(slices, paths, strict=True):
        ds.save_as(path, enforce_file_format=True)
    assert isinstance(read_volume(paths, requirement), Volume)


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        DeflatedExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        RLELossless,
        JPEGLSLossless,
        JPEG2000Lossless,
    ],
    ids=lambda uid: uid.name,
)
def test_lossless_syntaxes_give_the_same_voxels(read, tmp_path, requirement, syntax: UID):
    plain = read(n=4, modality="CT")
    other = read_volume(
        Scanner(modality="CT", transfer_syntax=syntax).save(tmp_path / "other", 4), requirement
    )
    assert isinstance(plain, Volume)
    assert isinstance(other, Volume)
    assert np.array_equal(plain.voxels, other.voxels)


def test_high_throughput_jpeg_2000_can_be_decoded():
    assert get_decoder(HTJ2KLossless).is_available


def test_whole_units_stay_whole_numbers(read):
    volume = read(modality="CT")
    assert volume.voxels.dtype == np.int16
    assert volume.voxels.min() == 40 - 1024
    assert volume.voxels.max() == 800 - 1024


def test_signed_pixels_are_read_as_signed(read):
    volume = read(modality="CT", signed=True, attributes={"RescaleIntercept": "0"})
    assert volume.voxels.dtype == np.int16
    assert volume.voxels.max() == 800


def test_each_slice_has_its_own_scale(read):
    half = {i: {"RescaleSlope": "0.5", "RescaleIntercept": "1"} for i in range(0, 20, 2)}
    volume = read(slope=2.0, intercept=-3.0, per_slice=half)
    assert volume.voxels.dtype == np.float32
    assert volume.voxels[0].min() == 40 * 0.5 + 1
    assert volume.voxels[1].min() == 40 * 2.0 - 3


def test_values_too_large_for_sixteen_bits_become_float(read):
    volume = read(slope=1.0, intercept=40000)
    assert volume.voxels.dtype == np.float32
    assert volume.voxels.max() == 40800


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])
def test_padding_around_a_ct_becomes_air_and_is_told(read, syntax):
    volume = read(
        modality="CT",
        signed=True,
        transfer_syntax=UID(syntax),
        attributes={"PixelPaddingValue": 40, "RescaleIntercept": "0"},
    )
    assert volume.voxels.min() == AIR_HU
    assert any("padding" in repair for repair in volume.repairs)


def test_zero_padding_of_an_mr_changes_nothing(read):
    volume = read(attributes={"PixelPaddingValue": 40})
    assert volume.voxels.min() == 40
    assert volume.repairs == ()


def test_unused_high_bits_are_not_part_of_the_value(tmp_path: Path, requirement):
    slices = Scanner().series(5)
    for ds in slices:
        ds.BitsStored, ds.HighBit = 12, 11
        pixels = np.frombuffer(ds.PixelData, "<u2") | 0x8000
        ds.PixelData = pixels.tobytes()
    paths = [tmp_path / f"{i}.dcm" for i in range(5)]
    for ds, path in zip(slices, paths, strict=True):
        ds.save_as(path, enforce_file_format=True)
    volume = read_volume(paths, requirement)
    assert isinstance(volume, Volume)
    assert volume.voxels.max() == 800


def test_the_sources_carry_no_pixels(read):
    volume = read()
    assert all("PixelData" not in source for source in volume.sources)


def test_a_real_head_is_read_the_same_from_every_plane(tmp_path: Path, requirement):
    real_input = pytest.importorskip("bench.real_input")
    try:
        head = real_input.t1_head(tmp_path / "cache")
    except real_input.UnreachableError as error:
        pytest.skip(str(error))
    centres = []
    for plane in ("axial", "sagittal"):
        paths = real_input.write_series(head, tmp_path / plane, "MR", plane)
        volume = read_volume(paths, requirement)
        assert isinstance(volume, Volume)
        weights = volume.voxels.astype(float)
        index = [
            (weights.sum(axis=tuple(o for o in range(3) if o != axis)) @ np.arange(size))
            / weights.sum()
            for axis, size in enumerate(weights.shape)
        ]
        centres.append((volume.affine @ [*index, 1])[:3])
    assert np.linalg.norm(centres[0] - centres[1]) < 0.01
