"""Little bundles for tests, and where the real ones lie."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from node.bundles.manifest import file_hash

MODELS = Path(__file__).parents[2] / "models" / "bundles"
CACHE = Path(__file__).parents[2] / "var" / "real_input"


@dataclass(frozen=True)
class Block:
    """Voxels [slices, rows, columns] and their affine, as a model sees a volume."""

    voxels: np.ndarray
    affine: np.ndarray


def describe(folder: Path, weights: str, network_def: object = "by the engine") -> None:
    """Write the configuration of a little bundle that finds what is brighter than 50."""
    for name in ("configs", "docs", "golden"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "docs/README.md").write_text("A bundle for a test.\n")
    (folder / "LICENSE").write_text("As the repository.\n")
    thing = {"value": "123037004", "scheme": "SCT", "meaning": "Anatomical Structure"}
    metadata = {
        "name": folder.name,
        "version": "1.0",
        "description": "finds what is bright",
        "dicom": {
            "accept": {"Modality": ["MR"]},
            "segments": [
                {"label": 1, "name": "Bright", "category": thing, "type": thing, "rgb": [255, 0, 0]}
            ],
            "intended_use": "research",
            "weights": {
                path.relative_to(folder).as_posix(): file_hash(path)
                for path in sorted((folder / "models").iterdir())
            },
        },
    }
    assert weights in metadata["dicom"]["weights"]
    inference = {
        "network_def": network_def,
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [{"_target_": "LoadImaged", "keys": "image"}],
        },
        "inferer": {"_target_": "SimpleInferer"},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {
                    "_target_": "Invertd",
                    "keys": "pred",
                    "transform": "@preprocessing",
                    "orig_keys": "image",
                },
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
            ],
        },
    }
    (folder / "configs/metadata.json").write_text(json.dumps(metadata))
    (folder / "configs/inference.json").write_text(json.dumps(inference))
    voxels = np.zeros((4, 4, 4), dtype=np.int16)
    voxels[2:] = 100
    np.savez_compressed(folder / "golden/bright.npz", voxels=voxels, affine=np.eye(4))
    case = {"input": "bright.npz", "volumes_ml": {"Bright": [0.031, 0.033]}}
    (folder / "golden/cases.json").write_text(json.dumps({"cases": [case]}))
