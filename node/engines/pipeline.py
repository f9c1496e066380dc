"""Carries a volume to the network and its answer back to the scanner's grid, without torch.

It does to the numbers what a MONAI bundle's configs/inference.json describes; the parent process
has read that file and made sure that only transforms and arguments of its closed list are in it
(`node.bundles.recipe`). Arrays are [channels, x, y, z] of float32 between the two ends, which are
[slices, rows, columns].
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from node.engines import inferer, intensity, labels, spatial
from node.engines.inferer import Predict
from node.engines.spatial import Grid, Undo

Array: TypeAlias = np.ndarray
Arguments: TypeAlias = Mapping[str, Any]

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""DICOM counts millimetres towards left, posterior, head; MONAI towards right, anterior, head."""


class Pipeline:
    """Preprocessing, inferer and postprocessing of one bundle."""

    def __init__(
        self,
        preprocessing: Sequence[Mapping[str, Any]],
        inferer_step: Mapping[str, Any],
        postprocessing: Sequence[Mapping[str, Any]],
    ) -> None:
        """Take the steps as `node.bundles.recipe.Step.as_plain` gives them.

        Raises:
            KeyError: a step is not known here.
        """
        self._before = [(step["name"], _plain(step["arguments"])) for step in preprocessing]
        self._inferer = inferer_step
        self._after = [(step["name"], _plain(step["arguments"])) for step in postprocessing]
        for name, _ in self._before:
            _known(name, SPATIAL, INTENSITY)
        for name, _ in self._after:
            _known(name, LABELS, {"Invertd": None})

    def prepare(self, voxels: Array, affine: Array) -> tuple[Grid, list[Undo]]:
        """Do the preprocessing.

        Args:
            voxels: [slices, rows, columns].
            affine: 4 x 4, from (slice, row, column, 1) to LPS millimetres.

        Returns:
            What the network is to see, and how to bring its answer back, last step last.
        """
        grid = Grid(voxels[np.newaxis].astype(np.float32), LPS_TO_RAS @ affine)
        undos: list[Undo] = []
        for name, arguments in self._before:
            if name in SPATIAL:
                grid, undo = SPATIAL[name](grid, arguments)
                undos.append(undo)
            else:
                grid = Grid(INTENSITY[name](grid.voxels, arguments), grid.affine)
        return grid, undos

    def infer(self, grid: Grid, predict: Predict) -> Array:
        """Run the network the way the bundle's inferer says."""
        image = np.ascontiguousarray(grid.voxels, dtype=np.float32)
        return inferer.infer(image, predict, self._inferer["name"], self._inferer["arguments"])

    def finish(self, scores: Array, undos: Sequence[Undo]) -> Array:
        """Do the postprocessing; a label map comes out as [1, slices, rows, columns]."""
        for name, arguments in self._after:
            if name == "Invertd":
                nearest = arguments.get("nearest_interp", True)
                for undo in reversed(undos):
                    scores = undo(scores, nearest)
            else:
                scores = LABELS[name](scores, arguments)
        return scores


def _plain(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out what only concerns MONAI's containers: we always hold float32 in memory."""
    for_containers = ("dtype", "data_type", "track_meta", "to_tensor", "orig_keys", "transform")
    return {key: value for key, value in arguments.items() if key not in for_containers}


def _known(name: str, *tables: Mapping[str, object]) -> None:
    if not any(name in table for table in tables):
        raise KeyError(f"{name} is not a transform of the plain pipeline")


def _same(image: Array, _: Arguments) -> Array:
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


SPATIAL: Mapping[str, Callable[[Grid, Arguments], tuple[Grid, Undo]]] = {
    "Orientationd": lambda grid, a: spatial.orient(grid, a["axcodes"]),
    "Spacingd": _space,
    "Resized": _resize,
}

INTENSITY: Mapping[str, Callable[[Array, Arguments], Array]] = {
    "EnsureTyped": _same,
    "CastToTyped": _same,
    "ScaleIntensityd": lambda image, a: intensity.scale_intensity(image, **a),
    "ScaleIntensityRanged": _scale_range,
    "ScaleIntensityRangePercentilesd": _scale_percentiles,
    "NormalizeIntensityd": lambda image, a: intensity.normalize(
        image, a.get("subtrahend"), a.get("divisor"), nonzero=a.get("nonzero", False)
    ),
}

LABELS: Mapping[str, Callable[[Array, Arguments], Array]] = {
    "EnsureTyped": _same,
    "Activationsd": lambda scores, a: labels.activate(scores, **a),
    "AsDiscreted": lambda scores, a: labels.discretize(scores, **a),
    "KeepLargestConnectedComponentd": lambda found, a: labels.keep_largest(
        found, **{key: value for key, value in a.items() if key != "is_onehot"}
    ),
    "FillHolesd": lambda found, a: labels.fill_holes(found, **a),
}
