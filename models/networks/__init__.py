"""The networks of the workshop: `build("unet", {...})` makes any of them.

All take float32 images [N, C, x, y, z] (or [N, C, x, y]) and give logits: of each voxel, [N, K, x,
y, z], for a segmentation; of the whole image, [N, K], for a classification. None of them
normalises its input or ends in a softmax.
"""

import importlib
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from torch import nn

__all__ = ["NETWORKS", "build", "decided_by_data"]

NETWORKS = {
    "unet": "models.networks.segmenting:unet",
    "dynunet": "models.networks.segmenting:dynunet",
    "swin_unetr": "models.networks.segmenting:swin_unetr",
    "resnet18_3d": "models.networks.classifying:resnet18_3d",
    "cbam_resnet18_3d": "models.networks.classifying:cbam_resnet18_3d",
    "resnet50": "models.networks.pictures:resnet50",
    "resnet50_cbam": "models.networks.pictures:resnet50_cbam",
}
"""Name of a network -> module:function that builds it of its options."""


def build(name: str, options: Mapping[str, Any]) -> nn.Module:
    """Build a network, with random weights.

    Args:
        name: one of `NETWORKS`.
        options: `in_channels`, `out_channels` and what else its options have; `spatial_dims` where
            it may be 2 or 3.

    Raises:
        ValueError: there is no such network, or an option is unknown, missing or wrong; the text
            names it.
    """
    builder, kind = _found(name)
    try:
        built: nn.Module = builder(kind(**options))
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise ValueError(f"network.options of {name}: {'; '.join(wrong)}") from error
    return built


def decided_by_data(name: str, image_shape: tuple[int, ...], classes: int) -> dict[str, int]:
    """Give the options that are no choice: channels, classes, and dimensions if it has both.

    Args:
        name: one of `NETWORKS`.
        image_shape: of one image, [C, x, y(, z)].
        classes: how many there are, with the background.

    Raises:
        ValueError: there is no such network.
    """
    decided = {"in_channels": image_shape[0], "out_channels": classes}
    if "spatial_dims" in _found(name)[1].model_fields:
        decided["spatial_dims"] = len(image_shape) - 1
    return decided


def _found(name: str) -> tuple[Any, type[BaseModel]]:
    if name not in NETWORKS:
        raise ValueError(f"no network is called {name}; there are {', '.join(NETWORKS)}")
    module, _, function = NETWORKS[name].partition(":")
    builder = getattr(importlib.import_module(module), function)
    return builder, typing.get_type_hints(builder)["options"]
