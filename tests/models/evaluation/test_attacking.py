"""Attacks stay within their bounds, do more harm than chance, and need a true twin."""

import numpy as np
import pytest

pytest.importorskip("art")

import torch

from models.evaluation.attacking import (
    Bounds,
    DenseLoss,
    LogOdds,
    TwoWays,
    attack_class,
    attack_patches,
    attacked,
)
from models.evaluation.images import Image
from models.evaluation.running import open_bundle
from models.evaluation.twins import NoTwinError, open_network
from tests.bundles.classifiers import halves
from tests.models.evaluation.making import a_bundle, hashes, image, with_metadata


@pytest.fixture(scope="module")
def trained():
    """A small convolutional network that tells a ball from none, and what it was trained on."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    truths = np.arange(80) % 2
    images = rng.normal(0.0, 0.6, (80, 1, 12, 12)).astype(np.float32)
    images[truths == 1, :, 4:8, 4:8] += 0.9
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(6 * 144, 2),
    )
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(60):
        optimiser.zero_grad()
        scores = network(torch.from_numpy(images))
        torch.nn.functional.cross_entropy(scores, torch.from_numpy(truths)).backward()
        optimiser.step()
    return network.eval(), images, truths


def accuracy(module, images, truths):
    with torch.inference_mode():
        found = module(torch.from_numpy(images))
    return float(((found[:, 1] >= 0).numpy() == (truths == 1)).mean())


class TestClassifications:
    def test_an_attack_lowers_accuracy_and_keeps_to_eps(self, trained):
        network, images, truths = trained
        module = TwoWays(network, LogOdds(1, 0.5, "softmax", 1.0, 2)).eval()
        bounds = Bounds(0.25, float(images.min()), float(images.max()))
        found = {}
        for how in ("random", "FGSM", "PGD"):
            moved = attacked(module, images, truths, how, bounds, seed=0)
            assert np.abs(moved - images).max() <= 0.25 + 1e-5
            assert moved.min() >= bounds.low - 1e-6
            found[how] = accuracy(module, moved, truths)
        clean = accuracy(module, images, truths)
        assert clean > 0.95
        assert found["PGD"] < 0.5 * clean
        assert found["PGD"] <= found["FGSM"] < found["random"]

    @pytest.mark.parametrize("activation", ["softmax", "sigmoid", ""])
    def test_log_odds_agree_with_the_bundles_own_threshold(self, activation):
        scores = torch.tensor([[0.2, 0.9], [0.9, 0.2], [0.55, 0.5]])
        probabilities = {
            "softmax": torch.softmax(scores, 1),
            "sigmoid": torch.sigmoid(scores),
            "": scores,
        }[activation][:, 1]
        for threshold in (0.3, 0.45, 0.65):
            sides = LogOdds(1, threshold, activation, 1.0, 2)(scores)[:, 1] >= 0
            assert (sides == (probabilities >= threshold)).all()

    def test_features_behind_the_scores_are_no_class(self):
        scores = torch.tensor([[1.0, 2.0, 50.0]])
        found = LogOdds(1, 0.5, "softmax", 2.0, 2)(scores)
        assert found[0, 1] == pytest.approx(0.5)


class Halves(torch.nn.Module):
    """What `tests.bundles.classifiers.network` computes, with gradients."""

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, batch):
        one, two = batch.chunk(2, dim=2)
        return self.scale * torch.stack([one.mean((1, 2, 3, 4)), two.mean((1, 2, 3, 4))], dim=1)


def twin(path, module, shape):
    torch.jit.trace(module.eval(), torch.zeros(shape)).save(str(path))
    return path


class TestTwins:
    @pytest.fixture
    def bundle(self, tmp_path):
        folder = halves(tmp_path / "halves", dimensions=3, modality="MR")
        return open_bundle(folder)

    def given(self, differences):
        voxels = np.zeros((len(differences), 1, 8, 6, 4), np.float32)
        for one, difference in zip(voxels, differences, strict=True):
            one[:, :4] = difference
        return voxels

    def test_what_withstands_is_what_arithmetic_says(self, bundle, tmp_path):
        path = twin(tmp_path / "twin.ts", Halves(1.0), (1, 1, 8, 6, 4))
        network = open_network(bundle, path, threads=1)
        inputs = self.given([0.1, 0.5, 1.0, -1.0])  # mean of the first half above the second
        assert network.check(inputs[:1]) < 1e-5
        truths = np.array([True, True, True, False])
        entry = bundle.manifest.classes[0]
        found = attack_class(network, entry, inputs, truths, parts=[0.1, 0.2])
        values = {(one["attack"], one["part_of_range"]): one for one in found}
        weak, strong = values["PGD", 0.1], values["PGD", 0.2]
        assert weak["clean"] == 1.0
        # both halves move by eps, so the difference by twice that; nothing passes -1 or 1
        assert 0.05 < weak["eps"] < 0.25
        assert weak["withstood"] == 0.75
        assert strong["eps"] == pytest.approx(2 * weak["eps"])
        assert strong["withstood"] == 0.5
        assert all(one["largest_change"] <= one["eps"] + 1e-5 for one in found)
        assert values["random", 0.1]["withstood"] == 1.0

    def test_another_network_is_no_twin(self, bundle, tmp_path):
        path = twin(tmp_path / "other.ts", Halves(-1.0), (1, 1, 8, 6, 4))
        network = open_network(bundle, path, threads=1)
        with pytest.raises(NoTwinError, match="off by"):
            network.check(self.given([1.0]))

    def test_weights_without_gradients_are_not_attackable(self, bundle):
        with pytest.raises(NoTwinError, match="no gradient"):
            open_network(bundle, None, threads=1)

    def test_a_file_that_is_no_network_is_not_attackable(self, bundle, tmp_path):
        (tmp_path / "twin.ts").write_bytes(b"nothing")
        with pytest.raises(NoTwinError, match="cannot be opened"):
            open_network(bundle, tmp_path / "twin.ts", threads=1)


class Bright(torch.nn.Module):
    """Finds what is brighter than 50."""

    def forward(self, batch):
        return torch.cat([torch.zeros_like(batch) + 50.0, batch], dim=1)


class TestSegmentations:
    @pytest.fixture
    def network(self, tmp_path):
        """A bundle whose second weight file is the twin of the first."""
        folder = a_bundle(tmp_path / "bright")
        twin(folder / "models/twin.ts", Bright(), (1, 1, 8, 8, 8))

        def name(said):
            found = hashes(folder)
            first = ["models/model.xml", "models/model.bin", "models/twin.ts"]
            said["dicom"]["weights"] = {name: found[name] for name in first}

        return open_network(open_bundle(with_metadata(folder, name)), None, threads=1)

    def test_a_voxel_stands_when_it_is_farther_from_the_bound_than_eps(self, network):
        patch = np.full((1, 1, 8, 8, 8), 0.0, np.float32)
        patch[..., :4] = 100.0
        patch[..., 3] = 52.0  # close to the bound of 50
        assert network.check(patch) < 1e-6
        rows = attack_patches(network, patch, parts=[0.01, 0.1])
        found = {(one["attack"], one["part_of_range"]): one for one in rows}
        assert found["PGD", 0.01]["voxels_kept"] == 1.0  # eps 1
        assert found["PGD", 0.1]["voxels_kept"] == 0.75  # eps 10: a quarter turns
        assert found["PGD", 0.1]["dice"] == pytest.approx(2 * 0.75 / 1.75, abs=1e-4)
        assert found["random", 0.01]["dice"] == 1.0

    def test_what_goes_in_is_what_the_pipeline_makes(self, network):
        given = image()
        seen = network.input_of(Image(given.voxels, given.affine))
        assert seen.shape[0] == 1
        assert sorted(seen.shape[1:]) == sorted(given.voxels.shape)

    def test_the_dense_loss_is_the_cross_entropy(self):
        scores = torch.zeros(1, 2, 2, 2, 2)
        found = DenseLoss(np.zeros((2, 2, 2)))(scores)
        assert found[0, 0] == pytest.approx(-float(np.log(2)))
