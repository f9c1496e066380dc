"""CBAM in three dimensions: a network learns which features matter, and then where to look.

Source: Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018, whose two gates are
taken from the plane to the volume; there is no 3D one in MONAI or timm.
"""

import torch
from torch import nn


class ChannelGate(nn.Module):  # type: ignore[misc]
    """Weighs features: one small perceptron looks at the mean and at the greatest value of each."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        """Make the gate; the perceptron has channels / reduction hidden values, 4 at least."""
        super().__init__()
        hidden = max(4, channels // reduction)
        self.perceptron = nn.Sequential(
            nn.Conv3d(channels, hidden, 1, bias=False),
            nn.ReLU(),
            nn.Conv3d(hidden, channels, 1, bias=False),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Take features [N, C, x, y, z], give weights between 0 and 1, [N, C, 1, 1, 1]."""
        space = (2, 3, 4)
        mean = self.perceptron(features.mean(space, keepdim=True))
        greatest = self.perceptron(features.amax(space, keepdim=True))
        return torch.sigmoid(mean + greatest)


class SpaceGate(nn.Module):  # type: ignore[misc]
    """Weighs places: one convolution looks at the mean and the greatest value over all features."""

    def __init__(self, kernel: int = 7) -> None:
        """Make the gate; `kernel` is odd."""
        super().__init__()
        self.convolution = nn.Conv3d(2, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Take features [N, C, x, y, z], give weights between 0 and 1, [N, 1, x, y, z]."""
        seen = torch.cat([features.mean(1, keepdim=True), features.amax(1, keepdim=True)], 1)
        return torch.sigmoid(self.convolution(seen))


class CBAM3d(nn.Module):  # type: ignore[misc]
    """Both gates, one after the other."""

    def __init__(self, channels: int, reduction: int = 16, kernel: int = 7) -> None:
        """Make a block for features of so many channels."""
        super().__init__()
        self.channel = ChannelGate(channels, reduction)
        self.space = SpaceGate(kernel)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Take and give features [N, C, x, y, z]."""
        weighed: torch.Tensor = features * self.channel(features)
        return weighed * self.space(weighed)
