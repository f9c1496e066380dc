"""Real objects: those that pydicom brings along, those of its data package, and a real chest CT."""

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels.utils import pixel_array

from bench import real_input
from node.dicom import pixels, scanning
from node.dicom.pixels import UndecodableError
from node.dicom.volume import Volume, read_volume
from node.rules.failures import Refusal
from node.rules.nouns import InputRequirement

WANTS = InputRequirement(("CT", "MR", "PT", "CR", "DX", "MG", "US", "NM"), minimum_slices=1)
MR_SMALL = (
    *("MR_small", "MR_small_RLE", "MR_small_bigendian", "MR_small_expb", "MR_small_implicit"),
    *("MR_small_jp2klossless", "MR_small_jpeg_ls_lossless", "MR_small_padded"),
)
UNREAD = {"liver_1frame.dcm", "liver_expb_1frame.dcm"}
"""Of one bit a pixel: segmentations, no images."""


def at_hand() -> dict[str, Path]:
    """Give every object that is here; pydicom-data's where that package is installed."""
    brought = Path(pydicom.__file__).parent / "data" / "test_files"
    found = {path.name: path for path in brought.glob("*.dcm")}
    try:
        listed = files("pydicom-data") or []
    except PackageNotFoundError:
        listed = []
    found.update({one.name: Path(str(one.locate())) for one in listed if one.suffix == ".dcm"})
    return found


OBJECTS = at_hand()


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_a_real_object_is_read_as_pydicom_reads_it_or_refused(name):
    path = OBJECTS[name]
    assert isinstance(read_volume([path], WANTS), Volume | Refusal)
    image = scanning.scan(path)
    one_frame = image and image.pixels and image.whole("NumberOfFrames", 1) == 1
    if not one_frame or image.whole("SamplesPerPixel", 1) != 1:
        return
    try:
        ours = pixels.stored(image)
    except UndecodableError:
        ours = None
    try:
        theirs = pixel_array(pydicom.dcmread(path), raw=True)
    except (RuntimeError, ValueError, AttributeError, NotImplementedError):
        return  # pydicom refuses some that are read here, such as JPEG extended with 12 bits
    assert (ours is None) == (name in UNREAD)
    if ours is not None and image.whole("BitsStored", 0) == image.whole("HighBit", 0) + 1:
        assert np.array_equal(ours, theirs)


def test_the_objects_of_pydicoms_data_package_are_here():
    try:
        listed = files("pydicom-data") or []
    except PackageNotFoundError:
        pytest.skip("pydicom-data is not installed")  # which fails where everything must be there
    there = {one.name for one in listed if one.suffix == ".dcm"}
    assert len(there) >= 68
    assert there <= set(OBJECTS)


@pytest.mark.parametrize("name", ["RG1_UNCR.dcm", "RG1_J2KR.dcm", "RG3_UNCR.dcm"])
def test_a_real_film_is_read_as_it_is_displayed(name):
    """Window and polarity (PS3.3 C.11.2.1.2.1, C.7.6.3.1.2), by pydicom's pixels and by hand."""
    if name not in OBJECTS:
        pytest.skip("pydicom-data is not installed")
    volume, ds = read_volume([OBJECTS[name]], WANTS), pydicom.dcmread(OBJECTS[name])
    assert isinstance(volume, Volume)
    assert ds.PhotometricInterpretation == "MONOCHROME1"
    center, width = (float(np.atleast_1d(ds[k].value)[0]) for k in ("WindowCenter", "WindowWidth"))
    slope = float(ds.get("RescaleSlope", 1)), float(ds.get("RescaleIntercept", 0))
    values = pixel_array(ds, raw=True) * slope[0] + slope[1]
    grey = np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)
    assert np.abs(volume.voxels[0] - (1 - grey)).max() < 1e-5
    if name.startswith("RG1"):
        known = pytest.approx([0.7560252, 0.7450582, 0.7443582], abs=1e-6)
        assert volume.voxels.shape == (1, 1955, 1841)
        assert volume.voxels[0, 900, 700:703].tolist() == known
    assert any("turned round" in said for said in volume.repairs)


def test_one_image_is_the_same_in_eight_encodings():
    volumes = [read_volume([OBJECTS[f"{name}.dcm"]], WANTS) for name in MR_SMALL]
    for volume in volumes:
        assert isinstance(volume, Volume)
        assert np.array_equal(volume.voxels, volumes[0].voxels)
    assert (volumes[0].voxels.min(), volumes[0].voxels.max()) == (127, 2145)


def test_jpeg_extended_with_twelve_bits_is_read():
    """The values are those of libjpeg, which differs by one here and there as DCTs may."""
    found = pixels.stored(scanning.scan(OBJECTS["JPGExtended.dcm"]))
    assert found[420:426, 140].tolist() == pytest.approx([244, 234, 230, 237, 228, 213], abs=1)


def test_a_truncated_image_is_refused():
    refusal = read_volume([OBJECTS["MR_truncated.dcm"]], WANTS)
    assert isinstance(refusal, Refusal)
    assert "cannot be decoded" in refusal.reason


def real(fetch, cache: Path) -> Path:
    try:
        return fetch(cache)
    except real_input.UnreachableError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("fetch", "modality", "range_", "indices"),
    [
        (real_input.chest_ct, "CT", (-2048, 3071), ((0, 0, 0), (132, 511, 511), (70, 100, 400))),
        (real_input.colin27, "MR", (0, 255), ((0, 0, 0), (180, 216, 180), (70, 100, 30))),
    ],
)
def test_a_real_volume_keeps_its_values_and_places(tmp_path, fetch, modality, range_, indices):
    nifti = real(fetch, tmp_path / "cache")
    import SimpleITK

    truth = SimpleITK.DICOMOrient(SimpleITK.ReadImage(str(nifti)), "LPS")
    volume = read_volume(real_input.write_series(nifti, tmp_path / "series", modality), WANTS)
    assert isinstance(volume, Volume)
    assert volume.voxels.dtype == np.int16
    known = np.clip(SimpleITK.GetArrayViewFromImage(truth), *range_)
    assert np.array_equal(volume.voxels, np.rint(known))
    for index in indices:
        place = truth.TransformIndexToPhysicalPoint([int(i) for i in index[::-1]])
        assert np.abs((volume.affine @ [*index, 1])[:3] - place).max() < 1e-3
