"""Organs that never touch, and findings that lie within an organ: constraints on neighbours.

Both work on probabilities that are spread by a voxel or more (greatest value of the neighbourhood,
the dilation of a soft mask), and give a share between 0 and 1 of the probability that is where it
must not be. The share is taken of a sum that has no gradient, so nothing is gained by growing.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional


def spread(chances: torch.Tensor, voxels: int = 1) -> torch.Tensor:
    """Dilate soft masks by a cube: greatest value within so many voxels, one axis after the other.

    Args:
        chances: [N, K, x, y(, z)], 0 to 1.
        voxels: how far.

    Returns:
        The same shape.
    """
    dims = chances.ndim - 2
    pool = functional.max_pool3d if dims == 3 else functional.max_pool2d
    for axis in range(dims):
        size = [1 + 2 * voxels * (axis == i) for i in range(dims)]
        chances = pool(chances, size, stride=1, padding=[voxels * (axis == i) for i in range(dims)])
    return chances


class NeverTouch:
    """Adjacency: probability of one class beside probability of another that it never touches.

    For each pair, the mean of sum(p_a * spread(p_b)) and sum(p_b * spread(p_a)) is divided by
    sum(p_a + p_b). After Ganaye et al., "Removing segmentation inconsistencies with semi-supervised
    non-adjacency constraint", Medical Image Analysis 2019, with products of dilated masks for its
    matrix of contacts.
    """

    def __init__(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Take pairs of class numbers.

        Raises:
            ValueError: there is none.
        """
        if not pairs:
            raise ValueError("loss.anatomy.adjacency: the table has no relations.never_touch")
        self._classes = sorted({number for pair in pairs for number in pair})
        place = {number: i for i, number in enumerate(self._classes)}
        self._first = [place[a] for a, _ in pairs]
        self._second = [place[b] for _, b in pairs]

    def __call__(
        self,
        logits: torch.Tensor,
        label: torch.Tensor,  # noqa: ARG002 - every term takes it
    ) -> torch.Tensor:
        """Give the mean over pairs and images; the reference `label` is not looked at."""
        chances = logits.softmax(1)[:, self._classes]
        near = spread(chances)
        space = tuple(range(2, chances.ndim))
        one, other = chances[:, self._first], chances[:, self._second]
        contact = (one * near[:, self._second] + other * near[:, self._first]).sum(space) / 2
        mass = (one + other).sum(space).detach()
        return (contact / mass.clamp(min=1.0)).mean()


class Containment:
    """Containment: probability of a class that is not near the classes which hold it.

    For each rule, sum(p_inner * (1 - near)) / sum(p_inner), where `near` is the sum of the outer
    classes' probabilities, spread by so many voxels and by what the reference holds of `inner`
    there, so that the middle of a big inner one is not far from its container. The container has no
    gradient: it is the finding that moves, not the organ.
    """

    def __init__(self, rules: Sequence[tuple[int, Sequence[int], int]]) -> None:
        """Take rules: number of the inner class, numbers of the outer ones, distance in voxels.

        Raises:
            ValueError: there is none.
        """
        if not rules:
            raise ValueError("loss.anatomy.containment: the table has no relations.within")
        self._rules = [(inner, list(outer), voxels) for inner, outer, voxels in rules]

    def __call__(self, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """Give the mean over rules and images."""
        chances = logits.softmax(1)
        space = tuple(range(1, chances.ndim - 1))
        shares = []
        for inner, outer, voxels in self._rules:
            holder = chances[:, outer].detach().sum(1, keepdim=True).clamp(max=1.0)
            rightly = (label == inner).to(chances.dtype)
            near = torch.maximum(spread(holder, voxels), rightly)[:, 0]
            found = chances[:, inner]
            mass = found.sum(space).detach().clamp(min=1.0)
            shares.append((found * (1 - near)).sum(space) / mass)
        return torch.stack(shares).mean()
