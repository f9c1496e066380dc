"""Makes a bundle of what was trained: network as ONNX, configuration, golden case and model card.

    python -m models shelve models/configs/ct_organs.yaml

Reads the training configuration, `<name>.bundle.yaml` beside it, and what training left in its
output folder. The golden case is the training image itself, shrunk, with what MONAI's own
transforms and the PyTorch network find in it, so that it checks the node's pipeline and the
exported network at once.
"""

import argparse
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import monai
import numpy as np
import onnxruntime
import torch
import yaml

from models.data.anatomy import Anatomy, read_anatomy
from models.data.sources import image_of
from models.export.card import card
from models.export.golden_volumes import golden_case
from models.networks import build

TOLERANCE = 1e-3
"""How far the exported network's scores may lie from PyTorch's, as a share of their spread."""

LICENCE = Path("LICENSE")


def main(arguments: list[str]) -> int:
    """Make the bundle; give the exit code."""
    options = argparse.ArgumentParser(prog="python -m models shelve", description=__doc__)
    options.add_argument("config", type=Path)
    options.add_argument("--weights", type=Path, help="default: best.pt of the output folder")
    options.add_argument("--bundle", type=Path, help="default: models/bundles/<name>")
    chosen = options.parse_args(arguments)
    config = yaml.safe_load(chosen.config.read_text())
    about = yaml.safe_load(chosen.config.with_suffix(".bundle.yaml").read_text())
    folder = chosen.bundle or Path("models/bundles") / config["name"]
    weights = chosen.weights or Path(config["output"]) / "best.pt"
    shelve(config, about, weights, folder)
    print(f"{folder}: made; now: radnode models add {folder}")
    return 0


def shelve(
    config: Mapping[str, Any], about: Mapping[str, Any], weights: Path, folder: Path
) -> None:
    """Write a bundle.

    Args:
        config: of the training.
        about: `<name>.bundle.yaml`.
        weights: a state dict of the network.
        folder: of the bundle; what is there of an earlier one is replaced.

    Raises:
        SystemExit: the exported network does not find what the trained one finds.
        OSError: something cannot be read or written.
    """
    anatomy = read_anatomy(Path(config["data"]["options"]["anatomy"]))
    network = build(config["network"]["name"], config["network"]["options"])
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))  # noqa: TID251
    network.eval()
    for room in ("configs", "models", "docs", "golden"):
        (folder / room).mkdir(parents=True, exist_ok=True)
    onnx = folder / "models/model.onnx"
    export(network, config["data"]["options"]["patch"], onnx)
    inference = inference_json(config, about, anatomy)
    _write(folder / "configs/inference.json", inference)
    _write(folder / "configs/metadata.json", metadata_json(config, about, anatomy, onnx))
    source = yaml.safe_load(Path(config["data"]["options"]["sources"]).read_text())[0]
    cache = Path(config["data"]["options"].get("cache", "var/training"))
    image, _ = image_of(source["image"], cache / "packages")
    case = golden_case(image, about["golden"]["step"], network, inference, anatomy.names)
    case.write(folder / "golden", source.get("credit", ""))
    trained = Path(weights).with_name("training.json")
    record = json.loads(trained.read_text()) if trained.is_file() else {}
    (folder / "docs/README.md").write_text(card(config, about, anatomy, record, onnx))
    shutil.copyfile(LICENCE, folder / "LICENSE")


def export(network: torch.nn.Module, patch: int, file: Path) -> None:
    """Write a network as ONNX (opset 18, float32) for cubes of one size, and compare.

    Raises:
        SystemExit: the file does not find what the network finds.
    """
    example = torch.rand(1, 1, patch, patch, patch, generator=torch.Generator().manual_seed(1))
    program = torch.onnx.export(
        network, (example,), dynamo=True, opset_version=18, input_names=["image"],
        output_names=["pred"], external_data=False, verbose=False,
    )  # fmt: skip
    program.save(str(file), external_data=False)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        wanted = network(example).numpy()
    off = float(np.abs(session.run(None, {"image": example.numpy()})[0] - wanted).max())
    if off > TOLERANCE * float(wanted.std()):
        raise SystemExit(f"{file}: the exported network is off by {off:.2g}; nothing is shelved")


def inference_json(
    config: Mapping[str, Any], about: Mapping[str, Any], anatomy: Anatomy
) -> dict[str, Any]:
    """Give configs/inference.json in MONAI's form."""
    options = config["data"]["options"]
    low, high = options["window"]
    largest = [anatomy.names.index(name) + 1 for name in about["largest_component"]]
    return {
        "imports": ["$import torch", "$import monai", "$import onnxruntime"],
        "bundle_root": ".",
        "image": "",
        "output_dir": "$@bundle_root + '/eval'",
        "device": "cpu",
        "session": "$onnxruntime.InferenceSession(@bundle_root + '/models/model.onnx', "
        "providers=['CPUExecutionProvider'])",
        "network_def": "$lambda x: monai.utils.convert_to_dst_type("
        "@session.run(None, {'image': x.cpu().numpy()})[0], x)[0]",
        "dataset": {
            "_target_": "Dataset",
            "data": ["$dict(image=@image)"],
            "transform": "@preprocessing",
        },
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1},
        "preprocessing": _composed(
            ("LoadImaged", "image", {"reader": "PydicomReader"}),
            ("EnsureChannelFirstd", "image", {}),
            ("EnsureTyped", "image", {"dtype": "float32"}),
            ("Orientationd", "image", {"axcodes": "RAS", "labels": None}),
            ("Spacingd", "image", {"pixdim": [options["spacing_mm"]] * 3, "mode": "bilinear"}),
            (
                "ScaleIntensityRanged",
                "image",
                {"a_min": low, "a_max": high, "b_min": 0.0, "b_max": 1.0, "clip": True},
            ),
        ),
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": [options["patch"]] * 3,
            "sw_batch_size": 1,
            "overlap": about["overlap"],
            "mode": "gaussian",
        },
        "postprocessing": _composed(
            (
                "Invertd",
                "pred",
                {
                    "transform": "@preprocessing",
                    "orig_keys": "image",
                    "nearest_interp": False,
                    "to_tensor": True,
                },
            ),
            ("AsDiscreted", "pred", {"argmax": True}),
            ("KeepLargestConnectedComponentd", "pred", {"applied_labels": largest}),
            (
                "SaveImaged",
                "pred",
                {
                    "output_dir": "@output_dir",
                    "output_postfix": config["name"],
                    "resample": False,
                    "separate_folder": False,
                },
            ),
        ),
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "$torch.device(@device)",
            "val_data_loader": "@dataloader",
            "network": "@network_def",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
        },
        "run": ["$@evaluator.run()"],
    }


def metadata_json(
    config: Mapping[str, Any], about: Mapping[str, Any], anatomy: Anatomy, onnx: Path
) -> dict[str, Any]:
    """Give configs/metadata.json: MONAI's fields and the node's `dicom` block."""
    shape = [config["data"]["options"]["patch"]] * 3
    names = dict(enumerate(("background", *anatomy.names)))
    tensor = {"type": "image", "spatial_shape": shape, "dtype": "float32", "is_patch_data": True}
    segments = [
        {
            "label": label,
            "name": segment.name,
            "category": {
                "value": "123037004", "scheme": "SCT", "meaning": "Anatomical Structure"
            },
            "type": {"value": segment.code, "scheme": "SCT", "meaning": segment.meaning},
            "rgb": list(segment.rgb),
            "measurements": about["measurements"],
        }
        for label, segment in enumerate(anatomy.segments, start=1)
    ]  # fmt: skip
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/"
        "0.8.1/meta_schema_20240725.json",
        "version": about["version"],
        "changelog": {about["version"]: "see CHANGELOG.md of radnode"},
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__.partition("+")[0],
        "numpy_version": np.__version__,
        "required_packages_version": {"onnxruntime": onnxruntime.__version__},
        **{key: about[key] for key in ("task", "description", "authors", "copyright")},
        "name": config["name"],
        "data_source": "see docs/README.md",
        "data_type": f"DICOM {about['modality']} series",
        "intended_use": about["intended_use"],
        "network_data_format": {
            "inputs": {
                "image": {
                    **tensor,
                    "format": "hounsfield",
                    "modality": about["modality"],
                    "num_channels": 1,
                    "value_range": [0, 1],
                    "channel_def": {"0": about["modality"]},
                }
            },
            "outputs": {
                "pred": {
                    **tensor,
                    "format": "segmentation",
                    "num_channels": len(names),
                    "value_range": [],
                    "channel_def": {str(k): v for k, v in names.items()},
                }
            },
        },
        "dicom": {
            "accept": {
                "Modality": [about["modality"]],
                "BodyPartExamined": about["body_parts"],
                "planes": about["planes"],
            },
            "orientation": "RAS",
            "spacing_mm": about["spacing_mm"],
            "minimum_slices": about["minimum_slices"],
            "segments": segments,
            "intended_use": "research",
            "weights": {"models/model.onnx": hashlib.sha256(onnx.read_bytes()).hexdigest()},
        },
    }


def _composed(*steps: tuple[str, str, dict[str, Any]]) -> dict[str, Any]:
    listed = [{"_target_": name, "keys": key, **rest} for name, key, rest in steps]
    return {"_target_": "Compose", "transforms": listed}


def _write(file: Path, content: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n")
