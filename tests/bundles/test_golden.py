"""A golden case that cannot fail is no test, and one that is written wrongly is told in words."""

import json

import numpy as np
import pytest

from node.bundles.shelf import Shelf
from node.rules.failures import Refusal

GOOD = {"input": "bright.npz", "volumes_ml": {"Bright": [0.031, 0.033]}}


def without_volumes(**more: object) -> dict[str, object]:
    return {"input": "bright.npz", **more}


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (without_volumes(), "cases.0: needs one of volumes_ml, minimum_dice, probabilities"),
        (without_volumes(volumes_ml={"Brigth": [0, 1]}), "the bundle has no Brigth"),
        (without_volumes(probabilities={"Bright": [0, 1]}), "the bundle has no Bright"),
        (without_volumes(volumes_ml={"Bright": "much"}), "volumes_ml.Bright is no bound"),
        (without_volumes(volumes_ml=[0, 1]), "volumes_ml must map a name to its bounds"),
        ({**GOOD, "labels": "bright.npz"}, "labels and minimum_dice go together"),
        ({**GOOD, "minimum_dice": {"Bright": 0.9}}, "labels and minimum_dice go together"),
        (
            {**GOOD, "labels": "bright.npz", "minimum_dice": {"Bright": 0.9}},
            "labels names no .npz with an array `labels`",
        ),
        (
            {**GOOD, "labels": "small.npz", "minimum_dice": {"Bright": 0.9}},
            "labels have the shape (2, 2, 2), the voxels (4, 4, 4)",
        ),
        ({**GOOD, "input": "flat.npz"}, "the input must have voxels [slices, rows, columns]"),
        ({**GOOD, "input": "text.npz"}, "an .npz that it names cannot be read"),
    ],
)
def test_a_case_that_holds_nothing_is_refused_in_words(make_bundle, tmp_path, case, words):
    folder = make_bundle()
    np.savez(folder / "golden/small.npz", labels=np.zeros((2, 2, 2), np.uint8))
    np.savez(folder / "golden/flat.npz", voxels=np.zeros((2, 2)), affine=np.eye(4))
    (folder / "golden/text.npz").write_text("not an archive")
    (folder / "golden/cases.json").write_text(json.dumps({"cases": [case]}))
    refusal = Shelf(tmp_path / "own").add(folder)
    assert isinstance(refusal, Refusal), refusal
    assert words in refusal.reason
    assert "pickle" not in refusal.reason
