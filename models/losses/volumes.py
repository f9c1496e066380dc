"""Organs that have a size: what is found is held against the least and the most that there is."""

from collections.abc import Mapping

import torch


class VolumeRange:
    """Volume priors: a hinge on the expected volume of each class.

    The expected volume is the sum of the probabilities. Above the highest it counts by
    1 - highest / volume, wherever the crop lies: a part cannot be larger than the whole. Below the
    lowest it counts by 1 - volume / lowest, where the whole organ is in the crop: the reference has
    it and it touches no face.
    """

    def __init__(self, ranges: Mapping[int, tuple[float, float]], voxel_ml: float) -> None:
        """Take the ranges.

        Args:
            ranges: number of a class -> lowest and highest volume in mL.
            voxel_ml: volume of a voxel in mL.

        Raises:
            ValueError: there is none.
        """
        if not ranges:
            raise ValueError("loss.anatomy.volume: the table has no segments with expected_ml")
        self._classes = list(ranges)
        self._lowest = torch.tensor([low for low, _ in ranges.values()])
        self._highest = torch.tensor([high for _, high in ranges.values()])
        self._voxel_ml = voxel_ml

    def __call__(self, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """Give the mean over classes and images, 0 to 1."""
        chances = logits.softmax(1)[:, self._classes]
        volumes = chances.flatten(2).sum(2) * self._voxel_ml
        lowest = self._lowest.to(volumes).clamp(min=1e-6)
        highest = self._highest.to(volumes)
        over = 1.0 - highest / torch.maximum(volumes, highest)
        under = 1.0 - torch.minimum(volumes, lowest) / lowest
        whole = torch.stack([_whole(label == number) for number in self._classes], 1)
        return (over + under * whole.to(under)).mean()


def _whole(there: torch.Tensor) -> torch.Tensor:
    """Tell for each image whether something is there and touches no face; [N, 1, x, y(, z)]."""
    inside = there
    for axis in range(2, there.ndim):
        inside = inside.narrow(axis, 1, there.shape[axis] - 2)
    space = tuple(range(1, there.ndim))
    everything = there.sum(space)
    return (everything > 0) & (inside.sum(space) == everything)
