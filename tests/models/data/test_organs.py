"""Cubes of patients that there never were are still of patients, and come again when asked for."""

import numpy as np
import pytest
import torch
import yaml

from models.data import open_splits
from models.data.anatomy import Anatomy
from models.data.appearance import repainted, tissue_map
from models.data.organs import CODES, Options, body_of, cut, deformed
from models.data.volumes import prepared

TABLE = {
    "segments": [
        {"name": "Liver", "parts": ["liver"], "code": "1", "meaning": "Liver",
         "rgb": [1, 2, 3], "expected_ml": [1, 2]},
        {"name": "Left kidney", "parts": ["kidney_left"], "code": "2", "meaning": "Left kidney",
         "rgb": [1, 2, 3], "expected_ml": [1, 2], "mirror": "Right kidney"},
        {"name": "Right kidney", "parts": ["kidney_right"], "code": "3", "meaning": "Right kidney",
         "rgb": [1, 2, 3], "expected_ml": [1, 2], "mirror": "Left kidney"},
    ],
    "phases": {"plain": 1.0},
    "tissues": {
        "arteries": {"parts": ["aorta"], "plain": {"hu": [40, 41], "keep": [0.1, 0.1]}},
        "bones": {"parts": ["vertebrae_*"], "any": {"shift": [0, 0], "keep": [1, 1]}},
        "bright": {"unlabelled": [130, 4000], "plain": {"hu": [40, 41], "keep": [0.0, 0.0]}},
        "soft": {"unlabelled": [-30, 130], "any": {"shift": [0, 0], "keep": [1, 1]}},
    },
}  # fmt: skip


@pytest.fixture
def options(source, tmp_path):
    (tmp_path / "sources.yaml").write_text(yaml.safe_dump([source]))
    (tmp_path / "anatomy.yaml").write_text(yaml.safe_dump(TABLE))
    return {
        "sources": str(tmp_path / "sources.yaml"),
        "anatomy": str(tmp_path / "anatomy.yaml"),
        "cache": str(tmp_path / "cache"),
        "patch": 32,
        "per_epoch": 6,
        "validation_cubes": 4,
    }


def test_a_cube_is_a_function_of_seed_epoch_and_index(options):
    one, other = (open_splits("organs", options, 5).training for _ in range(2))
    for dataset in (one, other):
        dataset.set_epoch(3)
    assert torch.equal(one[4]["image"], other[4]["image"])
    assert torch.equal(one[4]["label"], other[4]["label"])
    other.set_epoch(4)
    assert not torch.equal(one[4]["image"], other[4]["image"])
    assert not torch.equal(one[4]["image"], one[5]["image"])
    third = open_splits("organs", options, 6).training
    third.set_epoch(3)
    assert not torch.equal(one[4]["image"], third[4]["image"])


def test_cubes_have_the_shape_and_range_that_networks_expect(options):
    splits = open_splits("organs", options, 5)
    assert splits.classes == ("background", "Liver", "Left kidney", "Right kidney")
    for dataset in (splits.training, splits.validation):
        for item in (dataset[n] for n in range(len(dataset))):
            assert item["image"].shape == item["label"].shape == (1, 32, 32, 32)
            assert item["image"].dtype == torch.float32 and item["label"].dtype == torch.uint8
            assert item["image"].min() >= 0 and item["image"].max() <= 1
            assert item["label"].max() <= 3


def test_an_epoch_ends(options):
    training = open_splits("organs", options, 5).training
    assert len(list(training)) == 6
    with pytest.raises(IndexError):
        training[6]


def test_swapping_left_and_right_swaps_the_names(options):
    plain = open_splits("organs", {**options, "mirror": 0.0}, 5).training
    swapped = open_splits("organs", {**options, "mirror": 1.0}, 5).training
    seen = set()
    for index in range(6):
        for dataset in (plain, swapped):
            label = dataset[index]["label"][0]
            middles = {n: torch.nonzero(label == n).float().mean(0)[0] for n in (2, 3)}
            if (label == 2).any() and (label == 3).any():
                # RAS: the left kidney has the smaller x, swapped or not
                assert middles[3] > middles[2]
                seen.add(dataset is plain)
    assert seen == {True, False}


def test_image_and_labels_are_deformed_alike(options, source, tmp_path):
    """Where a label is, the image has that organ's brightness."""
    volume = prepared(source, (1.5, 1.5, 1.5), tmp_path / "cache")
    body = body_of(volume, Anatomy(**TABLE))
    compared = 0
    for seed in range(6):
        chance = np.random.default_rng(seed)
        image, codes = cut(body, deformed(body, Options(**options), chance))
        label = codes // CODES
        for organ, level in ((1, 70), (2, 180), (3, 180)):
            if (label == organ).sum() > 100:
                assert image[label == organ].median() == pytest.approx(level, abs=10)
                compared += 1
    assert compared > 5


def test_without_contrast_vessels_are_as_dark_as_blood_and_bone_stays(source, tmp_path):
    volume = prepared(source, (2.0, 2.0, 2.0), tmp_path / "cache")
    anatomy = Anatomy(**TABLE)
    image, labels = np.asarray(volume.image), np.asarray(volume.labels)
    codes, tissues = tissue_map(image, labels, volume.structures, anatomy)
    painted = repainted(
        torch.from_numpy(image.astype(np.float32)),
        torch.from_numpy(codes.astype(np.int64)),
        tissues,
        anatomy,
        np.random.default_rng(0),
    ).numpy()
    aorta = labels == volume.structures.index("aorta")
    bone = labels == volume.structures.index("vertebrae_L1")
    assert np.median(image[aorta]) == 300 and np.median(painted[aorta]) == pytest.approx(40, abs=3)
    assert np.median(painted[bone]) == pytest.approx(400, abs=3)


def test_a_source_without_labels_is_all_background(options, source, tmp_path):
    bare = {k: v for k, v in source.items() if k not in ("labels", "names")}
    (tmp_path / "none.yaml").write_text(yaml.safe_dump([bare]))
    given = {**options, "negatives": str(tmp_path / "none.yaml"), "negative_share": 1.0}
    training = open_splits("organs", given, 5).training
    assert all(training[n]["label"].max() == 0 for n in range(3))
    assert any(training[n]["image"].max() > 0.4 for n in range(3))


def test_an_unknown_option_is_named(options):
    with pytest.raises(ValueError, match="patchh"):
        open_splits("organs", {**options, "patchh": 3}, 5)


def test_an_unknown_data_set_is_named():
    with pytest.raises(ValueError, match="no data set is called"):
        open_splits("cells", {}, 5)
