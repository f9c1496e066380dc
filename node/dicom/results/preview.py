"""Draws a picture for people: three planes through what was found, outlines, and the figures."""

from collections.abc import Sequence
from io import BytesIO
from itertools import permutations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from node.dicom.findings import Findings, voxel_counts
from node.dicom.reading import text_of
from node.dicom.results import lineage
from node.dicom.results.model_run import Made, ModelRun, digest
from node.dicom.volume import Volume
from node.rules import naming
from node.rules.nouns import Classification, ModelIdentity, Segment

PANEL = 360
"""Height and width of one plane's panel, in pixels."""
LINE = 20
_LETTERS = {
    "axial": ("R", "L", "A", "P"),
    "coronal": ("R", "L", "S", "I"),
    "sagittal": ("A", "P", "S", "I"),
}
"""What is at the left, right, top and bottom of each plane: the patient faces the viewer."""
_CT_WINDOW = (-160.0, 240.0)
_WHITE, _GREY, _WARNING = (255, 255, 255), (170, 170, 170), (255, 200, 60)


def write_picture(run: ModelRun) -> Made:
    """Write the picture of a run as PNG.

    Raises:
        OSError: it cannot be written.
    """
    uid = naming.result_uid(run.job.job_id, "PREVIEW", "instance")
    path = run.folder / f"{uid}.png"
    model = run.model
    path.write_bytes(draw(run.volume, run.findings, model.segments, model.classes, model.identity))
    return Made("PREVIEW", uid, "", "", "", path, *digest(path))


def draw(
    volume: Volume,
    findings: Findings,
    segments: Sequence[Segment],
    classes: Sequence[Classification],
    model: ModelIdentity,
) -> bytes:
    """Draw axial, coronal and sagittal plane through the middle of what was found, as PNG.

    No patient is named in the picture. Planes of oblique acquisitions are the nearest ones.
    """
    grey, spacing = upright(volume.voxels, volume.affine)
    labels = np.zeros(grey.shape, np.uint8)
    if findings.labels is not None:
        labels, _ = upright(findings.labels, volume.affine)
    window = _window(volume)
    centre = _centre(labels)
    lines = _lines(volume, findings, segments, classes, model)
    picture = Image.new("RGB", (3 * PANEL, PANEL + LINE * (len(lines) + 1)))
    for number, plane in enumerate(_LETTERS):
        panel = _panel(_cut(grey, plane, centre), _steps(spacing, plane), window)
        _outline(panel, _cut(labels, plane, centre), segments)
        _letter(panel, plane)
        picture.paste(panel, (number * PANEL, 0))
    pen = ImageDraw.Draw(picture)
    for row, (text, colour) in enumerate(lines):
        pen.text((10, PANEL + 8 + row * LINE), text, fill=colour, font=ImageFont.load_default(14))
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


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


def _centre(labels: np.ndarray) -> tuple[int, int, int]:
    """Give the centroid of everything that was found, else the middle of the block."""
    found = labels > 0
    if not found.any():
        return labels.shape[0] // 2, labels.shape[1] // 2, labels.shape[2] // 2
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


def _window(volume: Volume) -> tuple[float, float]:
    """Choose black and white: soft tissue for CT, else what leaves out the extremes."""
    if text_of(volume.sources[0], "Modality") == "CT":
        return _CT_WINDOW
    sample = volume.voxels[:: max(1, len(volume.voxels) // 16)]
    low, high = np.percentile(sample, (1, 99.5))
    return float(low), float(max(high, low + 1))


def _panel(
    plane: np.ndarray, steps: tuple[float, float], window: tuple[float, float]
) -> Image.Image:
    """Scale a plane to its true proportions in the middle of a panel."""
    low, high = window
    shade = np.clip((plane.astype(np.float32) - low) / (high - low) * 255, 0, 255)
    tall, wide = plane.shape[0] * steps[0], plane.shape[1] * steps[1]
    scale = (PANEL - 2 * LINE) / max(tall, wide)
    size = max(1, round(wide * scale)), max(1, round(tall * scale))
    shown = Image.fromarray(shade.astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    panel = Image.new("RGB", (PANEL, PANEL))
    panel.paste(shown, ((PANEL - size[0]) // 2, (PANEL - size[1]) // 2))
    panel.info["size"] = size
    return panel


def _outline(panel: Image.Image, labels: np.ndarray, segments: Sequence[Segment]) -> None:
    """Draw where each segment ends, one pixel wide, in its own colour."""
    wide, tall = panel.info["size"]
    rows = np.arange(tall) * labels.shape[0] // tall
    columns = np.arange(wide) * labels.shape[1] // wide
    shown = np.pad(labels[np.ix_(rows, columns)], 1)
    inner = shown[1:-1, 1:-1]
    edge = np.zeros(inner.shape, bool)
    for other in (shown[:-2, 1:-1], shown[2:, 1:-1], shown[1:-1, :-2], shown[1:-1, 2:]):
        edge |= other != inner
    pixels = np.array(panel)
    top, left = (PANEL - tall) // 2, (PANEL - wide) // 2
    for segment in segments:
        at = np.argwhere(edge & (inner == segment.label))
        pixels[at[:, 0] + top, at[:, 1] + left] = segment.rgb
    panel.paste(Image.fromarray(pixels))


def _letter(panel: Image.Image, plane: str) -> None:
    left, right, top, bottom = _LETTERS[plane]
    pen, font = ImageDraw.Draw(panel), ImageFont.load_default(14)
    half, end = PANEL // 2, PANEL - 12
    for letter, place in ((left, (10, half)), (right, (end, half)), (top, (half, 10))):
        pen.text(place, letter, fill=_WHITE, font=font, anchor="mm")
    pen.text((half, end), bottom, fill=_WHITE, font=font, anchor="mm")


def _lines(
    volume: Volume,
    findings: Findings,
    segments: Sequence[Segment],
    classes: Sequence[Classification],
    model: ModelIdentity,
) -> list[tuple[str, tuple[int, int, int]]]:
    lines = [(f"{model.name} {model.version}  bundle {model.bundle_hash[:12]}", _GREY)]
    if findings.labels is not None:
        counts = voxel_counts(findings.labels, max((one.label for one in segments), default=0))
        for one in segments:
            millilitres = int(counts[one.label]) * volume.voxel_ml
            lines.append((f"{one.name}: {millilitres:.1f} mL", one.rgb))
    for kind in classes:
        probability = findings.probabilities.get(kind.name)
        if probability is not None:
            said = "present" if probability >= kind.threshold else "absent"
            lines.append((f"{kind.name}: {said} ({100 * probability:.1f} %)", _WHITE))
    if model.intended_use == "research":
        lines.append((lineage.RESEARCH_NOTICE, _WARNING))
    return [(lineage.plain_ascii(text, 120), colour) for text, colour in lines]
