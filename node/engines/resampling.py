"""Moves grey values along the axes of a volume, a slice at a time if need be; NumPy alone.

Linear resampling between grids that lie along each other needs no more than one axis after the
other. A `Line` says for one axis where each voxel of the new grid looks: between two neighbours
of the old grid. Positions are clamped to the volume (MONAI's "border").
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray

SNAP = 1e-9
"""A step this close to a whole number of voxels is meant to be one."""


@dataclass(frozen=True, slots=True)
class Line:
    """Where the voxels of a new axis look: at `low`, or by `weight` on the way to `high`.

    `low` and `high` are indexes of the old axis; `weight` (float32, 0 to 1) is None where every
    voxel looks at exactly one old voxel.
    """

    low: Array
    high: Array
    weight: Array | None

    def __len__(self) -> int:
        """Give the number of voxels of the new axis."""
        return len(self.low)

    def is_same(self, size: int) -> bool:
        """Say whether the new axis is the old one, which has `size` voxels."""
        return (
            self.weight is None
            and len(self.low) == size
            and bool((self.low == np.arange(size)).all())
        )

    def flipped(self, size: int) -> "Line":
        """Give the same for an old axis that runs the other way; it has `size` voxels."""
        return Line(size - 1 - self.low, size - 1 - self.high, self.weight)

    def reversed(self) -> "Line":
        """Give the same for a new axis that runs the other way."""
        weight = None if self.weight is None else self.weight[::-1]
        return Line(self.low[::-1], self.high[::-1], weight)

    def begins_like(self, other: "Line") -> bool:
        """Say whether two new axes look at the same places, as far as the shorter goes.

        Their ends may differ, where the shorter one is clamped to a volume that ends there.
        """
        n = min(len(self), len(other)) - 1
        same = bool((self.low[:n] == other.low[:n]).all())
        ours, theirs = self.weights()[:n], other.weights()[:n]
        return same and bool((ours == theirs).all())

    def weights(self) -> Array:
        """Give the weights as numbers, 0 where each voxel looks at one old voxel."""
        return np.zeros(len(self), np.float32) if self.weight is None else self.weight


def linear(positions: Array, size: int) -> Line:
    """Look between voxels: `positions` in voxels of an axis that has `size` of them."""
    positions = np.clip(positions, 0, size - 1)
    low = np.floor(positions).astype(np.intp)
    weight = (positions - low).astype(np.float32)
    if not weight.any():
        return Line(low, low, None)
    return Line(low, np.minimum(low + 1, size - 1), weight)


def nearest(indexes: Array, size: int) -> Line:
    """Look at one voxel each: `indexes` are whole numbers, clamped to an axis of `size` voxels."""
    low = np.clip(indexes, 0, size - 1).astype(np.intp)
    return Line(low, low, None)


def snapped(value: float) -> float:
    """Take what rounding has left beside a whole number for that number."""
    whole = round(value)
    return float(whole) if abs(value - whole) < SNAP else float(value)


def along(array: Array, axis: int, line: Line) -> Array:
    """Resample one axis of an array; what is interpolated comes out as float32."""
    if line.is_same(array.shape[axis]):
        return array
    low = np.take(array, line.low, axis=axis)
    if line.weight is None:
        return low
    shape = [1] * array.ndim
    shape[axis] = len(line)
    return between(low, np.take(array, line.high, axis=axis), line.weight.reshape(shape))


def between(low: Array, high: Array, weight: Array | np.float32) -> Array:
    """Interpolate: low + (high - low) * weight, which leaves equal values exactly as they are."""
    out = np.subtract(high, low, dtype=np.float32)
    out *= weight
    out += low
    return out


def plane(values: Array, rows: Line, columns: Line) -> Array:
    """Resample one slice.

    Args:
        values: [rows, columns], of any type.
        rows: for the new rows.
        columns: for the new columns.

    Returns:
        [columns, rows], contiguous: whole rows are read, and the turn in between lets whole
        columns be read as rows too.
    """
    return along(np.ascontiguousarray(along(np.asarray(values), 0, rows).T), 0, columns)
