"""Networks that say what a whole volume shows: 3D ResNet-18, and the same with CBAM.

Input float32 [N, C, x, y, z] with sides of 32 or more, logits [N, K].
"""

from typing import Literal

from monai.networks import nets
from pydantic import Field
from torch import nn

from models.networks.attention import CBAM3d
from models.networks.options import Options


class ResNet3dOptions(Options):
    """How wide the network is and how it normalises.

    `first_stride`: of the first convolution; 1 keeps small findings in small patches. `norm`: batch
    or group, the second where batches are small or several hospitals train together. `widen`: times
    64, 128, 256 and 512 features.
    """

    first_stride: int = Field(2, ge=1, le=2)
    norm: Literal["batch", "group"] = "batch"
    widen: float = Field(1.0, gt=0)


class CBAMResNet3dOptions(ResNet3dOptions):
    """The same, and those of the attention: see `models.networks.attention`."""

    reduction: int = Field(16, ge=1)
    kernel: Literal[3, 5, 7] = 7


def resnet18_3d(options: ResNet3dOptions) -> nn.Module:
    """Build a ResNet-18 for volumes: 33 million weights as it is.

    Source: MONAI `resnet18`, after He et al., "Deep Residual Learning", CVPR 2016, and Chen et al.,
    "Med3D", 2019.
    """
    network = nets.resnet18(
        spatial_dims=3,
        n_input_channels=options.in_channels,
        num_classes=options.out_channels,
        conv1_t_stride=options.first_stride,
        widen_factor=options.widen,
    )
    if options.norm == "group":
        _normalise_in_groups(network)
    return network


def cbam_resnet18_3d(options: CBAMResNet3dOptions) -> nn.Module:
    """Build a ResNet-18 for volumes with an attention block after each of its four stages.

    Source: ours, of MONAI's `resnet18` and `models.networks.attention`. Woo et al. put a block into
    every residual unit; after each stage it costs a quarter of the convolutions over space.
    """
    network = resnet18_3d(options)
    for number in range(1, 5):
        stage = getattr(network, f"layer{number}")
        block = CBAM3d(_width(stage), options.reduction, options.kernel)
        setattr(network, f"layer{number}", nn.Sequential(stage, block))
    return network


def _normalise_in_groups(network: nn.Module) -> None:
    """Replace batch norms: MONAI 1.6 has an option for it, which its four stages never see."""
    for layer in list(network.modules()):
        for name, child in layer.named_children():
            if isinstance(child, nn.BatchNorm3d):
                setattr(layer, name, nn.GroupNorm(8, child.num_features))


def _width(stage: nn.Module) -> int:
    """Give the number of features that a stage puts out: its last convolution's."""
    convolutions = [layer for layer in stage.modules() if isinstance(layer, nn.Conv3d)]
    widest: int = max(layer.out_channels for layer in convolutions)
    return widest
