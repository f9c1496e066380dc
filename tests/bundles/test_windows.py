"""A bundle says which windows its network is spared, and what their voxels are instead."""

import json

import numpy as np
import pytest

from node.bundles.manifest import Manifest, read_manifest
from node.dicom.findings import Findings

AIR = {"below": 1000.0, "scores": [0.0, 1.0]}
SLIDING = {"_target_": "SlidingWindowInferer", "roi_size": [4, 4, 4], "overlap": 0.25}


@pytest.fixture
def sparing(make_bundle):
    """A little bundle that runs in windows and says of them what is given."""

    def make(windows, inferer=SLIDING):
        folder = make_bundle()
        for file, edit in (
            ("metadata.json", lambda m: m["dicom"].update(windows=windows)),
            ("inference.json", lambda m: m.update(inferer=inferer)),
        ):
            path = folder / "configs" / file
            content = json.loads(path.read_text())
            edit(content)
            path.write_text(json.dumps(content))
        return folder

    return make


def test_what_a_bundle_says_reaches_the_inferer(sparing):
    manifest = read_manifest(sparing({"skip": AIR}))
    assert isinstance(manifest, Manifest)
    assert manifest.recipe.inferring(stood_the_gate=False)["arguments"]["skip"] == AIR


def test_a_box_is_used_only_by_what_stood_the_gate(sparing):
    manifest = read_manifest(sparing({"box": {"above": -300, "scores": [1, 0]}}))
    assert isinstance(manifest, Manifest)
    assert "box" not in manifest.recipe.inferring(stood_the_gate=False)["arguments"]
    box = manifest.recipe.inferring(stood_the_gate=True)["arguments"]["box"]
    assert box == {"above": -300.0, "scores": [1.0, 0.0]}


@pytest.mark.parametrize(
    ("windows", "inferer", "words"),
    [
        ({"skip": {"below": -900}}, SLIDING, "dicom.windows.skip.scores is missing"),
        ({"skip": {"below": -900, "scores": []}}, SLIDING, "dicom.windows.skip.scores"),
        ({"skip": {"above": 3, "scores": [1]}}, SLIDING, "dicom.windows.skip"),
        ({"hop": {}}, SLIDING, "dicom.windows.hop is not a key that is known"),
        ({"skip": AIR}, {"_target_": "SimpleInferer"}, "needs a SlidingWindowInferer"),
    ],
)
def test_a_complaint_names_the_key(sparing, windows, inferer, words):
    found = read_manifest(sparing(windows, inferer))
    assert isinstance(found, list)
    assert any(words in complaint for complaint in found), found


def test_the_child_runs_no_window_that_is_to_be_skipped(sparing, put, runner, block, tmp_path):
    folder = sparing({"skip": AIR})
    bright = np.full((4, 4, 4), 2000, dtype=np.int16)
    np.savez_compressed(folder / "golden/bright.npz", voxels=bright, affine=np.eye(4))
    cases = {"cases": [{"input": "bright.npz", "volumes_ml": {"Bright": [0.063, 0.065]}}]}
    (folder / "golden/cases.json").write_text(json.dumps(cases))
    found = runner.predict(put(folder), block, tmp_path, 60.0)
    assert isinstance(found, Findings)
    assert found.labels is not None
    # the network would have found the bright half only; all voxels are below 1000
    assert (found.labels == 1).all()
