"""A small CT of a phantom, with labels, as a source."""

import highdicom
import numpy as np
import pytest
import SimpleITK
from highdicom.seg import Segmentation, SegmentDescription
from pydicom import dcmread
from pydicom.sr.codedict import codes

from bench.real_input import write_series

STRUCTURES = {1: "liver", 2: "aorta", 3: "kidney_left", 4: "kidney_right", 7: "vertebrae_L1"}


def image_of(array, spacing=(2.0, 2.0, 4.0), origin=(-60.0, -50.0, 10.0)):
    """Place an array [z, y, x] in LPS."""
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    return image


def phantom():
    """Give HU [z, y, x] and labels: a body with boxes in it, left kidney at larger x (LPS)."""
    hu = np.full((24, 48, 56), -1000, np.int16)
    hu[:, 6:42, 6:50] = 20
    labels = np.zeros(hu.shape, np.uint8)
    for value, box, level in (
        (1, np.s_[4:20, 10:30, 8:22], 70),
        (2, np.s_[2:22, 22:32, 24:34], 300),
        (3, np.s_[6:14, 30:38, 40:46], 180),
        (4, np.s_[6:14, 32:38, 10:16], 180),
        (7, np.s_[2:22, 34:40, 24:34], 400),
    ):
        labels[box], hu[box] = value, level
    return hu, labels


@pytest.fixture
def source(tmp_path):
    hu, labels = phantom()
    SimpleITK.WriteImage(image_of(hu), str(tmp_path / "image.nii.gz"))
    SimpleITK.WriteImage(image_of(labels), str(tmp_path / "labels.nii.gz"))
    return {
        "patient": "phantom",
        "image": {"nifti": str(tmp_path / "image.nii.gz")},
        "labels": {"nifti": str(tmp_path / "labels.nii.gz")},
        "names": STRUCTURES,
    }


@pytest.fixture
def organ_seg(source, tmp_path):
    """The label map as a DICOM Segmentation of the same image, made by highdicom alone."""
    written = write_series(tmp_path / "image.nii.gz", tmp_path / "for_seg", "CT")
    images = [dcmread(path) for path in written]
    labels = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(source["labels"]["nifti"]))
    numbers = np.searchsorted(list(STRUCTURES), labels + (labels == 0)) + 1
    described = [
        SegmentDescription(
            number, name, codes.SCT.Tissue, codes.SCT.Tissue, algorithm_type="MANUAL"
        )
        for number, name in enumerate(STRUCTURES.values(), start=1)
    ]
    seg = Segmentation(
        images,
        np.where(labels == 0, 0, numbers).astype(np.uint8),
        "BINARY",
        described,
        highdicom.UID(),
        1,
        highdicom.UID(),
        1,
        manufacturer="Test",
        manufacturer_model_name="Test",
        software_versions="1",
        device_serial_number="1",
    )
    seg.save_as(tmp_path / "organs.dcm")
    return tmp_path / "organs.dcm"
