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


def orient(grid: Grid, axcodes: str) -> tuple[Grid, Undo]:
    """Permute and flip the axes to run towards `axcodes`, for example RAS."""
    order, flips = _towards(grid.affine, axcodes)
    shape = grid.voxels.shape[1:]
    move = np.zeros((4, 4))
    move[3, 3] = 1.0
    for axis, (source, flip) in enumerate(zip(order, flips, strict=True)):
        move[source, axis] = -1.0 if flip else 1.0
        move[source, 3] += (shape[source] - 1) if flip else 0.0
    axes = (0, *(source + 1 for source in order))
    back = tuple(np.argsort(axes))

    def flipped(array: Array) -> Array:
        return np.flip(array, tuple(axis + 1 for axis, flip in enumerate(flips) if flip))

    def undo(array: Array, nearest: bool) -> Array:  # noqa: ARG001, FBT001 - exact either way
        return flipped(array).transpose(back)

    voxels = np.ascontiguousarray(flipped(grid.voxels.transpose(axes)))
    return Grid(voxels, grid.affine @ move), undo


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
    target, sizes = _spaced(grid.affine, shape, pixdim)
    move = np.linalg.solve(grid.affine, target)
    if np.allclose(move, np.eye(4), atol=SAME) and sizes == shape:
        return grid, _left_alone
    back = np.linalg.inv(move)

    def undo(array: Array, nearest: bool) -> Array:  # noqa: FBT001
        return _by_matrix(array, back, shape, "nearest" if nearest else mode)

    return Grid(_by_matrix(grid.voxels, move, sizes, mode), target), undo


def _left_alone(array: Array, nearest: bool) -> Array:  # noqa: ARG001, FBT001
    return array


def _spaced(
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


def _by_matrix(array: Array, move: Array, sizes: Sequence[int], mode: str) -> Array:
    positions = [move[axis, 3] + move[axis, axis] * np.arange(n) for axis, n in enumerate(sizes)]
    if mode == "nearest":
        return _take(array, [np.rint(p) for p in positions])
    return _interpolate(array, positions)


def resize(
    grid: Grid, spatial_size: Sequence[int], mode: str, *, align_corners: bool = False
) -> tuple[Grid, Undo]:
    """Resample to a size in voxels, whatever spacing comes of it (MONAI's Resized)."""
    shape = grid.voxels.shape[1:]
    sizes = tuple(int(n) if n > 0 else old for n, old in zip(spatial_size, shape, strict=True))

    def undo(array: Array, nearest: bool) -> Array:  # noqa: FBT001
        chosen = "nearest" if nearest else mode
        return _resized(array, shape, chosen, align_corners=align_corners and not nearest)

    if align_corners:
        scale = (np.array(shape) - 1.0) / np.maximum(np.array(sizes) - 1.0, 1.0)
        move = np.diag([*scale, 1.0])
    else:
        scale = np.array(shape) / np.array(sizes)
        move = np.diag([*scale, 1.0])
        move[:3, 3] = (scale - 1.0) / 2.0
    voxels = _resized(grid.voxels, sizes, mode, align_corners=align_corners)
    return Grid(voxels, grid.affine @ move), undo


def _resized(array: Array, sizes: Sequence[int], mode: str, *, align_corners: bool) -> Array:
    """Resize the way torch's `interpolate` places voxels, in single precision like torch."""
    if array.shape[1:] == tuple(sizes):
        return array
    positions = []
    for old, new in zip(array.shape[1:], sizes, strict=True):
        index = np.arange(new, dtype=np.float32)
        scale = np.float32(old) / np.float32(new)
        if mode == "nearest":
            positions.append(np.floor(index * scale))
        elif mode == "nearest-exact":
            positions.append(np.floor((index + np.float32(0.5)) * scale))
        elif align_corners:
            positions.append(index * (np.float32(old - 1) / np.float32(max(new - 1, 1))))
        else:
            positions.append(scale * (index + np.float32(0.5)) - np.float32(0.5))
    if mode.startswith("nearest"):
        return _take(array, positions)
    return _interpolate(array, positions)


def _take(array: Array, positions: Sequence[Array]) -> Array:
    for axis, position in enumerate(positions, start=1):
        index = np.clip(position, 0, array.shape[axis] - 1).astype(np.intp)
        array = np.take(array, index, axis=axis)
    return array


def _interpolate(array: Array, positions: Sequence[Array]) -> Array:
    """Interpolate linearly, axis after axis; those that shrink most go first, it saves work."""
    by_growth = sorted(range(3), key=lambda axis: len(positions[axis]) / array.shape[axis + 1])
    for axis in by_growth:
        array = _along(array, axis + 1, positions[axis])
    return array


def _along(array: Array, axis: int, position: Array) -> Array:
    last = array.shape[axis] - 1
    position = np.clip(position, 0, last)
    low = np.floor(position).astype(np.intp)
    high = np.minimum(low + 1, last)
    weight = (position - low).astype(np.float32)
    shape = [1] * array.ndim
    shape[axis] = len(weight)
    weight = weight.reshape(shape)
    below = np.take(array, low, axis=axis).astype(np.float32, copy=False)
    below *= 1 - weight
    above = np.take(array, high, axis=axis).astype(np.float32, copy=False)
    above *= weight
    below += above
    return below
