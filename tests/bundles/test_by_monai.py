"""A bundle that our pipeline does not understand is run by MONAI, in its process, to the voxel."""

import json
import py_compile
import sys

import numpy as np
import pytest

from node.bundles.manifest import read_manifest
from node.bundles.shelf import Shelf
from node.rules.failures import Refusal
from tests.bundles.making import describe

torch = pytest.importorskip("torch", reason="the extra torch is not installed")
pytest.importorskip("monai", reason="the extra torch is not installed")
nibabel = pytest.importorskip("nibabel", reason="MONAI reads NIfTI with nibabel")
from monai.bundle import ConfigParser  # noqa: E402
from monai.networks.nets import UNet  # noqa: E402

NETWORK = {
    "_target_": "UNet",
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 2,
    "channels": [4, 8],
    "strides": [2],
}
PLAIN = [
    {"_target_": "LoadImaged", "keys": "image"},
    {"_target_": "EnsureChannelFirstd", "keys": "image"},
    {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
    {"_target_": "Spacingd", "keys": "image", "pixdim": [3.1, 2.9, 3.3], "mode": "bilinear"},
    {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": 0, "a_max": 300},
]
OTHER = [
    *PLAIN,
    {"_target_": "scripts.doubling.Doubled", "keys": "image", "factor": "@factor"},
    {
        "_target_": "CropForegroundd",
        "keys": "image",
        "source_key": "image",
        "select_fn": "$lambda x: x > 0.3",
        "margin": "$math.floor(2.5)",
    },
]
DOUBLING = """
from monai.transforms import MapTransform


class Doubled(MapTransform):
    def __init__(self, keys, factor):
        super().__init__(keys)
        self.factor = factor

    def __call__(self, data):
        return {**data, "image": data["image"] * self.factor}
"""


def configuration(transforms):
    return {
        "imports": ["$import math"],
        "factor": "$1.0 + 1.0",
        "bundle_root": "elsewhere",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": NETWORK,
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "Compose", "transforms": transforms},
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": [32, 32, 32],
            "overlap": 0.25,
        },
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Activationsd", "keys": "pred", "softmax": True},
                {
                    "_target_": "Invertd",
                    "keys": "pred",
                    "transform": "@preprocessing",
                    "orig_keys": "image",
                    "nearest_interp": False,
                },
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
                {"_target_": "SaveImaged", "keys": "pred", "output_dir": "$@bundle_root + '/x'"},
            ],
        },
    }


def make(folder, head, transforms, pipeline="monai"):
    torch.manual_seed(3)
    (folder / "models").mkdir(parents=True)
    network = UNet(**{key: value for key, value in NETWORK.items() if key != "_target_"})
    torch.save(network.state_dict(), folder / "models/model.pt")
    describe(folder, "models/model.pt", NETWORK)
    path = folder / "configs/metadata.json"
    metadata = json.loads(path.read_text())
    metadata["dicom"]["pipeline"] = pipeline
    metadata["dicom"]["orientation"] = "RAS"
    path.write_text(json.dumps(metadata))
    (folder / "configs/inference.json").write_text(json.dumps(configuration(transforms)))
    (folder / "scripts").mkdir()
    (folder / "scripts/__init__.py").write_text("")
    (folder / "scripts/doubling.py").write_text(DOUBLING)
    np.savez_compressed(folder / "golden/bright.npz", voxels=head.voxels, affine=head.affine)
    case = {"input": "bright.npz", "volumes_ml": {"Bright": [0.0, 1e6]}}
    (folder / "golden/cases.json").write_text(json.dumps({"cases": [case]}))
    return folder, network.eval()


def by_hand(folder, network, head, tmp_path, monkeypatch):
    """Have MONAI read a file of the head, look, and bring the answer back."""
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    turned = np.diag([-1.0, -1.0, 1.0, 1.0]) @ head.affine[:, [2, 1, 0, 3]]
    image = nibabel.Nifti1Image(head.voxels.transpose(2, 1, 0).astype(np.float32), turned)
    nibabel.save(image, tmp_path / "head.nii.gz")
    parser = ConfigParser()
    parser.read_config(folder / "configs/inference.json")
    parser["postprocessing"]["transforms"].pop()
    parser["device"] = "$torch.device('cpu')"
    before, inferer, after = (
        parser.get_parsed_content(key) for key in ("preprocessing", "inferer", "postprocessing")
    )
    with torch.inference_mode():
        data = before({"image": tmp_path / "head.nii.gz"})
        scores = inferer(data["image"][None], network)[0]
        found = after({**data, "pred": scores})["pred"]
    for name in [name for name in sys.modules if name.split(".")[0] == "scripts"]:
        monkeypatch.delitem(sys.modules, name)
    return found[0].numpy().astype(np.uint8).transpose(2, 1, 0)


@pytest.mark.parametrize("transforms", [PLAIN, OTHER], ids=["plain", "expressions and own code"])
def test_it_finds_what_monai_finds_in_the_same_image(
    tmp_path, small_head, runner, monkeypatch, transforms
):
    folder, network = make(tmp_path / "zoo", small_head, transforms)
    shelf = Shelf(tmp_path / "shelf")
    added = shelf.add(folder, by="a test")
    assert not isinstance(added, Refusal), added
    found = runner.predict(shelf.get("zoo"), small_head, tmp_path, 300.0)
    assert not isinstance(found, Refusal), found
    assert found.facts["engine"].startswith("MONAI ")
    expected = by_hand(folder, network, small_head, tmp_path, monkeypatch)
    assert 0.01 < expected.mean() < 0.99
    np.testing.assert_array_equal(found.labels, expected)


def test_our_pipeline_finds_the_same_where_it_understands_the_bundle(tmp_path, small_head, runner):
    shelf, found = Shelf(tmp_path / "shelf"), []
    for pipeline in ("monai", "own"):
        folder, _ = make(tmp_path / pipeline, small_head, PLAIN, pipeline)
        added = shelf.add(folder, by="a test")
        assert not isinstance(added, Refusal), added
        found.append(runner.predict(shelf.get(pipeline), small_head, tmp_path, 300.0).labels)
    assert (found[0] != found[1]).mean() < 1e-4


def test_byte_code_beside_the_bundles_own_code_does_not_run(tmp_path, small_head, runner):
    folder, _ = make(tmp_path / "zoo", small_head, OTHER)
    shelf = Shelf(tmp_path / "shelf")
    added = shelf.add(folder, by="a test")
    assert not isinstance(added, Refusal), added
    source = shelf.get("zoo").path / "scripts/doubling.py"
    kept = source.read_text(), source.stat()
    source.write_text("raise SystemExit('this was never put on the shelf')\n")
    py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    source.write_text(kept[0])
    assert list(source.parent.glob("__pycache__/*.pyc"))
    runner.close()
    found = runner.predict(shelf.get("zoo"), small_head, tmp_path, 300.0)
    assert not isinstance(found, Refusal), found


def test_what_is_not_understood_is_refused_until_somebody_says_that_monai_may(tmp_path, small_head):
    folder, _ = make(tmp_path / "zoo", small_head, OTHER, "own")
    complaints = read_manifest(folder)
    assert any("scripts.doubling.Doubled is not recognised" in one for one in complaints)
    assert '"pipeline": "monai"' in complaints[-1]


def test_nothing_of_it_is_compiled(tmp_path, small_head):
    folder, _ = make(tmp_path / "zoo", small_head, PLAIN)
    bundle = Shelf(tmp_path / "shelf").add(folder, by="a test")
    assert bundle.why_not_compiled == "MONAI's own pipeline runs it as it is"
    assert str(bundle.reference) == "monai f32"
