"""Networks that say what a picture shows: ResNet-50 in 2D, plain and with CBAM.

Input float32 [N, C, x, y] with sides of 32 or more, logits [N, K].
"""

from typing import Literal

from torch import nn

from models.networks.options import Options
from models.networks.torchvision_operators import declare_missing


class ResNet50Options(Options):
    """`dropout`: share of the pooled features that are dropped. `norm`: batch or group."""

    dropout: float = 0.0
    norm: Literal["batch", "group"] = "batch"


def resnet50(options: ResNet50Options) -> nn.Module:
    """Build a ResNet-50: 23.5 million weights with one channel and one class.

    Source: timm `resnet50`, after He et al., "Deep Residual Learning", CVPR 2016.
    """
    return _resnet50(options, {})


def resnet50_cbam(options: ResNet50Options) -> nn.Module:
    """Build a ResNet-50 with an attention block in each of its 16 units: 26 million weights.

    Source: timm `resnet50` and `timm.layers.cbam`, after Woo et al., "CBAM", ECCV 2018.
    """
    return _resnet50(options, {"attn_layer": "cbam"})


def _resnet50(options: ResNet50Options, unit: dict[str, str]) -> nn.Module:
    declare_missing()
    import timm

    return timm.create_model(
        "resnet50",
        pretrained=False,
        in_chans=options.in_channels,
        num_classes=options.out_channels,
        drop_rate=options.dropout,
        block_args=unit,
        norm_layer=_group_norm if options.norm == "group" else nn.BatchNorm2d,
    )


def _group_norm(channels: int, **_: object) -> nn.Module:
    """Normalise 32 groups of features of each image by itself."""
    return nn.GroupNorm(32, channels)
