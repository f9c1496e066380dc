"""The generator plants what it says, where it may, and the same again."""

import numpy as np
import pytest
from scipy import ndimage

from models.experiments.ground import GroundOptions, open_ground
from models.experiments.lesions import LesionOptions, coverage, plant, planted_crops

SIZE = (32, 32, 24)
DIVISIONS = ["sides", "slabs"]


@pytest.fixture(scope="module")
def ground(sources, cache):
    def opened(division, homes=("lung_*",)):
        options = GroundOptions(sources=sources, homes=list(homes), division=division, slab_mm=30)
        return open_ground(options, cache)

    return opened


@pytest.mark.parametrize("diameter", [2.0, 3.5, 6.0, 10.0])
@pytest.mark.parametrize("dents", [0.0, 0.1, 0.2])
def test_a_lesion_is_as_large_as_it_says(diameter, dents):
    chance = np.random.default_rng(1)
    for _ in range(20):
        filled = coverage(diameter, 1.0, dents, chance)
        voxels = np.pi / 6 * diameter**3
        assert abs((filled >= 0.5).sum() - voxels) <= 1
        edge = np.concatenate([filled[face] for face in ([0, -1], np.s_[:, [0, -1]])], None)
        assert edge.max() < 0.5, "the lesion is cut off"


def test_a_lesion_is_one_piece_and_no_two_are_alike():
    chance = np.random.default_rng(2)
    shapes = [coverage(8.0, 1.0, 0.2, chance) >= 0.5 for _ in range(30)]
    assert all(ndimage.label(shape)[1] == 1 for shape in shapes)
    assert len({shape.tobytes() for shape in shapes}) == 30


def test_the_voxel_size_counts():
    fine = coverage(6.0, 0.5, 0.0, np.random.default_rng(3)) >= 0.5
    assert fine.sum() * 0.125 == pytest.approx(np.pi / 6 * 216, rel=0.01)


@pytest.mark.parametrize("brightness", ["brighter", "either"])
def test_what_is_added_is_the_contrast(brightness):
    options = LesionOptions(
        diameter_mm=(8, 10), contrast=(0.02, 0.05), window_hu=2000, brightness=brightness
    )
    chance, signs = np.random.default_rng(4), set()
    for _ in range(20):
        image, mask = np.full((40, 40, 40), -800, np.float32), np.zeros((40, 40, 40), np.uint8)
        lesion = plant(image, mask, np.ones(image.shape, bool), options, 1.0, chance)
        added = image + 800
        core = added[ndimage.binary_erosion(mask, iterations=2)]
        assert core == pytest.approx(lesion.contrast_hu, rel=0.02)
        assert 40 <= abs(lesion.contrast_hu) <= 100  # under 5 % of 2000 HU
        assert abs(added).max() <= abs(lesion.contrast_hu) * 1.001
        signs.add(np.sign(lesion.contrast_hu))
    assert signs == ({1.0} if brightness == "brighter" else {1.0, -1.0})


def test_a_lesion_stays_at_home():
    home = np.zeros((40, 40, 40), bool)
    home[:20] = True
    options, chance = LesionOptions(diameter_mm=(4, 8)), np.random.default_rng(8)
    for _ in range(50):
        image, mask = np.zeros(home.shape, np.float32), np.zeros(home.shape, np.uint8)
        if plant(image, mask, home, options, 1.0, chance):
            assert home[mask > 0].mean() >= 0.95


def test_without_a_home_nothing_is_planted():
    image, mask = np.zeros((32, 32, 32), np.float32), np.zeros((32, 32, 32), np.uint8)
    home = np.zeros(image.shape, bool)
    assert plant(image, mask, home, LesionOptions(), 1.0, np.random.default_rng(0)) is None
    assert not image.any()
    assert not mask.any()


@pytest.mark.parametrize("division", DIVISIONS)
def test_no_voxel_is_in_a_training_crop_and_in_a_test_crop(ground, division):
    homes = ("lung_*",) if division == "sides" else ("liver", "lung_*")
    seen = []
    for swapped in (False, True):
        for part in ground(division, homes).divided(swapped=swapped):
            touched = np.zeros(part.image.shape, bool)
            chance = np.random.default_rng(5)
            for _ in range(300):
                touched[part.crop(SIZE, chance)] = True
            seen.append(touched)
    assert not (seen[0] & seen[1]).any()
    assert (seen[0] == seen[3]).all()
    assert (seen[1] == seen[2]).all()
    assert seen[0].mean() > 0.05


def test_sides_leave_a_gap_at_the_spine(ground):
    one, other = ground("sides").divided(swapped=False)
    (_, end), (begin, _) = one.intervals[0], other.intervals[0]
    assert begin - end == 8  # 4 mm on each side


def test_a_crop_that_does_not_fit_is_refused(ground):
    part = ground("slabs", ("liver",)).divided(swapped=False)[0]
    with pytest.raises(ValueError, match="does not fit"):
        part.crop((32, 32, 64), np.random.default_rng(0))


def test_the_same_seed_plants_the_same(ground):
    part = ground("sides").divided(swapped=False)[0]
    again = [
        planted_crops(part, 4, SIZE, LesionOptions(), np.random.default_rng(6)) for _ in range(2)
    ]
    assert (again[0].images == again[1].images).all()
    assert again[0].lesions == again[1].lesions


def test_crops_are_sixteen_bit_and_half_stay_healthy(ground):
    part = ground("sides").divided(swapped=False)[1]
    crops = planted_crops(part, 40, SIZE, LesionOptions(), np.random.default_rng(7), healthy=0.5)
    assert crops.images.dtype == np.int16
    assert crops.found().sum() == 20
    assert (crops.masks.any((1, 2, 3)) == crops.found()).all()
    for lesions, mask in zip(crops.lesions, crops.masks, strict=True):
        assert all(mask[one.middle] for one in lesions if one.diameter_mm > 4)
    images, masks = crops.slices()
    assert images.shape == (40, 32, 32)
    assert masks.any((1, 2))[crops.found()].mean() > 0.9


def test_an_unknown_home_is_refused(ground):
    with pytest.raises(ValueError, match="no structure"):
        ground("sides", ("prostate",))
