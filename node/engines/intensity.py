"""Brings grey values to the range that a network was trained on.

The transforms are MONAI's (1.6.1) of the same name, on arrays [channels, x, y, z] of float32,
with MONAI's defaults and MONAI's order of operations.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray


def scale_intensity(
    image: Array,
    minv: float | None = 0.0,
    maxv: float | None = 1.0,
    factor: float | None = None,
    *,
    channel_wise: bool = False,
) -> Array:
    """Scale smallest and largest value to `minv` and `maxv`, or multiply by 1 + `factor`."""
    if minv is None and maxv is None:
        return image * np.float32(1.0 + factor) if factor is not None else image
    if channel_wise:
        return np.stack([_rescaled(channel, minv, maxv) for channel in image])
    return _rescaled(image, minv, maxv)


def _rescaled(image: Array, minv: float | None, maxv: float | None) -> Array:
    low, high = image.min(), image.max()
    if low == high:
        return image * np.float32(minv) if minv is not None else image
    scaled = (image - low) / (high - low)
    if minv is None or maxv is None:
        return scaled
    return scaled * np.float32(maxv - minv) + np.float32(minv)


def scale_range(
    image: Array,
    ends: tuple[float, float],
    b_min: float | None = None,
    b_max: float | None = None,
    *,
    clip: bool = False,
) -> Array:
    """Map the values `ends` to `b_min` and `b_max`, and with `clip` go no further."""
    a_min, a_max = np.float32(ends[0]), np.float32(ends[1])
    if a_max - a_min == 0:
        return image - a_min + np.float32(b_min or 0.0)
    scaled = (image - a_min) / (a_max - a_min)
    if b_min is not None and b_max is not None:
        scaled = scaled * np.float32(b_max - b_min) + np.float32(b_min)
    if clip and (b_min is not None or b_max is not None):
        scaled = np.clip(scaled, b_min, b_max)
    return scaled


def scale_percentiles(
    image: Array,
    percentiles: tuple[float, float],
    b_min: float | None,
    b_max: float | None,
    *,
    clip: bool = False,
    channel_wise: bool = False,
) -> Array:
    """Map the values at two percentiles (0..100) to `b_min` and `b_max`."""
    if channel_wise:
        parts = [
            scale_percentiles(channel, percentiles, b_min, b_max, clip=clip) for channel in image
        ]
        return np.stack(parts)
    low, high = np.percentile(image, percentiles)
    return scale_range(image, (float(low), float(high)), b_min, b_max, clip=clip)


def normalize(
    image: Array,
    subtrahend: float | Sequence[float] | None = None,
    divisor: float | Sequence[float] | None = None,
    *,
    nonzero: bool = False,
    channel_wise: bool = False,
) -> Array:
    """Subtract the mean and divide by the standard deviation, or by the numbers given.

    With `nonzero`, voxels of value 0 are neither counted nor changed. With `channel_wise` each
    channel is taken for itself, and numbers may be given for each.

    Raises:
        ValueError: there are not as many numbers as channels.
    """
    if not channel_wise:
        (low,), (wide,) = (_for_each(one, 1) for one in (subtrahend, divisor))
        return _normalized(image, low, wide, nonzero=nonzero)
    numbers = [_for_each(one, len(image)) for one in (subtrahend, divisor)]
    every = zip(image, *numbers, strict=True)
    return np.stack([_normalized(*one, nonzero=nonzero) for one in every])


def _for_each(numbers: float | Sequence[float] | None, count: int) -> list[float | None]:
    """Give a number for each channel."""
    if numbers is None or isinstance(numbers, (int, float)):
        return [numbers] * count
    if len(numbers) != count:
        raise ValueError(f"{len(numbers)} numbers to normalise {count} channels by")
    return list(numbers)


def _normalized(
    image: Array, subtrahend: float | None, divisor: float | None, *, nonzero: bool
) -> Array:
    chosen = image[image != 0] if nonzero else image
    if not chosen.size:
        return image
    mean = np.float32(chosen.mean(dtype=np.float64) if subtrahend is None else subtrahend)
    spread = np.float32(chosen.std(dtype=np.float64) if divisor is None else divisor)
    spread = spread if spread != 0 else np.float32(1.0)
    if not nonzero:
        return (image - mean) / spread
    out = image.copy()
    out[image != 0] = (chosen - mean) / spread
    return out
