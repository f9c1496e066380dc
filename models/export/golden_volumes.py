"""Makes a golden case of a segmentation: a real image, shrunk, and what MONAI finds in it.

The expected labels come from another road than the node's: MONAI's own transforms and inferer
around the PyTorch network, so that the case holds the exported network and the node's pipeline
against them at once.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor

VOLUME_MARGIN = 0.01
LEAST_DICE = 0.995
FILES_ONLY = ("LoadImaged", "EnsureChannelFirstd", "SaveImaged")


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """Voxels [slices, rows, columns] (int16), affine to LPS millimetres, labels, segment names."""

    voxels: np.ndarray
    affine: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]

    def volumes_ml(self) -> dict[str, float]:
        """Give the volume of each segment that is there."""
        voxel = abs(float(np.linalg.det(self.affine[:3, :3]))) / 1000
        counts = np.bincount(self.labels.ravel(), minlength=len(self.names) + 1)
        found = zip(self.names, counts[1:], strict=False)
        return {name: float(count) * voxel for name, count in found if count}

    def write(self, folder: Path, origin: str) -> None:
        """Write the case where the node looks for it (`golden/cases.json`)."""
        np.savez_compressed(folder / "image.npz", voxels=self.voxels, affine=self.affine)
        np.savez_compressed(folder / "labels.npz", labels=self.labels)
        volumes = self.volumes_ml()
        case = {
            "input": "image.npz",
            "origin": f"{origin}; shrunk",
            "volumes_ml": {
                name: [round(v * (1 - VOLUME_MARGIN), 1), round(v * (1 + VOLUME_MARGIN), 1)]
                for name, v in volumes.items()
            },
            "labels": "labels.npz",
            "minimum_dice": dict.fromkeys(volumes, LEAST_DICE),
        }
        (folder / "cases.json").write_text(json.dumps({"cases": [case]}, indent=2) + "\n")


def golden_case(
    image: SimpleITK.Image,
    step: Sequence[int],
    network: torch.nn.Module,
    inference: Mapping[str, Any],
    names: tuple[str, ...],
) -> Golden:
    """Shrink an image and have MONAI find segments in it.

    Args:
        image: real, and free to be given away.
        step: how many voxels become one, along x, y and z.
        network: in PyTorch, [1, 1, x, y, z] to scores.
        inference: the bundle's configs/inference.json.
        names: of the segments, by label from 1.
    """
    small = SimpleITK.BinShrink(SimpleITK.Cast(image, SimpleITK.sitkFloat32), list(step))
    steps = np.array(small.GetDirection()).reshape(3, 3) * small.GetSpacing()
    affine = np.eye(4)
    affine[:3, :3] = steps[:, ::-1]  # SimpleITK counts columns first, we count slices first
    affine[:3, 3] = small.GetOrigin()
    voxels = np.rint(SimpleITK.GetArrayFromImage(small)).astype(np.int16)
    return Golden(voxels, affine, by_monai(voxels, affine, network, inference), names)


def by_monai(
    voxels: np.ndarray, affine: np.ndarray, network: torch.nn.Module, inference: Mapping[str, Any]
) -> np.ndarray:
    """Give the labels (uint8, as `voxels`) that MONAI's transforms and inferer find.

    Args:
        voxels: [slices, rows, columns].
        affine: from these to LPS millimetres.
        network: in PyTorch.
        inference: configuration whose `preprocessing`, `inferer`, `postprocessing` are used.
    """
    parser = ConfigParser()
    parser.read_config({k: inference[k] for k in ("preprocessing", "inferer", "postprocessing")})
    for room in ("preprocessing", "postprocessing"):
        parser.config[room]["transforms"] = [
            step for step in inference[room]["transforms"] if step["_target_"] not in FILES_ONLY
        ]
    parser.parse()
    to_ras = torch.from_numpy(np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)
    data = {"image": MetaTensor(torch.from_numpy(voxels[np.newaxis].astype(np.float32)), to_ras)}
    data = parser.get_parsed_content("preprocessing")(data)
    with torch.inference_mode():
        inferer = parser.get_parsed_content("inferer")
        scores = inferer(inputs=data["image"][None].as_tensor(), network=network)[0]
    data["pred"] = MetaTensor(scores).copy_meta_from(data["image"])
    found = parser.get_parsed_content("postprocessing")(data)["pred"].numpy()[0]
    if found.shape != voxels.shape:
        raise ValueError(f"MONAI left the labels in {found.shape}, the image has {voxels.shape}")
    return found.astype(np.uint8)
