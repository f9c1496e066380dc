"""Makes labels of a network's scores, and tidies them: largest piece, no holes.

The transforms are MONAI's (1.6.1) Activationsd, AsDiscreted, KeepLargestConnectedComponentd and
FillHolesd, on arrays [channels, x, y, z], without torch, scipy or scikit-image.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import SimpleITK

Array: TypeAlias = np.ndarray


def activate(scores: Array, *, softmax: bool = False, sigmoid: bool = False) -> Array:
    """Turn scores into probabilities, across channels (softmax) or each alone (sigmoid)."""
    if sigmoid:
        scores = 1.0 / (1.0 + np.exp(-scores))
    if softmax:
        grown = np.exp(scores - scores.max(axis=0, keepdims=True))
        scores = grown / grown.sum(axis=0, keepdims=True)
    return scores.astype(np.float32, copy=False)


def discretize(scores: Array, *, argmax: bool = False, threshold: float | None = None) -> Array:
    """Take the channel with the largest score, the first of equals; or hold against a threshold."""
    if argmax:
        scores = _argmax(scores)
    if threshold is not None:
        scores = (scores >= threshold).astype(np.uint8)
    return scores


def _argmax(scores: Array) -> Array:
    """Find the largest channel without numpy's slow walk along a short, far-strided axis."""
    best = np.zeros(scores.shape[1:], dtype=np.uint8 if len(scores) <= 256 else np.uint16)
    top = scores[0].copy()
    for channel in range(1, len(scores)):
        better = scores[channel] > top
        best[better] = channel
        np.maximum(top, scores[channel], out=top)
    return best[np.newaxis]


def keep_largest(
    labels: Array,
    applied_labels: Sequence[int] | None = None,
    *,
    independent: bool = True,
    connectivity: int | None = None,
    num_components: int = 1,
) -> Array:
    """Keep the largest connected piece of each label, or of all of them taken together.

    Args:
        labels: label map [1, x, y, z].
        applied_labels: the labels to look at; None for all but 0.
        independent: each label alone; else the labels' union.
        connectivity: 1 for voxels that share a face, None or 3 also an edge or a corner.
        num_components: how many of the largest pieces stay.
    """
    out = labels.copy()
    wanted = _wanted(labels, applied_labels)
    groups = [[label] for label in wanted] if independent else [wanted]
    for group in groups:
        foreground = np.isin(labels[0], group)
        kept = _largest(foreground, num_components, full=connectivity != 1)
        out[0][foreground & ~kept] = 0
    return out


def _wanted(labels: Array, applied_labels: Sequence[int] | None) -> list[int]:
    if applied_labels:
        return [int(label) for label in applied_labels if label != 0]
    return [int(label) for label in np.unique(labels) if label != 0]


def _largest(mask: Array, count: int, *, full: bool) -> Array:
    pieces = _pieces(mask, full=full)
    sizes = np.bincount(pieces.ravel())
    if len(sizes) - 1 <= count:
        return mask
    sizes[0] = 0
    stays = np.zeros(len(sizes), dtype=bool)
    stays[np.argsort(sizes)[::-1][:count]] = True
    return stays[pieces]


def _pieces(mask: Array, *, full: bool) -> Array:
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(mask, dtype=np.uint8))
    return SimpleITK.GetArrayFromImage(SimpleITK.ConnectedComponent(image, full))


def fill_holes(
    labels: Array, applied_labels: Sequence[int] | None = None, connectivity: int | None = None
) -> Array:
    """Give each label the voxels that it encloses; what touches the image's edge is no hole.

    Args:
        labels: label map [1, x, y, z].
        applied_labels: the labels to look at; None for all but 0.
        connectivity: what joins a hole to the outside: 1 faces only, None or 3 also edges and
            corners.
    """
    out = labels.copy()
    for label in _wanted(labels, applied_labels):
        around = np.pad(out[0] != label, 1, constant_values=True)
        pieces = _pieces(around, full=connectivity != 1)
        inside = (pieces != pieces[0, 0, 0])[1:-1, 1:-1, 1:-1]
        out[0][inside] = label
    return out
