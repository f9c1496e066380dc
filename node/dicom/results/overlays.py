"""Draws source slices with what was found on them: tinted and outlined, with legend and place."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from node.dicom.results import drawing, lineage
from node.dicom.results.drawing import GREY, LINE, WARNING
from node.dicom.results.key_objects import shown_slice
from node.dicom.results.model_run import ModelRun
from node.dicom.results.names import plain_ascii
from node.rules.nouns import Segment

MOST_SLICES = 24
"""So many slices are drawn at most."""
_SIDE = 512
"""The longer side of a slice, in pixels."""
_LEGEND = 220
_EDGE = 10
_OBLIQUE = 0.38
"""From this cosine on (about 22 degrees off) a direction is named by two letters."""


def chosen_slices(run: ModelRun) -> list[int]:
    """Choose the slices that are worth a picture: largest ones first, then evenly spread.

    Returns:
        Indices in order, each with something found on it, no more than MOST_SLICES.
    """
    labels = run.findings.labels
    if labels is None or not run.present:
        return []
    known = drawing.palette(run.model.segments, int(labels.max())).known
    filled = set(run.volume.filled)  # no image shows these
    shown = [index for index in range(len(labels)) if index not in filled]
    there = [index for index in shown if known[labels[index][labels[index] > 0]].any()]
    by_size = sorted(run.present, key=lambda one: -run.measured[one.label].voxels)
    by_size.sort(key=lambda one: not one.is_finding)
    largest = [shown_slice(run, one) for one in by_size]
    chosen = list(dict.fromkeys(one for one in largest if one is not None))[:MOST_SLICES]
    rest = [index for index in there if index not in set(chosen)]
    chosen += _spread(rest, MOST_SLICES - len(chosen))
    return sorted(chosen)


def _spread(indices: Sequence[int], most: int) -> list[int]:
    """Take so many at most, the first and the last among them, at even steps."""
    if len(indices) <= most:
        return list(indices)
    return [indices[round(at)] for at in np.linspace(0, len(indices) - 1, most)]


def draw_slice(run: ModelRun, index: int, shades: tuple[float, float]) -> Image.Image:
    """Draw one slice as it was scanned, with the outlines of what was found on it.

    Args:
        run: what was found.
        index: which slice.
        shades: what is black, and what is white (drawing.window).
    """
    volume, labels = run.volume, run.findings.labels
    plane = volume.voxels[index]
    _, tall, wide = volume.spacing_mm
    size = drawing.fitted(plane.shape, (tall, wide), _SIDE)
    there = None if labels is None else labels[index]
    highest = 0 if there is None else int(there.max())
    colours = drawing.palette(run.model.segments, highest)
    shown = drawing.overlaid(plane, there, size, shades, colours)
    if volume.placed:
        across, down = directions(volume.affine)
        drawing.letter(shown, (opposite(across), across, opposite(down), down))
    picture = Image.new("RGB", (_SIDE + _LEGEND, _SIDE + 2 * LINE + _EDGE))
    picture.paste(shown, ((_SIDE - size[0]) // 2, LINE + (_SIDE - size[1]) // 2 + _EDGE // 2))
    _label(picture, run, index)
    on_it = set(np.unique(there).tolist()) if there is not None else set()
    _legend(picture, run, [one for one in run.model.segments if one.label in on_it])
    return picture


def _label(picture: Image.Image, run: ModelRun, index: int) -> None:
    volume, model = run.volume, run.model.identity
    middle = (index, (volume.voxels.shape[1] - 1) / 2, (volume.voxels.shape[2] - 1) / 2, 1)
    left, back, up = (volume.affine @ np.array(middle))[:3]
    place = f"slice {index + 1} of {len(volume.sources)}"
    if volume.placed:
        place += (
            f"   centre {_side(left, 'L', 'R')} {_side(back, 'P', 'A')} {_side(up, 'H', 'F')} mm"
        )
    drawing.write_text(picture, (_EDGE, 4), place)
    made_by = drawing.shortened(plain_ascii(f"{model.name} {model.version}"), _LEGEND * 1.5)
    foot = picture.size[1] - LINE
    drawing.write_text(picture, (_EDGE, foot), made_by, GREY)
    if model.intended_use == "research":
        place_right = (picture.size[0] - _EDGE, foot)
        drawing.write_text(picture, place_right, lineage.RESEARCH_NOTICE, WARNING, anchor="ra")


def _side(value: float, positive: str, negative: str) -> str:
    return f"{positive if value >= 0 else negative}{abs(value):.1f}"


def _legend(picture: Image.Image, run: ModelRun, there: Sequence[Segment]) -> None:
    names = run.segment_names
    left, top = _SIDE + _EDGE, LINE + _EDGE
    room = (picture.size[1] - top - 2 * LINE) // LINE
    shown = there if len(there) <= room else there[: room - 1]
    for row, segment in enumerate(shown):
        above = top + row * LINE
        picture.paste(segment.rgb, (left, above + 2, left + 12, above + 14))
        name = drawing.shortened(names[segment.label], _LEGEND - 18 - 2 * _EDGE)
        drawing.write_text(picture, (left + 18, above), name)
    if len(shown) < len(there):
        more = f"and {len(there) - len(shown)} more"
        drawing.write_text(picture, (left + 18, top + len(shown) * LINE), more, GREY)


def directions(affine: np.ndarray) -> tuple[str, str]:
    """Name where a row and a column of the image run to (PS3.3 C.7.6.1.1.1), as "L" or "LP".

    Args:
        affine: maps (slice, row, column, 1) to LPS millimetres.
    """
    return _direction(affine[:3, 2]), _direction(affine[:3, 1])


def _direction(step: np.ndarray) -> str:
    cosines = step / np.linalg.norm(step)
    letters = [pair[0] if one >= 0 else pair[1] for one, pair in zip(cosines, _PAIRS, strict=True)]
    order = sorted(range(3), key=lambda axis: -abs(cosines[axis]))
    return "".join(letters[axis] for axis in order[:2] if abs(cosines[axis]) > _OBLIQUE)


_PAIRS = ("LR", "PA", "HF")
_OPPOSITES = str.maketrans("LRPAHF", "RLAPFH")


def opposite(direction: str) -> str:
    """Name the direction that is opposite: "RA" for "LP"."""
    return direction.translate(_OPPOSITES)
