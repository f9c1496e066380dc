"""Feeds a volume to a network: whole, or window by window where it is larger than the network.

The inferers are MONAI's SimpleInferer and SlidingWindowInferer (1.6.1): the same windows, the same
weights where they overlap. Arrays are [channels, x, y, z] of float32.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from node.engines.windows import Blend, Layout, NotNumbersError, Predict

Array: TypeAlias = np.ndarray

__all__ = ["Layout", "NotNumbersError", "Predict", "infer", "padded", "slide"]

AT_ONCE = 16
"""So many planes are divided by their weights at once: few enough to stay in the CPU's cache."""


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
    return slide(image, predict, Layout.of(arguments))


def slide(image: Array, predict: Predict, layout: Layout, grey: Array | None = None) -> Array:
    """Run the network over overlapping windows and average what they say.

    Args:
        image: [1, x, y, z]; an image smaller than a window is padded as the layout says.
        predict: the network; its answer has the window's size.
        layout: how the windows lie.
        grey: [x, y, z], with `skip` or `box`: the image before its intensities were scaled.
    """
    layout = whole_axes(layout, image.shape[1:])
    margins = padded(layout.roi, image.shape[1:])
    room = (
        np.pad(image[0], margins, mode="edge")
        if layout.by_edge
        else np.pad(image[0], margins, constant_values=layout.cval)
    )
    shown = None if grey is None else np.pad(grey, margins, mode="edge")
    blend = Blend(layout, predict, room.shape, axis=0)
    scores: list[Array] = []
    for start in [*layout.starts(0, room.shape[0]), room.shape[0]]:
        while blend.done < start:
            scores.append(blend.take(min(blend.done + AT_ONCE, start)))
        if start < room.shape[0]:
            layer = slice(start, start + layout.roi[0])
            blend.run(start, room[layer], None if shown is None else shown[layer])
    inner = [slice(low, low + n) for (low, _), n in zip(margins, image.shape[1:], strict=True)]
    return np.concatenate(scores, axis=1)[(slice(None), *inner)]


def whole_axes(layout: Layout, shape: Sequence[int]) -> Layout:
    """Have windows span the axes for which the bundle gives a size of 0 or below."""
    x, y, z = (r if r > 0 else int(n) for r, n in zip(layout.roi, shape, strict=True))
    return replace(layout, roi=(x, y, z))


def padded(roi: Sequence[int], shape: Sequence[int]) -> list[tuple[int, int]]:
    """Say how many voxels go before and behind each axis for it to hold a window."""
    lacking = [max(r - n, 0) for r, n in zip(roi, shape, strict=True)]
    return [(n // 2, n - n // 2) for n in lacking]
