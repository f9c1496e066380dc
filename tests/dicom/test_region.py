"""A trunk is told from a head by its size, and nothing else is said."""

import numpy as np
import pytest

from bench import real_input
from node.dicom.region import region_of
from node.dicom.volume import Volume, read_volume
from node.rules import scoping
from node.rules.nouns import InputRequirement
from tests.fakes.scanner import SAGITTAL

WANTS = InputRequirement(("CT", "MR"))


def body(radii_mm, lungs=0.0, orientation=None) -> Volume:
    """An elliptic cylinder of noise in air, with two round holes if it has lungs."""
    x, y = np.mgrid[-210:211:3, -150:151:3]
    plane = 1000.0 * ((x / radii_mm[0]) ** 2 + (y / radii_mm[1]) ** 2 <= 1)
    for side in (-1, 1):
        middle = side * radii_mm[0] / 2
        plane[np.hypot(x - middle, y) < lungs * radii_mm[1]] = 0
    noise = np.random.default_rng(1).normal(0, 20, (60, *plane.T.shape))
    voxels = (plane.T + noise).astype(np.int16)
    affine = np.array([[0, 0, 3.0, 0], [0, 3, 0, 0], [3, 0, 0, 0], [0, 0, 0, 1]])
    if orientation == SAGITTAL:
        voxels = np.ascontiguousarray(voxels.transpose(2, 0, 1))
        affine = affine[:, [2, 0, 1, 3]]
    return Volume(voxels, affine, (3.0, 3.0, 3.0), (), ())


@pytest.mark.parametrize("orientation", [None, SAGITTAL], ids=["axial", "sagittal"])
def test_a_trunk_is_one_with_lungs_or_without(orientation):
    assert region_of(body((180, 115), 0.6, orientation)).name == "CHEST"
    assert region_of(body((180, 115), 0.0, orientation)).name == "ABDOMEN"


def test_of_a_head_a_childs_chest_and_nothing_at_all_nobody_can_tell():
    assert region_of(body((75, 95))).name == ""
    assert region_of(body((100, 75), 0.6)).name == ""
    assert region_of(body((0.1, 0.1))).name == ""


def test_only_a_header_that_says_head_is_contradicted():
    assert scoping.another_region("CHEST", "CHEST", 600) == []
    assert scoping.another_region("", "CHEST", 600) == []
    assert scoping.another_region("BRAIN", "", 600) == []
    (said,) = scoping.another_region("Head", "ABDOMEN", 612.4)
    assert "HEAD" in said
    assert "612 cm2" in said


@pytest.mark.parametrize(
    ("fetch", "modality", "shown"),
    [
        (real_input.chest_ct, "CT", "CHEST"),
        (real_input.colin27, "MR", ""),
        (real_input.mean_head, "MR", ""),
    ],
)
def test_real_volumes_show_what_they_show(tmp_path, fetch, modality, shown):
    try:
        nifti = fetch()
    except real_input.UnreachableError as error:
        pytest.skip(str(error))
    volume = read_volume(real_input.write_series(nifti, tmp_path, modality), WANTS)
    assert isinstance(volume, Volume)
    found = region_of(volume)
    assert found.name == shown
    assert found.score == (1.0 if shown else 0.0)
