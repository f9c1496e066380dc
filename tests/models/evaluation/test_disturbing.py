"""Images are spoiled as much as is said, and a model that depends on direction is found out."""

import numpy as np
import pytest

from models.evaluation import metamorphic, perturbing
from models.evaluation.images import onto
from models.evaluation.running import Seat, open_bundle
from node.rules.nouns import Code, Segment
from tests.models.evaluation.making import image, shifted

ORGAN = Code("1", "SCT", "Organ")
RNG = np.random.default_rng(0)


def segment(label, name, side=""):
    laterality = Code(side, "SCT", "Side") if side else None
    return Segment(label, name, ORGAN, ORGAN, rgb=(1, 2, 3), laterality=laterality)


class TestPerturbations:
    @pytest.mark.parametrize("modality", ["CT", "MR"])
    def test_each_changes_the_image_and_nothing_else_of_it(self, modality):
        plain = image(modality=modality)
        before = plain.voxels.copy()
        families = set()
        for one in perturbing.series(plain):
            changed = one.spoil(plain, np.random.default_rng(0))
            families.add(one.family)
            same = changed.voxels.shape == before.shape and (changed.voxels == before).all()
            assert not same, one.what
            assert changed.voxels.dtype == np.int16
            assert (plain.voxels == before).all()
        every = {"noise", "blur", "spacing", "kernel", "missing slices", "scanner"}
        assert families == (every | {"dose"} if modality == "CT" else every)

    def test_the_same_seed_gives_the_same_noise(self):
        one, two = (
            perturbing.noise(image(), np.random.default_rng(3), sd=9.0).voxels for _ in range(2)
        )
        assert (one == two).all()

    def test_noise_has_the_stated_deviation(self):
        found = perturbing.noise(image(), RNG, sd=25.0).voxels - image().voxels
        assert found.std() == pytest.approx(25.0, rel=0.05)

    def test_a_quarter_of_the_dose_has_the_noise_that_poisson_says(self):
        water = image(radius=0, modality="CT")
        water = perturbing.shift(water, RNG, offset=-float(water.voxels.mean()))
        found = perturbing.dose(water, RNG, part=0.25).voxels - water.voxels
        assert found.std() == pytest.approx(12.0 * np.sqrt(3.0), rel=0.05)

    def test_another_spacing_keeps_the_place(self):
        plain = image()
        coarse = perturbing.spacing(plain, RNG, factor=2.0)
        assert coarse.spacing_mm == (4.0, 3.0, 2.0)
        back = onto((coarse.voxels > 50).astype(np.uint8), coarse.affine, plain)
        truth = plain.voxels > 50
        centre = [np.mean(np.nonzero(mask), axis=1) for mask in (back, truth)]
        assert np.abs(centre[0] - centre[1]).max() < 0.6

    def test_lost_slices_lie_between_their_neighbours(self):
        changed = perturbing.missing(image(), RNG, count=3).voxels
        differ = [n for n in range(24) if (changed[n] != image().voxels[n]).any()]
        assert 1 <= len(differ) <= 3
        for n in differ:
            pair = (image().voxels[n - 1] + image().voxels[n + 1]) / 2
            assert np.abs(changed[n] - pair).max() <= 0.5

    def test_gain_of_ct_is_about_air(self):
        air = image(radius=0, modality="CT")
        air.voxels[:] = -1000
        assert (perturbing.shift(air, RNG, gain=1.05).voxels == -1000).all()

    def test_a_quick_run_takes_the_strongest_of_each(self):
        kept = perturbing.strongest(perturbing.series(image(modality="CT")))
        assert [one.what for one in kept if one.family == "dose"] == ["10% of the dose"]


class TestSides:
    def test_sides_are_swapped_by_name_or_code(self):
        named = [segment(1, "Lung left"), segment(2, "Lung right"), segment(3, "Liver")]
        coded = [segment(1, "A", metamorphic.LEFT), segment(2, "B", metamorphic.RIGHT)]
        assert metamorphic.swapped_labels(named).tolist() == [0, 2, 1, 3]
        assert metamorphic.swapped_labels(coded).tolist() == [0, 2, 1]

    def test_left_in_another_word_is_no_side(self):
        table = metamorphic.swapped_labels([segment(1, "Cleft"), segment(2, "Cright")])
        assert table.tolist() == [0, 1, 2]


class TestRelations:
    def verdicts(self, seat):
        given = image(radius=8, spacing=(1.0, 1.0, 1.0))
        found = metamorphic.check(seat, given, seat.look(given))
        return {one["name"]: one for one in found}

    def test_a_model_without_direction_keeps_all(self, seat):
        assert {name: one["held"] for name, one in self.verdicts(seat).items()} == {
            "left-right flip": True,
            "crop": True,
            "translation": True,
            "slice order": True,
        }

    def test_one_that_leans_to_a_side_is_found_out(self, tmp_path):
        with Seat(open_bundle(shifted(tmp_path / "leaning", 3))) as seat:
            found = self.verdicts(seat)
        assert found["left-right flip"]["held"] is False
        assert found["left-right flip"]["worst"] == "Bright"
        assert found["translation"]["held"] is True
        assert found["slice order"]["held"] is True

    def test_nothing_to_compare_is_no_success(self, seat):
        empty = image(radius=-1)
        found = metamorphic.check(seat, empty, seat.look(empty))
        assert {one["held"] for one in found} == {None}
