"""How well a mask lies on its reference: Dice, surface Dice, Hausdorff distance, volume.

Surface distances are MONAI's (`monai.metrics`), over surface voxels with the image's spacing; on a
leaning stack the spacing along its axes is taken, so distances are approximate there.
"""

import math
import warnings
from dataclasses import asdict, dataclass

import numpy as np
import torch
from monai.metrics import compute_hausdorff_distance, compute_surface_dice

TOLERANCE_MM = 2.0


@dataclass(frozen=True, slots=True)
class Overlap:
    """Figures of one segment in one case; NaN where one is undefined.

    `dice` and `surface_dice` (within `TOLERANCE_MM`) go from 0 to 1, `hd95_mm` is the 95th
    percentile of surface distances, the larger of both directions. All three are NaN when neither
    mask has a voxel; `hd95_mm` is when one of them has none.
    """

    dice: float
    surface_dice: float
    hd95_mm: float
    found_ml: float
    reference_ml: float

    @property
    def error_ml(self) -> float:
        """How much more was found than there is."""
        return self.found_ml - self.reference_ml

    @property
    def error_percent(self) -> float:
        """The same as a part of what there is, NaN when there is nothing."""
        return 100.0 * self.error_ml / self.reference_ml if self.reference_ml else math.nan

    def as_plain(self) -> dict[str, float | None]:
        """Give all figures as JSON."""
        values = {**asdict(self), "error_ml": self.error_ml, "error_percent": self.error_percent}
        return {k: round(v, 6) if math.isfinite(v) else None for k, v in values.items()}


def overlap(
    found: np.ndarray, reference: np.ndarray, spacing_mm: tuple[float, float, float]
) -> Overlap:
    """Measure one mask against another.

    Args:
        found: booleans [slices, rows, columns].
        reference: the same shape.
        spacing_mm: along these axes; millimetres.
    """
    voxel_ml = float(np.prod(spacing_mm)) / 1000.0
    counts = int(found.sum()), int(reference.sum())
    volumes = counts[0] * voxel_ml, counts[1] * voxel_ml
    if not any(counts):
        return Overlap(math.nan, math.nan, math.nan, *volumes)
    if not all(counts):
        return Overlap(0.0, 0.0, math.nan, *volumes)
    common = int((found & reference).sum())
    pair = [_batched(mask) for mask in cropped(found, reference)]
    spacing = [float(one) for one in spacing_mm]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MONAI's, about its own arguments
        surface = compute_surface_dice(
            *pair, class_thresholds=[TOLERANCE_MM], include_background=True, spacing=spacing
        )
        distance = compute_hausdorff_distance(
            *pair, include_background=True, percentile=95.0, spacing=spacing
        )
    return Overlap(2.0 * common / sum(counts), float(surface), float(distance), *volumes)


def dice(found: np.ndarray, reference: np.ndarray) -> float:
    """Give the Dice of two boolean masks, NaN when both are empty."""
    total = int(found.sum()) + int(reference.sum())
    return 2.0 * int((found & reference).sum()) / total if total else math.nan


def cropped(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut both to the box that holds all of either, with one empty voxel around it."""
    either = first | second
    box = []
    for axis in range(either.ndim):
        others = tuple(other for other in range(either.ndim) if other != axis)
        places = np.flatnonzero(either.any(axis=others))
        box.append(slice(int(places[0]), int(places[-1]) + 1))
    return np.pad(first[tuple(box)], 1), np.pad(second[tuple(box)], 1)


def _batched(mask: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(mask[np.newaxis, np.newaxis].astype(np.uint8))
