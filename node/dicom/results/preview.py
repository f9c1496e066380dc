"""Draws a run on one page: three planes through what was found, and all figures as a table."""

from collections.abc import Sequence
from io import BytesIO
from itertools import permutations

import numpy as np
from PIL import Image

from node.dicom.results import drawing, lineage
from node.dicom.results.drawing import GREY, LINE, WARNING, WHITE, Colour
from node.dicom.results.model_run import Made, ModelRun, digest
from node.dicom.results.names import plain_ascii
from node.rules import naming
from node.rules.nouns import Segment

PANEL = 360
"""Height and width of one plane's panel, in pixels."""
_COLUMNS = 3
_MOST_ROWS = 36
"""The table has no more rows than this."""
_GAP = 16
_LETTERS = {
    "axial": ("R", "L", "A", "P"),
    "coronal": ("R", "L", "H", "F"),
    "sagittal": ("A", "P", "H", "F"),
}
"""What is at the left, right, top and bottom of each plane: the patient faces the viewer."""

Row = tuple[str, str, Colour | None]
"""A row of the table: what, how much, and the colour that it has in the pictures."""


def write_picture(run: ModelRun) -> Made:
    """Write the picture of a run as PNG.

    Raises:
        OSError: it cannot be written.
    """
    uid = naming.result_uid(run.job.job_id, "PREVIEW", "instance")
    path = run.folder / f"{uid}.png"
    buffer = BytesIO()
    draw(run).save(buffer, "PNG")
    path.write_bytes(buffer.getvalue())
    return Made("PREVIEW", uid, "", "", "", path, *digest(path))


def draw(run: ModelRun) -> Image.Image:
    """Draw axial, coronal and sagittal plane through the middle of what was found, and figures.

    No patient is named in the picture. Planes of oblique acquisitions are the nearest ones.
    """
    rows = table(run)
    deep = min(_MOST_ROWS, max(4, -(-len(rows) // _COLUMNS)))
    picture = Image.new("RGB", (3 * PANEL, PANEL + LINE * (deep + 2) + _GAP))
    _draw_planes(picture, run)
    model = run.model.identity
    made_by = f"{model.name} {model.version}   bundle {model.bundle_hash[:12]}"
    top = PANEL + _GAP // 2
    drawing.write_text(picture, (10, top), drawing.shortened(_plain(made_by), 2 * PANEL), GREY)
    if model.intended_use == "research":
        place = (3 * PANEL - 10, top)
        drawing.write_text(picture, place, lineage.RESEARCH_NOTICE, WARNING, anchor="ra")
    draw_table(picture, rows, top + LINE + _GAP // 2, deep)
    return picture


def _draw_planes(picture: Image.Image, run: ModelRun) -> None:
    volume, labels = run.volume, run.findings.labels
    grey, spacing = upright(volume.voxels, volume.affine)
    found = None if labels is None else upright(labels, volume.affine)[0]
    shades = drawing.window(volume)
    colours = drawing.palette(run.model.segments, 0 if found is None else int(found.max()))
    centre = _centre(grey.shape, found)
    for number, plane in enumerate(_LETTERS if run.volume.placed else ("axial",)):
        shown = _cut(grey, plane, centre)
        size = drawing.fitted(shown.shape, _steps(spacing, plane), PANEL - 2 * LINE)
        there = None if found is None else _cut(found, plane, centre)
        panel = Image.new("RGB", (PANEL, PANEL))
        at = ((PANEL - size[0]) // 2, (PANEL - size[1]) // 2)
        panel.paste(drawing.overlaid(shown, there, size, shades, colours), at)
        if run.volume.placed:
            drawing.letter(panel, _LETTERS[plane])
        picture.paste(panel, (number * PANEL, 0))


def table(run: ModelRun) -> list[Row]:
    """Give the figures of a run: marks first, classes, what was found, what was not."""
    rows: list[Row] = [(_plain(mark), "!", WARNING) for mark in run.marks]
    classes = run.class_names
    for kind in run.model.classes:
        probability = run.findings.probabilities.get(kind.name)
        if probability is not None:
            said = "present" if probability >= kind.threshold else "absent"
            rows.append((classes[kind.index], f"{said} ({100 * probability:.1f} %)", None))
    if run.findings.labels is None:
        return rows
    present, names = run.present, run.segment_names
    rows += [(names[one.label], _figures(run, one), one.rgb) for one in present]
    there = {one.label for one in present}
    absent = [one for one in run.model.segments if one.label not in there]
    return rows + [(names[one.label], "not found", None) for one in absent]


def _figures(run: ModelRun, segment: Segment) -> str:
    measured = run.measured[segment.label]
    said = f"{measured.volume_ml:.1f} mL"
    if measured.axes is not None:
        long, short = measured.axes.long_axis, measured.axes.short_axis
        said += f", {long.length_mm:.1f} x {short.length_mm:.1f} mm"
    return said


def draw_table(picture: Image.Image, rows: Sequence[Row], top: int, deep: int) -> None:
    """Draw figures in columns of `deep` rows; what has no room is counted in the last row."""
    room = deep * _COLUMNS
    shown = list(rows)
    if len(shown) > room:
        shown = [*shown[: room - 1], (f"and {len(rows) - room + 1} more", "", None)]
    wide = picture.size[0] // _COLUMNS
    for number, (what, much, colour) in enumerate(shown):
        column, row = divmod(number, deep)
        left, above = column * wide + 10, top + row * LINE
        right = left + wide - 2 * _GAP
        if colour is not None:
            picture.paste(colour, (left, above + 2, left + 12, above + 14))
        name = drawing.shortened(what, right - left - 24 - drawing.width(much))
        shade = GREY if much == "not found" else WHITE
        drawing.write_text(picture, (left + 18, above), name, shade)
        drawing.write_text(picture, (right, above), much, shade, anchor="ra")


def _plain(text: str) -> str:
    return plain_ascii(text, 120)


def upright(voxels: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn voxels so that the axes run upwards, backwards and to the patient's left.

    Args:
        voxels: [slices, rows, columns].
        affine: maps (slice, row, column, 1) to LPS millimetres.

    Returns:
        A view [superior, posterior, left], and the spacing along each axis in millimetres.
    """
    steps = affine[:3, :3]
    lengths = np.linalg.norm(steps, axis=0)
    cosines = steps / lengths
    wanted = (2, 1, 0)  # rows of the affine: S, P, L
    best = max(
        permutations(range(3)),
        key=lambda axes: sum(abs(cosines[to, axis]) for to, axis in zip(wanted, axes, strict=True)),
    )
    turned = voxels.transpose(best)
    for place, (to, axis) in enumerate(zip(wanted, best, strict=True)):
        if cosines[to, axis] < 0:
            turned = np.flip(turned, place)
    return turned, lengths[list(best)]


def _centre(shape: tuple[int, ...], labels: np.ndarray | None) -> tuple[int, int, int]:
    """Give the centroid of everything that was found, else the middle of the block."""
    if labels is None or not labels.any():
        return shape[0] // 2, shape[1] // 2, shape[2] // 2
    found = labels > 0
    middle = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        weights = found.sum(axis=others)
        middle.append(round(float(np.average(np.arange(len(weights)), weights=weights))))
    return middle[0], middle[1], middle[2]


def _cut(block: np.ndarray, plane: str, centre: tuple[int, int, int]) -> np.ndarray:
    """Cut out a plane as it is shown: head up, or front up in an axial plane."""
    upward, backward, leftward = centre
    if plane == "axial":
        return block[upward]
    if plane == "coronal":
        return block[::-1, backward, :]
    return block[::-1, :, leftward]


def _steps(spacing: np.ndarray, plane: str) -> tuple[float, float]:
    upward, backward, leftward = (float(step) for step in spacing)
    return {
        "axial": (backward, leftward),
        "coronal": (upward, leftward),
        "sagittal": (upward, backward),
    }[plane]
