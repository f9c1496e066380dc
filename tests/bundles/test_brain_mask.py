"""The default model on a real head, by every road there is: the outcome is the same."""

import hashlib
import json
import shutil

import numpy as np
import pytest

from bench import real_input
from models.export.wheels import members
from node.bundles.golden import dice
from node.bundles.shelf import Shelf
from node.dicom.findings import Findings
from tests.bundles.making import MODELS

WEIGHTS = {
    "data/models/bbox_model.pt": "39a7b2b5f799faa1391ea97bfcdc0b9299f20d84f2316a4ff8918dc4685e40aa"
}


@pytest.fixture(scope="module")
def found(volumes, tmp_path_factory) -> dict[str, Findings]:
    from node.bundles.runner import Runner

    work = tmp_path_factory.mktemp("work")
    runner = Runner(threads=2)
    bundle = Shelf(MODELS).get("brain_mask")
    seen = {plane: runner.predict(bundle, volume, work, 120) for plane, volume in volumes.items()}
    runner.close()
    assert all(isinstance(one, Findings) for one in seen.values()), seen
    return seen


def test_the_brain_has_the_volume_that_is_known(found, volumes, head_nifti):
    low, high = real_input.expected_brain_ml(head_nifti)
    for plane, findings in found.items():
        assert low < findings.labels.sum() * volumes[plane].voxel_ml < high


def test_the_scanners_plane_makes_no_difference(found, volumes):
    sagittal, axial = (found[p].labels.sum() * volumes[p].voxel_ml for p in ("sagittal", "axial"))
    assert sagittal == pytest.approx(axial, rel=1e-4)


def test_the_brain_lies_in_one_place_in_both_planes(found, volumes):
    centres = []
    for plane, findings in found.items():
        indices = np.argwhere(findings.labels).mean(axis=0)
        centres.append(volumes[plane].affine @ [*indices, 1.0])
    np.testing.assert_allclose(centres[0], centres[1], atol=0.05)


def test_monais_own_run_of_the_bundle_gives_the_same_mask(found, volumes, heads):
    pytest.importorskip("monai", reason="the extra torch is not installed")
    for needed in ("nibabel", "skimage", "onnxruntime"):
        pytest.importorskip(needed, reason=f"MONAI's own run needs {needed}")
    from monai.bundle import ConfigParser

    parser = ConfigParser()
    parser.read_config(MODELS / "brain_mask/configs/inference.json")
    parser["bundle_root"] = str(MODELS / "brain_mask")
    after = parser.config["postprocessing"]["transforms"]
    after[:] = [step for step in after if step["_target_"] != "SaveImaged"]
    parser.parse()
    names = ("preprocessing", "network_def", "inferer", "postprocessing")
    prepare, network, infer, finish = (parser.get_parsed_content(name) for name in names)
    data = prepare({"image": str(heads["sagittal"])})
    data["pred"] = infer(data["image"][None], network)[0]
    mask = finish(data)["pred"]
    # their index to our index, through the patient: MONAI's reader orders the axes in its own way
    to_ours = np.linalg.inv(volumes["sagittal"].affine) @ np.diag([-1.0, -1.0, 1.0, 1.0])
    theirs = np.argwhere(mask.numpy()[0] > 0)
    move = to_ours @ mask.affine.numpy()
    ours = np.rint(theirs @ move[:3, :3].T + move[:3, 3]).astype(int)
    moved = np.zeros_like(found["sagittal"].labels)
    moved[tuple(ours.T)] = 1
    assert (moved != found["sagittal"].labels).mean() <= 1e-4


def bundle_with(folder, weights, content, network_def=None):
    """A copy of brain_mask with other weights."""
    shutil.copytree(MODELS / "brain_mask", folder)
    (folder / "models/model.onnx").unlink()
    (folder / "models" / weights).write_bytes(content)
    metadata = json.loads((folder / "configs/metadata.json").read_text())
    digest = hashlib.sha256(content).hexdigest()
    metadata["dicom"]["weights"] = {f"models/{weights}": digest}
    (folder / "configs/metadata.json").write_text(json.dumps(metadata))
    if network_def:
        inference = json.loads((folder / "configs/inference.json").read_text())
        inference["network_def"] = network_def
        (folder / "configs/inference.json").write_text(json.dumps(inference))
    return Shelf(folder.parent).record(folder.name)


def test_torchscript_in_pytorch_gives_the_same_mask(found, volumes, runner, tmp_path):
    pytest.importorskip("torch", reason="the extra torch is not installed")
    try:
        content = members("deepbet==1.0.2", WEIGHTS)["data/models/bbox_model.pt"]
    except SystemExit as error:
        pytest.skip(str(error))
    bundle = bundle_with(tmp_path / "shelf" / "brain_script", "model.ts", content)
    assert bundle.engine == "torchscript"
    theirs = runner.predict(bundle, volumes["sagittal"], tmp_path, 200)
    assert isinstance(theirs, Findings), theirs
    assert theirs.facts["engine"].startswith("PyTorch")
    assert dice(found["sagittal"].labels, theirs.labels, 1) > 0.9999


def test_a_state_dict_runs_with_its_network_from_monai(volumes, runner, tmp_path):
    torch = pytest.importorskip("torch", reason="the extra torch is not installed")
    nets = pytest.importorskip("monai.networks.nets", reason="the extra torch is not installed")
    arguments = {
        "spatial_dims": 3,
        "in_channels": 1,
        "out_channels": 2,
        "channels": [4, 8],
        "strides": [2],
    }
    torch.manual_seed(4)
    network = nets.UNet(**arguments).eval()
    torch.save(network.state_dict(), tmp_path / "state.pt")
    bundle = bundle_with(
        tmp_path / "shelf" / "brain_state",
        "model.pt",
        (tmp_path / "state.pt").read_bytes(),
        {"_target_": "UNet", **arguments},
    )
    assert bundle.engine == "state_dict"
    found = runner.predict(bundle, volumes["axial"], tmp_path, 200)
    assert isinstance(found, Findings), found
    assert set(np.unique(found.labels)) <= {0, 1}


def test_the_modality_check_knows_mr(volumes, runner, tmp_path):
    found = runner.predict(Shelf(MODELS).get("modality_check"), volumes["axial"], tmp_path, 60)
    assert found.labels is None
    assert found.probabilities == {"Magnetic resonance imaging": 1.0}
