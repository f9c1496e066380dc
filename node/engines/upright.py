"""Stands a leaning stack upright for a network, and brings its answer back to the planes as taken.

The slices of a tilted gantry are parallel, but each lies a little further along its rows or
columns than the one before, so that a network which reads them as a block sees sheared anatomy.
Each slice is moved back, by linear interpolation within its own plane: distances
between slices, and slices themselves, stay as they are. Room is added so that nothing is cut off.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray

LEAN = 2e-3
"""How far sideways for each millimetre up a stack counts as upright."""


@dataclass(frozen=True, slots=True)
class Upright:
    """The upright grid of a leaning stack.

    `affine` (4 x 4) maps its (slice, row, column, 1) to LPS millimetres, `shape` is its size;
    slice k of the stack lies there `shifts[k]` pixels down and across, [slices, 2].
    """

    affine: Array
    shape: tuple[int, int, int]
    shifts: Array

    def there(self, voxels: Array) -> Array:
        """Move the slices; around them is the lowest value that there is."""
        fill = voxels.min()
        moved = np.full(self.shape, fill, voxels.dtype)
        for place, image, shift in zip(moved, voxels, self.shifts, strict=True):
            self._put(place, image.astype(np.float32), shift, float(fill))
        return moved

    def back(self, found: Array) -> Array:
        """Bring [channels, slices, rows, columns] back, by the nearest neighbour.

        Labels cannot be interpolated; half a pixel is the most that one is off.
        """
        whole = np.rint(self.shifts).astype(int)
        rows, columns = (
            size - int(np.ceil(most)) - 1
            for size, most in zip(self.shape[1:], self.shifts.max(axis=0), strict=True)
        )
        taken = [
            found[:, k, down : down + rows, across : across + columns]
            for k, (down, across) in enumerate(whole)
        ]
        return np.stack(taken, axis=1)

    def _put(self, place: Array, image: Array, shift: Array, fill: float) -> None:
        begin = np.floor(shift).astype(int)
        for axis, part in enumerate(shift - begin):
            edge = [(0, 0), (0, 0)]
            edge[axis] = (1, 1)
            padded = np.pad(image, edge, constant_values=fill)
            before, after = (np.delete(padded, end, axis) for end in (-1, 0))
            image = before * np.float32(part) + after * np.float32(1 - part)
        rows, columns = image.shape
        if place.dtype.kind in "iu":
            image = np.rint(image)
        place[begin[0] : begin[0] + rows, begin[1] : begin[1] + columns] = image


def leans(affine: Array) -> bool:
    """Say whether the slices of a stack lie sideways of each other."""
    up, sideways = _apart(affine)
    return bool(np.linalg.norm(sideways) > LEAN * np.linalg.norm(up))


def upright_of(affine: Array, shape: tuple[int, ...]) -> Upright | None:
    """Give the upright grid of a stack, or None where it stands upright.

    Args:
        affine: 4 x 4, from (slice, row, column, 1) to LPS millimetres.
        shape: slices, rows, columns.
    """
    if not leans(affine):
        return None
    up, sideways = _apart(affine)
    in_plane = affine[:3, 1:3]
    step = np.linalg.lstsq(in_plane, sideways, rcond=None)[0]
    shifts = np.arange(shape[0])[:, None] * step
    first = np.minimum(shifts.min(axis=0), 0.0)
    shifts -= first
    down, across = (int(most) for most in np.ceil(shifts.max(axis=0)))
    standing = np.array(affine, np.float64)
    standing[:3, 0] = up
    standing[:3, 3] += in_plane @ first
    return Upright(standing, (shape[0], shape[1] + down + 1, shape[2] + across + 1), shifts)


def standing(voxels: Array, affine: Array) -> tuple[Array, Array]:
    """Give a volume and its affine as they are, or stood upright where nothing comes back."""
    grid = upright_of(affine, voxels.shape)
    return (voxels, affine) if grid is None else (grid.there(voxels), grid.affine)


def _apart(affine: Array) -> tuple[Array, Array]:
    """Give the way from a slice to the next, upright and sideways of that."""
    normal = np.cross(affine[:3, 1], affine[:3, 2])
    normal = normal / np.linalg.norm(normal)
    up = (affine[:3, 0] @ normal) * normal
    return up, affine[:3, 0] - up
