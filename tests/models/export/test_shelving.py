"""What was trained becomes a bundle that the node finds fit to run, with the same outcome."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from models.export.trained import shelve
from models.networks import build
from tests.models.data.conftest import source  # noqa: F401 - a fixture
from tests.models.data.test_organs import TABLE

NETWORK = {"name": "unet", "options": {
    "spatial_dims": 3, "in_channels": 1, "out_channels": 4, "channels": [4, 8, 8],
}}  # fmt: skip
ABOUT = {
    "version": "0.1.0",
    "task": "Organs of a phantom",
    "description": "A network for a test",
    "authors": "radnode",
    "copyright": "none",
    "modality": "CT",
    "body_parts": ["CHEST", ""],
    "spacing_mm": [0.3, 10.0],
    "minimum_slices": 4,
    "planes": ["axial"],
    "overlap": 0.25,
    "largest_component": ["Liver"],
    "measurements": ["volume", "mean"],
    "golden": {"step": [1, 1, 1]},
    "intended_use": "Research",
    "limits": ["It knows nothing."],
}


@pytest.fixture
def made(source, tmp_path, monkeypatch):  # noqa: F811 - the fixture
    (tmp_path / "sources.yaml").write_text(yaml.safe_dump([source]))
    (tmp_path / "anatomy.yaml").write_text(yaml.safe_dump(TABLE))
    options = {
        "sources": str(tmp_path / "sources.yaml"),
        "anatomy": str(tmp_path / "anatomy.yaml"),
        "cache": str(tmp_path / "cache"),
        "spacing_mm": 4.0,
        "patch": 16,
        "window": [-1000.0, 1000.0],
    }
    config = {
        "name": "phantom_organs",
        "seed": 1,
        "output": str(tmp_path),
        "data": {"dataset": "organs", "options": options},
        "network": NETWORK,
    }
    torch.manual_seed(3)
    torch.save(build(NETWORK["name"], NETWORK["options"]).state_dict(), tmp_path / "best.pt")
    folder = tmp_path / "shelf" / "phantom_organs"
    shelve(config, ABOUT, tmp_path / "best.pt", folder)
    return folder


def test_the_bundle_stands_the_nodes_own_check(made):
    """MONAI and PyTorch made the golden case; the node runs OpenVINO and its own pipeline."""
    added = subprocess.run(
        [sys.executable, "-m", "node", "models", "add", str(made), "--config", _config(made)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert added.returncode == 0, added.stdout + added.stderr


def test_the_card_says_where_it_fails_and_what_the_weights_are(made):
    said = (made / "docs/README.md").read_text()
    assert "It knows nothing." in said and "python -m models train" in said
    metadata = json.loads((made / "configs/metadata.json").read_text())
    assert metadata["dicom"]["weights"]["models/model.onnx"] in said


def test_the_golden_case_holds_the_network_and_not_anything(made):
    labels = np.load(made / "golden/labels.npz")["labels"]
    voxels = np.load(made / "golden/image.npz")["voxels"]
    assert labels.shape == voxels.shape
    assert len(np.unique(labels)) > 1


def _config(made: Path) -> str:
    file = made.parent.parent / "config.yaml"
    file.write_text(yaml.safe_dump({"models": {"dir": str(made.parent.parent / "on_shelf")}}))
    return str(file)


def test_nothing_of_the_machine_is_left_in_the_weights(made):
    shelved = (made / "models/model.onnx").read_bytes()
    assert str(Path(__file__).parents[3]).encode() not in shelved
    assert b".py" not in shelved
