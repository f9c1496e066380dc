"""Turns and resamples a volume for a network, and brings its answer back to the scanner's grid.

The transforms are MONAI's Orientationd, Spacingd and Resized (MONAI 1.6.1) without torch. Arrays
are [channels, x, y, z]; affines map voxel index to RAS millimetres, as MONAI's do. After turning
to axes along the grid, each of the three moves every axis on its own: output voxel k of an axis
looks at input position start + step * k, clamped to the image (MONAI's "border").
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from node.engines.resampling import Line, along, linear, nearest, snapped

Array: TypeAlias = np.ndarray
Undo: TypeAlias = Callable[[Array, bool], Array]
"""Takes an array off the moved grid to the grid before; True: by nearest neighbour, for labels."""

SAME = 1e-3
"""MONAI leaves a volume alone whose affine is this close to the wished one (AFFINE_TOL)."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A volume and where its voxels lie."""

    voxels: Array
    affine: Array


@dataclass(frozen=True, slots=True)
class Turn:
    """What Orientationd does: new axis k is old axis order[k], from its end where flips[k]."""

    order: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    affine: Array

    def there(self, array: Array) -> Array:
        """Turn [channels, x, y, z]; a view."""
        return self._flipped(array.transpose((0, *(source + 1 for source in self.order))))

    def back(self, array: Array) -> Array:
        """Turn back; a view."""
        return self._flipped(array).transpose((0, *(n + 1 for n in np.argsort(self.order))))

    def _flipped(self, array: Array) -> Array:
        return np.flip(array, tuple(axis + 1 for axis, flip in enumerate(self.flips) if flip))


def turned(affine: Array, shape: Sequence[int], axcodes: str) -> Turn:
    """Say how to permute and flip the axes of a volume to run towards `axcodes`."""
    order, flips = _towards(affine, axcodes)
    move = np.zeros((4, 4))
    move[3, 3] = 1.0
    for axis, (source, flip) in enumerate(zip(order, flips, strict=True)):
        move[source, axis] = -1.0 if flip else 1.0
        move[source, 3] += (shape[source] - 1) if flip else 0.0
    x, y, z = order
    return Turn((x, y, z), (flips[0], flips[1], flips[2]), affine @ move)


def orient(grid: Grid, axcodes: str) -> tuple[Grid, Undo]:
    """Permute and flip the axes to run towards `axcodes`, for example RAS."""
    turn = turned(grid.affine, grid.voxels.shape[1:], axcodes)

    def undo(array: Array, nearest: bool) -> Array:  # noqa: ARG001, FBT001 - exact either way
        return turn.back(array)

    return Grid(np.ascontiguousarray(turn.there(grid.voxels)), turn.affine), undo


def _towards(affine: Array, axcodes: str) -> tuple[list[int], list[bool]]:
    """Find for each wished axis which axis of the array it is, and whether it runs the other way.

    The array's axes are matched with the patient's by the nearest rotation, the clearest match
    first within each axis, as nibabel's `io_orientation` does.
    """
    rotation = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    left, _, right = np.linalg.svd(rotation)
    nearest = left @ right
    source_of = {}
    for source in range(3):
        patient = int(np.argmax(np.abs(nearest[:, source])))
        source_of[patient] = (source, nearest[patient, source] < 0)
        nearest[patient, :] = 0.0
    order, flips = [], []
    for letter in axcodes:
        source, negative = source_of["RAS".index(_opposite_or_same(letter))]
        order.append(source)
        flips.append(bool(negative) != (letter in "LPI"))
    return order, flips


def _opposite_or_same(letter: str) -> str:
    return {"L": "R", "P": "A", "I": "S"}.get(letter, letter)


def space(grid: Grid, pixdim: Sequence[float], mode: str = "bilinear") -> tuple[Grid, Undo]:
    """Resample to a voxel spacing in millimetres, along the image's own axes (MONAI's Spacingd)."""
    shape = grid.voxels.shape[1:]
    spacing = spaced(grid.affine, shape, pixdim)
    if spacing is None:
        return grid, _left_alone

    def undo(array: Array, nearest: bool) -> Array:  # noqa: FBT001
        chosen = "nearest" if nearest else mode
        return moved(array, [axis.back(chosen) for axis in spacing.axes])

    voxels = moved(grid.voxels, [axis.there(mode) for axis in spacing.axes])
    return Grid(voxels, spacing.affine), undo


def _left_alone(array: Array, nearest: bool) -> Array:  # noqa: ARG001, FBT001
    return array


def moved(array: Array, lines: Sequence[Line]) -> Array:
    """Resample [channels, x, y, z]; the axes that shrink most go first, it saves work."""
    by_growth = sorted(range(3), key=lambda axis: len(lines[axis]) / array.shape[axis + 1])
    for axis in by_growth:
        array = along(array, axis + 1, lines[axis])
    return array


@dataclass(frozen=True, slots=True)
class Spread:
    """One axis before and after Spacingd: new voxel k lies at start + step * k of the old ones."""

    start: float
    step: float
    old: int
    new: int

    def there(self, mode: str) -> Line:
        """Say where the new voxels look."""
        return _line(self.start + self.step * np.arange(self.new), self.old, mode)

    def back(self, mode: str) -> Line:
        """Say where the old voxels look among the new ones."""
        return _line((np.arange(self.old) - self.start) / self.step, self.new, mode)


def _line(positions: Array, size: int, mode: str) -> Line:
    if mode == "nearest":
        return nearest(np.rint(positions), size)
    return linear(positions, size)


@dataclass(frozen=True, slots=True)
class Spacing:
    """What Spacingd does to each axis, and the affine that comes of it."""

    axes: tuple[Spread, Spread, Spread]
    affine: Array


def spaced(affine: Array, shape: Sequence[int], pixdim: Sequence[float]) -> Spacing | None:
    """Say what Spacingd does to a volume; None when it leaves it alone.

    Args:
        affine: of the volume, to millimetres.
        shape: its size in voxels.
        pixdim: the wished spacing in millimetres.
    """
    target, sizes = _target(affine, shape, pixdim)
    move = np.linalg.solve(affine, target)
    if np.allclose(move, np.eye(4), atol=SAME) and sizes == tuple(shape):
        return None
    # the step must not depend, in its last digit, on where the volume lies
    steps = np.diag(np.linalg.solve(affine[:3, :3], target[:3, :3]))
    starts = np.linalg.solve(affine[:3, :3], target[:3, 3] - affine[:3, 3])
    x, y, z = (
        Spread(snapped(float(start)), snapped(float(step)), int(old), new)
        for start, step, old, new in zip(starts, steps, shape, sizes, strict=True)
    )
    return Spacing((x, y, z), target)


def _target(
    affine: Array, shape: Sequence[int], pixdim: Sequence[float]
) -> tuple[Array, tuple[int, ...]]:
    """Give the affine and size of the resampled grid: the same rotation, at the same place.

    The first voxels share their place. But when rounding has left the source's axes not quite at
    right angles, no corner comes first on all axes at once, and MONAI (`compute_shape_offset`)
    has the two grids share their middle instead; so do we.
    """
    scaled = affine[:3, :3]
    shear_free = np.linalg.cholesky(scaled.T @ scaled).T
    rotation = scaled @ np.linalg.inv(shear_free)
    target = np.eye(4)
    target[:3, :3] = rotation @ np.diag(np.sign(np.diag(shear_free)) * np.abs(pixdim))
    ends = np.array(list(itertools.product(*((0.0, n - 1.0) for n in shape)))).T
    there = (np.linalg.solve(target, affine) @ np.vstack([ends, np.ones(8)]))[:3]
    sizes = np.round(np.ptp(there, axis=1) + 1.0)
    first = (there - there[:, :1]).min(axis=1)
    if np.allclose(first, 0.0):
        target[:3, 3] = affine[:3, 3]
    else:
        middle = affine[:3, :3] @ (np.array(shape) / 2.0) + affine[:3, 3]
        target[:3, 3] = middle - target[:3, :3] @ (sizes / 2.0)
    return target, tuple(int(n) for n in sizes)


@dataclass(frozen=True, slots=True)
class Stretch:
    """One axis before and after Resized, in torch's `interpolate` and in its single precision."""

    old: int
    new: int
    aligned: bool = False

    def there(self, mode: str) -> Line:
        """Say where the new voxels look."""
        return _stretched(self.old, self.new, mode, aligned=self.aligned)

    def back(self, mode: str) -> Line:
        """Say where the old voxels look among the new ones."""
        return _stretched(self.new, self.old, mode, aligned=self.aligned)


def resize(
    grid: Grid, spatial_size: Sequence[int], mode: str, *, align_corners: bool = False
) -> tuple[Grid, Undo]:
    """Resample to a size in voxels, whatever spacing comes of it (MONAI's Resized)."""
    axes = stretched(grid.voxels.shape[1:], spatial_size, align_corners=align_corners)

    def undo(array: Array, nearest: bool) -> Array:  # noqa: FBT001
        return moved(array, [axis.back("nearest" if nearest else mode) for axis in axes])

    voxels = moved(grid.voxels, [axis.there(mode) for axis in axes])
    return Grid(voxels, stretched_affine(grid.affine, axes)), undo


def stretched_affine(affine: Array, axes: Sequence["Stretch"]) -> Array:
    """Give the affine of the resized volume."""
    old = np.array([axis.old for axis in axes], dtype=np.float64)
    new = np.array([axis.new for axis in axes], dtype=np.float64)
    if axes[0].aligned:
        return affine @ np.diag([*((old - 1.0) / np.maximum(new - 1.0, 1.0)), 1.0])
    move = np.diag([*(old / new), 1.0])
    move[:3, 3] = (old / new - 1.0) / 2.0
    return affine @ move


def stretched(
    shape: Sequence[int], spatial_size: Sequence[int], *, align_corners: bool
) -> tuple[Stretch, Stretch, Stretch]:
    """Say what Resized does to each axis; a size below 1 leaves an axis alone."""
    x, y, z = (
        Stretch(int(old), int(new) if new > 0 else int(old), align_corners)
        for old, new in zip(shape, spatial_size, strict=True)
    )
    return x, y, z


def _stretched(old: int, new: int, mode: str, *, aligned: bool) -> Line:
    index = np.arange(new, dtype=np.float32)
    if old == new:
        return nearest(index, old)
    scale = np.float32(old) / np.float32(new)
    if mode == "nearest":
        return nearest(np.floor(index * scale), old)
    if mode == "nearest-exact":
        return nearest(np.floor((index + np.float32(0.5)) * scale), old)
    if aligned:
        return linear(index * (np.float32(old - 1) / np.float32(max(new - 1, 1))), old)
    return linear(scale * (index + np.float32(0.5)) - np.float32(0.5), old)
