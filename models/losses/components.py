"""Organs that are in one piece: whatever is found away from the piece counts as wrong."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy import ndimage


class OneComponent:
    """One connected component: probability of a class away from its largest piece.

    The pieces are those of the hard answer (the likeliest class), of which nothing can be learnt;
    the gradient goes through the probabilities. A crop may cut an organ in two, so a piece that
    meets the reference of its class is none that has to go. A border of one voxel around a piece is
    left in peace: that is where an edge is soft.
    """

    def __init__(self, classes: Sequence[int]) -> None:
        """Take the numbers of classes that are in one piece.

        Raises:
            ValueError: there is none.
        """
        if not classes:
            raise ValueError("loss.anatomy.one_component: the table has no relations.one_component")
        self._classes = list(classes)

    def __call__(self, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """Give the share of probability away from the pieces, a mean over classes and images.

        A class that is the likeliest nowhere in an image counts as 0.
        """
        chances = logits.softmax(1)[:, self._classes]
        away = torch.from_numpy(self._away(logits, label)).to(chances)
        space = tuple(range(2, chances.ndim))
        mass = chances.sum(space).detach().clamp(min=1.0)
        return ((chances * away).sum(space) / mass).mean()

    def _away(self, logits: torch.Tensor, label: torch.Tensor) -> np.ndarray:
        """Give where each class must not be, as float32 0 and 1, [N, classes, x, y(, z)]."""
        found = logits.detach().argmax(1).cpu().numpy()
        truth = label[:, 0].cpu().numpy()
        away = np.zeros((len(found), len(self._classes), *found.shape[1:]), np.float32)
        for image in range(len(found)):
            for place, number in enumerate(self._classes):
                away[image, place] = _away(found[image] == number, truth[image] == number)
        return away


def _away(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Give what is farther than a voxel from every piece that may stay."""
    touching = ndimage.generate_binary_structure(found.ndim, found.ndim)
    pieces, number = ndimage.label(found, touching)
    if number == 0:
        return np.zeros(found.shape, bool)
    sizes = np.bincount(pieces.ravel(), minlength=number + 1)
    stays = np.bincount(pieces[truth], minlength=number + 1) > 0
    stays[1 + sizes[1:].argmax()] = True
    stays[0] = False
    kept: np.ndarray = ndimage.binary_dilation(stays[pieces], touching)
    return ~kept
