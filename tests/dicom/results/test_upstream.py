"""What we work around in highdicom: each of these fails on the day that it is mended there.

When one fails, take the work-around out of node/dicom/results (lineage.py, seg.py), and the test
with it. The version is pinned, so this can only happen to who changes the pin.
"""

import subprocess
import sys
from collections.abc import Callable

import highdicom
import numpy as np
import pytest
from highdicom.enum import SpecificCharacterSetValues
from highdicom.seg import Segmentation, SegmentationTypeValues, SegmentDescription
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from tests.fakes.scanner import Scanner

ULTRASOUND_RETIRED = ("1.2.840.10008.5.1.4.1.1.6", "1.2.840.10008.5.1.4.1.1.3")


@pytest.fixture
def built() -> Callable[..., Segmentation]:
    """Have highdicom build a small Segmentation of images, with these arguments besides."""

    def build(images: list[Dataset], kind: str = "BINARY", **others: object) -> Segmentation:
        mask = np.zeros((len(images), images[0].Rows, images[0].Columns), np.uint8)
        mask[:, 1, 1:3] = 1
        return Segmentation(
            source_images=images,
            pixel_array=mask,
            segmentation_type=SegmentationTypeValues(kind),
            segment_descriptions=[
                SegmentDescription(
                    1,
                    "Brain",
                    codes.SCT.AnatomicalStructure,
                    codes.SCT.Brain,
                    "AUTOMATIC",
                    highdicom.AlgorithmIdentificationSequence(
                        "finder", codes.DCM.ArtificialIntelligence, "1"
                    ),
                )
            ],
            series_instance_uid="1.2.3",
            series_number=1,
            sop_instance_uid="1.2.3.4",
            instance_number=1,
            manufacturer="radnode",
            manufacturer_model_name="radnode",
            software_versions="1",
            device_serial_number="none",
            **others,
        )

    return build


def images(n: int = 3, **knobs: object) -> list[Dataset]:
    return Scanner(rows=5, columns=5, **knobs).series(n)


def test_highdicom_still_refuses_a_character_set_whose_first_value_is_empty(built):
    with pytest.raises(ValueError, match="SpecificCharacterSetValues"):
        built(images(charset=["", "ISO 2022 IR 87"]))


def test_highdicom_still_refuses_korean(built):
    with pytest.raises(ValueError, match="SpecificCharacterSetValues"):
        built(images(), specific_character_set=["ISO 2022 IR 6", "ISO 2022 IR 149"])


def test_highdicom_still_knows_korean_by_a_wrong_number():
    assert SpecificCharacterSetValues.KOREAN_CODE_EXTENSIONS.value == "ISO 2022 IR 159"


def test_highdicom_still_pads_odd_pixel_data_with_the_digit_zero(built):
    pixels = built(images(1)).PixelData  # 25 bits: 4 bytes; 3 frames of 25 bits: 10 bytes
    assert len(pixels) % 2 == 0
    odd = built(images(2)).PixelData  # 50 bits are 7 bytes
    assert odd[-1:] == b"0"


@pytest.mark.parametrize("absent", ["PatientID", "PatientName", "PatientSex"])
def test_highdicom_still_stumbles_over_an_image_without_type_2_attributes(built, absent):
    without = images()
    for ds in without:
        delattr(ds, absent)
    with pytest.raises(AttributeError):
        built(without)


def test_highdicom_still_describes_the_background_of_a_label_map(built):
    made = built(images(), "LABELMAP")
    assert made.PixelPaddingValue in {one.SegmentNumber for one in made.SegmentSequence}


def test_highdicom_still_makes_another_organisation_uid_every_time(built):
    one, other = (
        built(images()).DimensionOrganizationSequence[0].DimensionOrganizationUID for _ in "12"
    )
    assert one != other


def test_the_library_does_not_know_retired_ultrasound():
    known = "import highdicom.base as b; print(*b.get_sop_class_iod_map())"
    said = subprocess.run([sys.executable, "-c", known], check=True, capture_output=True, text=True)
    assert set(said.stdout.split()).isdisjoint(ULTRASOUND_RETIRED)
