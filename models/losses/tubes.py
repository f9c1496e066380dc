"""Vessels and other tubes: their middle line counts, so that a gap costs more than a thin wall."""

from collections.abc import Sequence

import torch
from monai.losses import SoftclDiceLoss


class Tubes:
    """clDice of the tubular classes, where the reference has them.

    Source: MONAI `SoftclDiceLoss`, after Shit et al., "clDice", CVPR 2021. It needs sides of 3
    voxels at least. Its skeleton is soft, so that thick tubes want many `iterations`, about half
    their width in voxels.
    """

    def __init__(self, classes: Sequence[int], iterations: int = 5) -> None:
        """Take the numbers of the tubular classes.

        Raises:
            ValueError: there is none.
        """
        if not classes:
            raise ValueError("loss.anatomy.cldice: the table has no segments that are tubular")
        self._classes = list(classes)
        self._loss = SoftclDiceLoss(iter_=iterations, reduction="mean")

    def __call__(self, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """Give 1 - clDice, a mean over classes and the images that have them; 0 where none does."""
        chances = logits.softmax(1)
        losses = []
        for number in self._classes:
            truth = (label == number).to(chances.dtype)
            there = truth.flatten(1).any(1)
            if there.any():
                found = chances[there, number : number + 1]
                losses.append(self._loss(found, truth[there]))
        return torch.stack(losses).mean() if losses else chances.sum() * 0.0
