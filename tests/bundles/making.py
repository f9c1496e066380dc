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


WINDOWED = {
    "preprocessing": {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "LoadImaged", "keys": "image"},
            {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
            {"_target_": "Spacingd", "keys": "image", "pixdim": [1.5, 1.5, 1.5]},
            {
                "_target_": "ScaleIntensityRanged",
                "keys": "image",
                "a_min": 0.0,
                "a_max": 1000.0,
                "b_min": 0.0,
                "b_max": 100.0,
            },
        ],
    },
    "inferer": {
        "_target_": "SlidingWindowInferer",
        "roi_size": [16, 16, 16],
        "overlap": 0.5,
        "mode": "gaussian",
    },
}
"""Fixed spacing and grey values, windows smaller than the volume: it can be run slice by slice."""


def bright(folder, configuration=None):
    """Make a little bundle that finds what is brighter than 50."""
    import openvino
    from openvino import opset13 as ops

    (folder / "models").mkdir(parents=True)
    image = ops.parameter([-1, 1, -1, -1, -1], np.float32, name="image")
    nothing = ops.multiply(image, ops.constant(np.float32(0)))
    scores = [ops.add(nothing, ops.constant(np.float32(50))), image]
    network = openvino.Model([ops.concat(scores, axis=1)], [image], "bright")
    openvino.save_model(network, folder / "models/model.xml", compress_to_fp16=False)
    describe(folder, "models/model.xml")
    path = folder / "configs/inference.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **(configuration or {})}))
    if configuration:  # its golden case is smaller than a window, and darker
        voxels = np.zeros((24, 24, 24), dtype=np.int16)
        voxels[12:] = 1000
        np.savez_compressed(folder / "golden/bright.npz", voxels=voxels, affine=np.eye(4))
        case = {"input": "bright.npz", "volumes_ml": {"Bright": [6.0, 8.0]}}
        (folder / "golden/cases.json").write_text(json.dumps({"cases": [case]}))
    return folder
