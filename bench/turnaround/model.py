"""The model that all of them run: a 3D U-Net over windows, as a bundle on a shelf of its own."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from bench.pipeline.contenders import BEFORE
from bench.pipeline.inputs import SPACING, WINDOW, network, phantom
from node.bundles.compiling import Workshop, compile_bundle
from node.bundles.machine import this_machine
from node.bundles.manifest import file_hash
from node.bundles.runner import Runner
from node.bundles.shelf import Bundle, Shelf
from node.bundles.ways import Wish
from node.clock import SystemClock
from node.rules.failures import Refusal

NAME, BOXED = "organs", "organs_box"
"""The model, and the same one with windows over the body only (`dicom.windows.box`)."""
ABOVE_HU = -500.0
"""What is denser belongs to the body."""
OVERLAP = 0.25
_GOLDEN = (40, 128, 128)


def put_on_shelf(folder: Path, *, trained_in: Path, quick: bool) -> Path:
    """Write the bundles, and put them on a shelf.

    Args:
        folder: gets the bundles and, in `shelf`, the shelf.
        trained_in: where the network is, or will be once it is trained.
        quick: one that was hardly trained.

    Returns:
        The shelf.

    Raises:
        RuntimeError: the shelf does not take them.
    """
    _, exported = network(trained_in, quick=quick)
    shelf = folder / "shelf"
    for name in (NAME, BOXED):
        added = Shelf(shelf).add(_written(folder / name, exported), by="bench")
        if isinstance(added, Refusal):
            raise RuntimeError(str(added))  # noqa: TRY004 - a refusal is no wrong type
    return shelf


def _written(bundle: Path, exported: Path) -> Path:
    for part in ("configs", "docs", "golden", "models"):
        (bundle / part).mkdir(parents=True)
    for weights in exported.parent.glob(f"{exported.name}*"):  # large ones lie beside the graph
        shutil.copyfile(weights, bundle / "models" / weights.name)
    (bundle / "docs/README.md").write_text("A U-Net that was taught to find made-up organs.\n")
    (bundle / "LICENSE").write_text("As the repository.\n")
    (bundle / "configs/metadata.json").write_text(json.dumps(_metadata(bundle)))
    (bundle / "configs/inference.json").write_text(json.dumps(_inference()))
    voxels = phantom(_GOLDEN, 3)[0]
    np.savez_compressed(bundle / "golden/body.npz", voxels=voxels, affine=np.eye(4))
    case = {"input": "body.npz", "volumes_ml": {"Organs": [0.0, voxels.size / 1000.0]}}
    (bundle / "golden/cases.json").write_text(json.dumps({"cases": [case]}))
    return bundle


def why_not_boxed(shelf: Path, work: Path) -> str:
    """Compile the model with the box for this machine, and let the gate judge it; "" if it stood.

    It is compiled by the engine and in the precision that the other one runs in, and need not be
    faster: only the box shall differ.
    """
    bundle = Shelf(shelf).get(BOXED)
    if isinstance(bundle, Refusal):
        return str(bundle)
    runner = Runner(threads=os.cpu_count() or 1)
    shop = Workshop(Shelf(shelf).compiled, runner, SystemClock(), os.cpu_count() or 1, faster=0.0)
    said: list[str] = []
    try:
        wish = Wish("openvino", _precision())
        records = compile_bundle(bundle, wish, shop, said.append)
    finally:
        runner.close()
    (work / "compiled.txt").write_text("\n".join(said))
    return "" if any(record.passed for record in records) else "; ".join(said)


def _precision() -> str:
    return "bf16" if this_machine().has_bf16 else "f32"


def from_shelf(shelf: Path) -> Bundle:
    """Give the bundle.

    Raises:
        RuntimeError: it is not fit to run.
    """
    bundle = Shelf(shelf).get(NAME)
    if isinstance(bundle, Refusal):
        raise RuntimeError(str(bundle))  # noqa: TRY004 - a refusal is no wrong type
    return bundle


def _metadata(bundle: Path) -> dict[str, Any]:
    boxes = {"box": {"above": ABOVE_HU, "scores": [1.0, 0.0]}} if bundle.name == BOXED else {}
    weights = bundle / "models"
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
        "name": bundle.name,
        "version": "1.0",
        "description": "finds the organs of a made-up body",
        "network_data_format": shape,
        "dicom": {
            "accept": {"Modality": ["CT"]},
            "spacing_mm": [min(SPACING) / 2, max(SPACING) * 2],
            "segments": [segment],
            "intended_use": "research",
            "weights": {f"models/{one.name}": file_hash(one) for one in sorted(weights.iterdir())},
            "precision": _precision(),
            **({"windows": boxes} if boxes else {}),
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
