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


def test_a_real_chest_ct_keeps_its_hounsfield_units_and_places(tmp_path):
    try:
        nifti = real_input.chest_ct(tmp_path / "cache")
    except real_input.UnreachableError as error:
        pytest.skip(str(error))
    import SimpleITK

    truth = SimpleITK.DICOMOrient(SimpleITK.ReadImage(str(nifti)), "LPS")
    volume = read_volume(real_input.write_series(nifti, tmp_path / "ct", "CT"), WANTS)
    assert isinstance(volume, Volume)
    assert volume.voxels.dtype == np.int16
    known = np.clip(SimpleITK.GetArrayViewFromImage(truth), -2048, 3071)
    assert np.array_equal(volume.voxels, np.rint(known))
    for index in ((0, 0, 0), (132, 511, 511), (70, 100, 400)):
        place = truth.TransformIndexToPhysicalPoint([int(i) for i in index[::-1]])
        assert np.abs((volume.affine @ [*index, 1])[:3] - place).max() < 1e-3
