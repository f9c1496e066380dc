"""The model that all of them run: a 3D U-Net over windows, as a bundle on a shelf of its own."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from bench.pipeline.contenders import BEFORE
from bench.pipeline.inputs import SPACING, WINDOW, network, phantom
from node.bundles.machine import this_machine
from node.bundles.manifest import file_hash
from node.bundles.shelf import Bundle, Shelf
from node.rules.failures import Refusal

NAME = "organs"
OVERLAP = 0.25
_GOLDEN = (40, 128, 128)


def put_on_shelf(folder: Path, *, trained_in: Path, quick: bool) -> Path:
    """Write the bundle, and put it on a shelf.

    Args:
        folder: gets the bundle and, in `shelf`, the shelf.
        trained_in: where the network is, or will be once it is trained.
        quick: one that was hardly trained.

    Returns:
        The shelf.

    Raises:
        RuntimeError: the shelf does not take it.
    """
    _, exported = network(trained_in, quick=quick)
    bundle = folder / NAME
    for part in ("configs", "docs", "golden", "models"):
        (bundle / part).mkdir(parents=True)
    for weights in exported.parent.glob(f"{exported.name}*"):  # large ones lie beside the graph
        shutil.copyfile(weights, bundle / "models" / weights.name)
    (bundle / "docs/README.md").write_text("A U-Net that was taught to find made-up organs.\n")
    (bundle / "LICENSE").write_text("As the repository.\n")
    (bundle / "configs/metadata.json").write_text(json.dumps(_metadata(bundle / "models")))
    (bundle / "configs/inference.json").write_text(json.dumps(_inference()))
    voxels = phantom(_GOLDEN, 3)[0]
    np.savez_compressed(bundle / "golden/body.npz", voxels=voxels, affine=np.eye(4))
    case = {"input": "body.npz", "volumes_ml": {"Organs": [0.0, voxels.size / 1000.0]}}
    (bundle / "golden/cases.json").write_text(json.dumps({"cases": [case]}))
    shelf = folder / "shelf"
    added = Shelf(shelf).add(bundle, by="bench")
    if isinstance(added, Refusal):
        raise RuntimeError(str(added))  # noqa: TRY004 - a refusal is no wrong type
    return shelf


def from_shelf(shelf: Path) -> Bundle:
    """Give the bundle.

    Raises:
        RuntimeError: it is not fit to run.
    """
    bundle = Shelf(shelf).get(NAME)
    if isinstance(bundle, Refusal):
        raise RuntimeError(str(bundle))  # noqa: TRY004 - a refusal is no wrong type
    return bundle


def _metadata(weights: Path) -> dict[str, Any]:
    anatomy = {"value": "123037004", "scheme": "SCT", "meaning": "Anatomical Structure"}
    organ = {"value": "113343008", "scheme": "SCT", "meaning": "Organ"}
    segment = {
        "label": 1,
        "name": "Organs",
        "category": anatomy,
        "type": organ,
        "rgb": [200, 90, 60],
    }
    shape = {"inputs": {"image": {"spatial_shape": [WINDOW] * 3}}}
    return {
        "name": NAME,
        "version": "1.0",
        "description": "finds the organs of a made-up body",
        "network_data_format": shape,
        "dicom": {
            "accept": {"Modality": ["CT"]},
            "spacing_mm": [min(SPACING) / 2, max(SPACING) * 2],
            "segments": [segment],
            "intended_use": "research",
            "weights": {f"models/{one.name}": file_hash(one) for one in sorted(weights.iterdir())},
            "precision": "bf16" if this_machine().has_bf16 else "f32",
        },
    }


def _inference() -> dict[str, Any]:
    windows = {"roi_size": [WINDOW] * 3, "overlap": OVERLAP, "mode": "gaussian"}
    invert = {"keys": "pred", "transform": "@preprocessing", "orig_keys": "image"}
    return {
        "network_def": "by the engine",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image"},
                *(
                    {"_target_": step["name"], "keys": "image", **step["arguments"]}
                    for step in BEFORE
                ),
            ],
        },
        "inferer": {"_target_": "SlidingWindowInferer", **windows},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Invertd", **invert, "nearest_interp": False},
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
            ],
        },
    }
