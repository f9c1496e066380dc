"""Feeds a volume to a network: whole, or window by window where it is larger than the network.

The inferers are MONAI's SimpleInferer and SlidingWindowInferer (1.6.1): the same windows, the same
weights where they overlap. Arrays are [channels, x, y, z] of float32.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray
Predict: TypeAlias = Callable[[Array], Array]
"""From a batch [n, channels, x, y, z] to scores, [n, channels, x, y, z] or [n, classes]."""


def infer(image: Array, predict: Predict, name: str, arguments: Mapping[str, Any]) -> Array:
    """Run the network the way the bundle's inferer says.

    Args:
        image: [channels, x, y, z].
        predict: the network.
        name: SimpleInferer or SlidingWindowInferer.
        arguments: as in the bundle, already known to be ones that we can do.
    """
    if name == "SimpleInferer":
        return predict(image[np.newaxis])[0]
    chosen: dict[str, Any] = {"overlap": 0.25, "mode": "constant", "sigma_scale": 0.125}
    chosen.update(arguments)
    return slide(image, predict, chosen)


def slide(image: Array, predict: Predict, arguments: Mapping[str, Any]) -> Array:
    """Run the network over overlapping windows and average what they say.

    Args:
        image: [channels, x, y, z]; an image smaller than a window is padded with `cval`.
        predict: the network; its answer has the window's size.
        arguments: roi_size, overlap, mode, sigma_scale, sw_batch_size, cval.
    """
    shape = image.shape[1:]
    roi = tuple(int(r) if r > 0 else n for r, n in zip(arguments["roi_size"], shape, strict=True))
    padding = [
        (max(r - n, 0) // 2, -(-max(r - n, 0) // 2)) for r, n in zip(roi, shape, strict=True)
    ]
    cval = float(arguments.get("cval", 0.0))
    padded = np.pad(image, [(0, 0), *padding], constant_values=cval)
    weights = importance(roi, arguments["mode"], float(arguments["sigma_scale"]))
    windows = window_slices(padded.shape[1:], roi, float(arguments["overlap"]))
    batch = int(arguments.get("sw_batch_size", 1))
    total: Array | None = None
    count = np.zeros(padded.shape[1:], dtype=np.float32)
    for first in range(0, len(windows), batch):
        some = windows[first : first + batch]
        scores = predict(np.stack([padded[(slice(None), *window)] for window in some]))
        if total is None:
            total = np.zeros((scores.shape[1], *padded.shape[1:]), dtype=np.float32)
        for window, score in zip(some, scores, strict=True):
            total[(slice(None), *window)] += score * weights
            count[window] += weights
    assert total is not None  # noqa: S101 - there is always one window
    total /= count
    inner = tuple(slice(low, low + n) for (low, _), n in zip(padding, shape, strict=True))
    return total[(slice(None), *inner)]


def window_slices(
    shape: Sequence[int], roi: Sequence[int], overlap: float
) -> list[tuple[slice, slice, slice]]:
    """List the windows: from 0 in even steps, the last one moved back to end with the image."""
    starts = []
    for n, r in zip(shape, roi, strict=True):
        step = r if r == n else max(int(r * (1 - overlap)), 1)
        count = max(-(-(n - r) // step), 0) + 1
        starts.append([min(i * step, n - r) for i in range(count)])
    x, y, z = roi
    return [
        (slice(i, i + x), slice(j, j + y), slice(k, k + z))
        for i, j, k in itertools.product(*starts)
    ]


def importance(roi: Sequence[int], mode: str, sigma_scale: float) -> Array:
    """Say how much each voxel of a window counts: all the same, or less towards its edges."""
    if mode == "constant":
        return np.ones(roi, dtype=np.float32)
    weights = np.ones((), dtype=np.float32)
    for n in roi:
        offset = np.arange(n, dtype=np.float32) - np.float32((n - 1) / 2)
        sigma = n * sigma_scale
        weights = weights[..., np.newaxis] * np.exp(-(offset**2) / np.float32(2 * sigma**2))
    return np.maximum(weights, max(float(weights.min()), 1e-3)).astype(np.float32)
