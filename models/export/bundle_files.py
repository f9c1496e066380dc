"""Writes the two files of a bundle that say what happens around its network, and what it is for."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import monai
import numpy as np
import onnxruntime
import torch

from models.data.anatomy import Anatomy, Segment

SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
    "meta_schema_20240725.json"
)
FOR_MONAI: Mapping[str, Any] = {
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
"""What MONAI needs to run the bundle by itself; the node reads none of it."""


def inference_json(
    config: Mapping[str, Any], about: Mapping[str, Any], anatomy: Anatomy
) -> dict[str, Any]:
    """Give configs/inference.json in MONAI's form."""
    options = config["data"]["options"]
    largest = [anatomy.names.index(name) + 1 for name in about["largest_component"]]
    return {
        **FOR_MONAI,
        "preprocessing": _before(options),
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": [options["patch"]] * 3,
            "sw_batch_size": 1,
            "overlap": about["overlap"],
            "mode": "gaussian",
        },
        "postprocessing": _after(config["name"], largest),
    }


def metadata_json(
    config: Mapping[str, Any], about: Mapping[str, Any], anatomy: Anatomy, onnx: Path
) -> dict[str, Any]:
    """Give configs/metadata.json: MONAI's fields and the node's `dicom` block."""
    return {
        "schema": SCHEMA,
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
        "network_data_format": _formats(config, about, anatomy),
        "dicom": {
            "accept": {
                "Modality": [about["modality"]],
                "BodyPartExamined": about["body_parts"],
                "planes": about["planes"],
            },
            "orientation": "RAS",
            "spacing_mm": about["spacing_mm"],
            "minimum_slices": about["minimum_slices"],
            "segments": [
                _segment(label, one, about["measurements"])
                for label, one in enumerate(anatomy.segments, start=1)
            ],
            "intended_use": "research",
            "weights": {"models/model.onnx": hashlib.sha256(onnx.read_bytes()).hexdigest()},
        },
    }


def _before(options: Mapping[str, Any]) -> dict[str, Any]:
    low, high = options["window"]
    values = {"a_min": low, "a_max": high, "b_min": 0.0, "b_max": 1.0, "clip": True}
    return _composed(
        ("LoadImaged", "image", {"reader": "PydicomReader"}),
        ("EnsureChannelFirstd", "image", {}),
        ("EnsureTyped", "image", {"dtype": "float32"}),
        ("Orientationd", "image", {"axcodes": "RAS", "labels": None}),
        ("Spacingd", "image", {"pixdim": [options["spacing_mm"]] * 3, "mode": "bilinear"}),
        ("ScaleIntensityRanged", "image", values),
    )


def _after(name: str, largest: list[int]) -> dict[str, Any]:
    back = {
        "transform": "@preprocessing",
        "orig_keys": "image",
        "nearest_interp": False,
        "to_tensor": True,
    }
    saved = {
        "output_dir": "@output_dir",
        "output_postfix": name,
        "resample": False,
        "separate_folder": False,
    }
    return _composed(
        ("Invertd", "pred", back),
        ("AsDiscreted", "pred", {"argmax": True}),
        ("KeepLargestConnectedComponentd", "pred", {"applied_labels": largest}),
        ("SaveImaged", "pred", saved),
    )


def _formats(
    config: Mapping[str, Any], about: Mapping[str, Any], anatomy: Anatomy
) -> dict[str, Any]:
    shape = [config["data"]["options"]["patch"]] * 3
    names = dict(enumerate(("background", *anatomy.names)))
    tensor = {"type": "image", "spatial_shape": shape, "dtype": "float32", "is_patch_data": True}
    image = {
        **tensor,
        "format": "hounsfield",
        "modality": about["modality"],
        "num_channels": 1,
        "value_range": [0, 1],
        "channel_def": {"0": about["modality"]},
    }
    pred = {
        **tensor,
        "format": "segmentation",
        "num_channels": len(names),
        "value_range": [],
        "channel_def": {str(k): v for k, v in names.items()},
    }
    return {"inputs": {"image": image}, "outputs": {"pred": pred}}


def _segment(label: int, segment: Segment, measurements: list[str]) -> dict[str, Any]:
    anatomical = {"value": "123037004", "scheme": "SCT", "meaning": "Anatomical Structure"}
    return {
        "label": label,
        "name": segment.name,
        "category": anatomical,
        "type": {"value": segment.code, "scheme": "SCT", "meaning": segment.meaning},
        "rgb": list(segment.rgb),
        "measurements": measurements,
    }


def _composed(*steps: tuple[str, str, dict[str, Any]]) -> dict[str, Any]:
    listed = [{"_target_": name, "keys": key, **rest} for name, key, rest in steps]
    return {"_target_": "Compose", "transforms": listed}
