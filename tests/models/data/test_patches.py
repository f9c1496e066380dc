"""Cubes are balanced over classes, and patients are on one side only."""

import pytest
import torch
import yaml

from models.data import open_splits
from models.data.splitting import by_patient


@pytest.fixture
def options(source, tmp_path):
    (tmp_path / "sources.yaml").write_text(yaml.safe_dump([source]))
    return {
        "sources": str(tmp_path / "sources.yaml"),
        "cache": str(tmp_path / "cache"),
        "classes": {"Liver": ["liver"], "Left kidney": ["kidney_left"]},
        "patch": 16,
        "per_epoch": 60,
    }


def test_every_class_is_in_its_share_of_the_cubes(options):
    training = open_splits("patches", options, 1).training
    cubes = [training[n] for n in range(60)]
    assert cubes[0]["image"].shape == cubes[0]["label"].shape == (1, 16, 16, 16)
    for value in (1, 2):
        assert sum(bool((cube["label"] == value).any()) for cube in cubes) >= 20


def test_a_cube_comes_again(options):
    one, other = (open_splits("patches", options, 1).training for _ in range(2))
    assert torch.equal(one[7]["image"], other[7]["image"])
    other.set_epoch(1)
    assert not torch.equal(one[7]["image"], other[7]["image"])


def test_a_class_of_nothing_is_named(options):
    with pytest.raises(ValueError, match="class Spleen"):
        open_splits("patches", {**options, "classes": {"Spleen": ["spleen"]}}, 1)


def test_patients_are_on_one_side_only():
    names = [f"patient {n % 10}" for n in range(40)]
    training, validation = by_patient(names, 0.3, 1)
    assert len(training) == 7 and len(validation) == 3
    assert not set(training) & set(validation)
    assert by_patient(list(reversed(names)), 0.3, 1) == (training, validation)
    assert by_patient(names, 0.3, 2) != (training, validation)


def test_two_patients_are_too_few_to_spare_one():
    assert by_patient(["a", "b"], 0.5, 1) == (("a", "b"), ("a", "b"))
