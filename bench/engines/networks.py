"""Six networks as they are met in practice, and toy tasks to train them on for a minute."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from monai.networks import nets


class Attention(torch.nn.Module):  # type: ignore[misc]
    """Attention over channels, then over places (CBAM)."""

    def __init__(self, channels: int) -> None:
        """Build it for so many channels."""
        super().__init__()
        self.channels = torch.nn.Sequential(
            torch.nn.Conv2d(channels, channels // 16, 1, bias=False),
            torch.nn.ReLU(),
            torch.nn.Conv2d(channels // 16, channels, 1, bias=False),
        )
        self.places = torch.nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Weigh [n, channels, x, y]."""
        mean, most = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        x = x * torch.sigmoid(self.channels(mean) + self.channels(most))
        seen = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return x * torch.sigmoid(self.places(seen))


class AttentiveResNet(torch.nn.Module):  # type: ignore[misc]
    """A ResNet-50 of two dimensions with attention after each stage."""

    def __init__(
        self, layers: Sequence[int] = (3, 4, 6, 3), planes: Sequence[int] = (64, 128, 256, 512)
    ) -> None:
        """Build it for three channels and two classes; by default it is a ResNet-50."""
        super().__init__()
        how = {"spatial_dims": 2, "n_input_channels": 3, "num_classes": 2}
        self.body = nets.ResNet("bottleneck", list(layers), list(planes), **how)
        self.attention = torch.nn.ModuleList(Attention(4 * c) for c in planes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Classify [n, 3, x, y]."""
        body = self.body
        x = body.maxpool(body.act(body.bn1(body.conv1(x))))
        stages = (body.layer1, body.layer2, body.layer3, body.layer4)
        for stage, attention in zip(stages, self.attention, strict=True):
            x = attention(stage(x))
        return body.fc(body.avgpool(x).flatten(1))


@dataclass(frozen=True)
class Network:
    """One network: how it is built, what it sees, and how it is trained a little."""

    build: Callable[[], Any]
    shape: tuple[int, ...]
    patch: int
    steps: int
    classifies: bool = False
    by_tracing: bool = False
    """Swin UNETR is written ten times as fast as ONNX by tracing."""


def _unet(width: int = 16) -> Any:
    channels, strides = tuple(width << i for i in range(5)), (2, 2, 2, 2)
    return nets.UNet(3, 1, 2, channels, strides, num_res_units=2, norm="batch")


def _dynunet(filters: Sequence[int] = (16, 32, 64, 128, 160)) -> Any:
    norm = ("INSTANCE", {"affine": True})
    sizes = ([3] * 5, [1, 2, 2, 2, 2], [2] * 4)
    return nets.DynUNet(3, 1, 2, *sizes, filters=list(filters), norm_name=norm)


def _segresnet(width: int = 16) -> Any:
    return nets.SegResNet(3, width, 1, 2, blocks_down=(1, 2, 2, 4), blocks_up=(1, 1, 1))


def _swin(width: int = 24, depths: Sequence[int] = (2, 2, 2, 2)) -> Any:
    how = {"in_channels": 1, "out_channels": 2, "spatial_dims": 3}
    return nets.SwinUNETR(feature_size=width, depths=tuple(depths), **how)


def _resnet(planes: Sequence[int] = (64, 128, 256, 512)) -> Any:
    how = {"spatial_dims": 3, "n_input_channels": 1, "num_classes": 2}
    return nets.ResNet("basic", [2, 2, 2, 2], list(planes), **how)


CUBE = (1, 1, 96, 96, 96)
NETWORKS = {
    "3D U-Net": Network(_unet, CUBE, 48, 120),
    "DynUNet": Network(_dynunet, CUBE, 48, 80),
    "SegResNet": Network(_segresnet, CUBE, 48, 80),
    "Swin UNETR": Network(_swin, CUBE, 64, 60, by_tracing=True),
    "3D ResNet-18": Network(_resnet, CUBE, 64, 60, classifies=True),
    "2D ResNet-50 CBAM": Network(AttentiveResNet, (1, 3, 224, 224), 96, 100, classifies=True),
}
QUICK = {
    "3D U-Net": Network(_unet, (1, 1, 32, 32, 32), 32, 2),
    "3D ResNet-18": Network(_resnet, (1, 1, 32, 32, 32), 32, 2, classifies=True),
}

LITTLE = (1, 1, 32, 32, 32)
SMALL = {
    "3D U-Net": Network(lambda: _unet(4), LITTLE, 32, 0),
    "DynUNet": Network(lambda: _dynunet((4, 8, 8, 8, 8)), LITTLE, 32, 0),
    "SegResNet": Network(lambda: _segresnet(8), LITTLE, 32, 0),
    "Swin UNETR": Network(
        lambda: _swin(12, (1, 1, 1, 1)), (1, 1, 64, 32, 32), 32, 0, by_tracing=True
    ),
    "3D ResNet-18": Network(lambda: _resnet((8, 16, 16, 32)), LITTLE, 32, 0, classifies=True),
    "2D ResNet-50 CBAM": Network(
        lambda: AttentiveResNet((1, 1, 1, 1), (16, 16, 32, 32)),
        (1, 3, 64, 64),
        64,
        0,
        classifies=True,
    ),
}
"""The same six, narrow, untrained, and on few voxels: for builders, which see layers, not sizes."""


def picture(
    shape: tuple[int, ...], chance: torch.Generator, *, classifies: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw bright ellipsoids on a noisy background; give image [1, c, …] and what is to be found.

    For a classifier every other picture has none, and what is to be found is whether there is one.
    """
    size = shape[2:]
    axes = torch.meshgrid(*[torch.arange(n) / n for n in size], indexing="ij")
    wanted = torch.zeros(size, dtype=torch.long)
    image = 0.3 * torch.sin(4 * axes[0] + 6 * torch.rand(1, generator=chance)) + 0.2 * axes[-1]
    there = not classifies or bool(torch.rand(1, generator=chance) < 0.5)
    for _ in range(4 if there else 0):
        middle = 0.8 * torch.rand(len(size), generator=chance) + 0.1
        radius = 0.15 * torch.rand(len(size), generator=chance) + 0.06
        inside = sum(((a - m) / r) ** 2 for a, m, r in zip(axes, middle, radius, strict=True)) < 1
        wanted[inside] = 1
        image[inside] = 1.0
    image = image + 0.25 * torch.randn(size, generator=chance)
    batch = image.expand(1, shape[1], *size).contiguous()
    return batch, torch.tensor([int(there)]) if classifies else wanted[None]
