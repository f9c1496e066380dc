"""Random places and smooth fields in a cube: what deformations, lesions and views are made of."""

import numpy as np
import torch
from torch.nn import functional


def smooth_field(chance: np.random.Generator, size: int, knots: int, channels: int) -> torch.Tensor:
    """Give a smooth random field of unit strength, float32 [channels, size, size, size]."""
    coarse = torch.from_numpy(chance.standard_normal((1, channels, knots, knots, knots)))
    return functional.interpolate(
        coarse.float(), size=(size,) * 3, mode="trilinear", align_corners=True
    )[0]


def ball(size: int, middle: np.ndarray, radii: np.ndarray, edge: float = 0.25) -> torch.Tensor:
    """Give an ellipsoid with a soft edge, float32 [size, size, size] from 0 to 1.

    Args:
        size: of the cube in voxels.
        middle: of the ellipsoid, in voxels [3].
        radii: along x, y, z in voxels [3].
        edge: width of the edge as a share of the radius.
    """
    axes = [
        ((torch.arange(size) - float(m)) / float(r)) ** 2
        for m, r in zip(middle, radii, strict=True)
    ]
    far = (axes[0][:, None, None] + axes[1][None, :, None] + axes[2][None, None, :]).sqrt()
    return ((1 + edge - far) / (2 * edge)).clamp(0, 1)


def turned(chance: np.random.Generator, degrees: float, stretch: tuple[float, float]) -> np.ndarray:
    """Give a random rotation about all axes times a stretch along each, float64 [3, 3]."""
    angles = np.deg2rad(chance.uniform(-degrees, degrees, 3))
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        one = np.eye(3)
        a, b = [n for n in range(3) if n != axis]
        one[a, a] = one[b, b] = np.cos(angle)
        one[a, b], one[b, a] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ one
    size = np.exp(chance.uniform(np.log(stretch[0]), np.log(stretch[1])))
    each = np.exp(chance.uniform(np.log(0.88), np.log(1.14), 3))
    return matrix @ np.diag(size * each)
