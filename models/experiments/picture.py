"""Draws planted lesions on slices of the real CT, for a person to judge what networks are shown."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from models.experiments.bits import Settings as Bits
from models.experiments.dimensions import Settings as Dimensions
from models.experiments.ground import LUNG, GroundOptions, open_ground
from models.experiments.lesions import LesionOptions, planted_crops
from models.experiments.settings import read_settings

SIZE = (96, 96, 21)
SOFT = (-160.0, 240.0)
COLUMNS = 4


def draw(folder: Path, cache: Path) -> Path:
    """Draw lesions of the lungs and of soft tissue, each with its outline, and give the file."""
    lungs = read_settings("dimensions", Dimensions, quick=False, seeds=None)
    soft = read_settings("bits", Bits, quick=False, seeds=None)
    with mpl.rc_context({"font.size": 8}):
        figure = Figure(figsize=(2.3 * COLUMNS, 10.2), layout="constrained")
        grid = figure.subplots(4, COLUMNS)
        _rows(grid[:2], (lungs.ground, lungs.lesions), LUNG, cache)
        _rows(grid[2:], (soft.ground, soft.lesions), SOFT, cache)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "lesions.png"
        figure.savefig(file, dpi=100, metadata={"Software": None})
    return file


def _rows(
    grid: np.ndarray,
    what: tuple[GroundOptions, LesionOptions],
    window: tuple[float, float],
    cache: Path,
) -> None:
    """Fill two rows: slices as they are shown to a network, and the same with outlines."""
    part = open_ground(what[0], cache).divided(swapped=False)[1]
    crops = planted_crops(part, COLUMNS, SIZE, what[1], np.random.default_rng(7))
    images, masks = crops.slices()
    for column in range(COLUMNS):
        lesion = crops.lesions[column][0]
        for row in range(2):
            axes = grid[row, column]
            picture = images[column].T[::-1, ::-1]
            axes.imshow(picture, cmap="gray", vmin=window[0], vmax=window[1])
            axes.set_xticks([])
            axes.set_yticks([])
        outline = masks[column].T[::-1, ::-1]
        grid[1, column].contour(outline, [0.5], colors="#ffb000", linewidths=1.0)
        grid[0, column].set_title(
            f"{lesion.diameter_mm:.1f} mm, {lesion.contrast_hu:+.0f} HU", loc="left"
        )
