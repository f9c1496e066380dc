"""MONAI's transforms by name, as what they do to the numbers (`node.bundles.recognised` has them).

Arrays are [channels, x, y, z] of float32; a picture is a volume of one slice.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from node.engines import intensity, labels, spatial
from node.engines.spatial import Grid, Undo

Array: TypeAlias = np.ndarray
Arguments: TypeAlias = Mapping[str, Any]

PICTURE = "Picture"
"""Stands at the head of a recipe for pictures (`node.bundles.recognised`)."""


def same(image: Array, _: Arguments) -> Array:
    """Leave an image as it is."""
    return image


def _space(grid: Grid, a: Arguments) -> tuple[Grid, Undo]:
    return spatial.space(grid, a["pixdim"], a.get("mode", "bilinear"))


def _resize(grid: Grid, a: Arguments) -> tuple[Grid, Undo]:
    aligned = bool(a.get("align_corners"))
    return spatial.resize(grid, a["spatial_size"], a["mode"], align_corners=aligned)


def _scale_range(image: Array, a: Arguments) -> Array:
    ends = (a["a_min"], a["a_max"])
    return intensity.scale_range(
        image, ends, a.get("b_min"), a.get("b_max"), clip=a.get("clip", False)
    )


def _scale_percentiles(image: Array, a: Arguments) -> Array:
    ends = (a["lower"], a["upper"])
    clip, channel_wise = a.get("clip", False), a.get("channel_wise", False)
    return intensity.scale_percentiles(
        image, ends, a["b_min"], a["b_max"], clip=clip, channel_wise=channel_wise
    )


def _never_back(_scores: Array, _nearest: bool) -> Array:  # noqa: FBT001 - as the others
    raise ValueError("a picture's labels are not brought back")


def _picture(grid: Grid) -> tuple[Grid, Undo]:
    """Give one picture the axes that MONAI's readers give it: [channels, 1, columns, rows]."""
    if grid.voxels.shape[1] != 1:
        raise ValueError(f"{grid.voxels.shape[1]} slices for a network that sees one picture")
    return _swapped(Grid(grid.voxels, np.eye(4)))


def _swapped(grid: Grid) -> tuple[Grid, Undo]:
    return Grid(grid.voxels.swapaxes(2, 3), grid.affine), _never_back


SPATIAL: Mapping[str, Callable[[Grid, Arguments], tuple[Grid, Undo]]] = {
    PICTURE: lambda grid, _: _picture(grid),
    "Transposed": lambda grid, _: _swapped(grid),
    "Orientationd": lambda grid, a: spatial.orient(grid, a["axcodes"]),
    "Spacingd": _space,
    "Resized": _resize,
}

INTENSITY: Mapping[str, Callable[[Array, Arguments], Array]] = {
    "EnsureTyped": same,
    "CastToTyped": same,
    "ScaleIntensityd": lambda image, a: intensity.scale_intensity(image, **a),
    "ScaleIntensityRanged": _scale_range,
    "ScaleIntensityRangePercentilesd": _scale_percentiles,
    "NormalizeIntensityd": lambda image, a: intensity.normalize(
        image,
        a.get("subtrahend"),
        a.get("divisor"),
        nonzero=a.get("nonzero", False),
        channel_wise=a.get("channel_wise", False),
    ),
    "RepeatChanneld": lambda image, a: np.repeat(image, a["repeats"], axis=0),
}

LABELS: Mapping[str, Callable[[Array, Arguments], Array]] = {
    "EnsureTyped": same,
    "Activationsd": lambda scores, a: labels.activate(scores, **a),
    "AsDiscreted": lambda scores, a: labels.discretize(scores, **a),
    "KeepLargestConnectedComponentd": lambda found, a: labels.keep_largest(
        found, **{key: value for key, value in a.items() if key != "is_onehot"}
    ),
    "FillHolesd": lambda found, a: labels.fill_holes(found, **a),
}
