"""Counts what anatomy forbids in a label map: loose pieces, contacts, volumes that cannot be."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from models.data.anatomy import Anatomy


def loose_pieces(found: np.ndarray, truth: np.ndarray, wanted: Sequence[int]) -> int:
    """Give how many pieces there are beyond those of the reference, which the view may have cut.

    Args:
        found: class of each voxel, [x, y, z].
        truth: the reference, the same shape.
        wanted: numbers of classes that are in one piece.
    """
    more = [_pieces(found == one) - max(1, _pieces(truth == one)) for one in wanted]
    return sum(max(0, number) for number in more)


def forbidden_contacts(found: np.ndarray, pairs: Sequence[tuple[int, int]]) -> int:
    """Give how many faces lie between voxels of classes that never touch."""
    touching = 0
    for axis in range(found.ndim):
        one = np.moveaxis(found, axis, 0)
        here, next_ = one[:-1], one[1:]
        for a, b in pairs:
            touching += int(((here == a) & (next_ == b)).sum() + ((here == b) & (next_ == a)).sum())
    return touching


def implausible_volumes(
    found: np.ndarray, truth: np.ndarray, anatomy: Anatomy, voxel_ml: float
) -> tuple[int, int]:
    """Give how many organs have a volume that none has, and how many were looked at.

    Only organs count whose reference has a plausible volume in this view.
    """
    wrong = seen = 0
    for number, segment in enumerate(anatomy.segments, start=1):
        low, high = segment.expected_ml
        if low <= (truth == number).sum() * voxel_ml <= high:
            seen += 1
            wrong += not low <= (found == number).sum() * voxel_ml <= high
    return wrong, seen


def largest_pieces(found: np.ndarray, wanted: Sequence[int]) -> np.ndarray:
    """Leave of each class that is in one piece its largest; the rest becomes background."""
    kept = found.copy()
    for one in wanted:
        pieces, number = ndimage.label(found == one)
        if number > 1:
            sizes = np.bincount(pieces.ravel())
            kept[(pieces > 0) & (pieces != 1 + sizes[1:].argmax())] = 0
    return kept


def mean_dice(found: np.ndarray, truth: np.ndarray, classes: int) -> float:
    """Give the mean Dice of the classes that the reference has; NaN where it has none."""
    each = []
    for number in range(1, classes):
        a, b = found == number, truth == number
        if b.any():
            each.append(2.0 * float((a & b).sum()) / float(a.sum() + b.sum()))
    return float(np.mean(each)) if each else float("nan")


def _pieces(mask: np.ndarray) -> int:
    return int(ndimage.label(mask)[1])
