"""Draws on pictures: grey planes, coloured segments on them, letters, tables and warnings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset

from node.dicom.reading import text_of
from node.dicom.volume import Volume
from node.rules.nouns import Segment

Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)
GREY: Colour = (170, 170, 170)
WARNING: Colour = (255, 200, 60)
LINE = 20
"""Height of a line of text, in pixels."""
FONT = 14
_PAGE = (800, 600)
_MARGIN = 40
_CT_WINDOW = (-160.0, 240.0)
_FILL = 0.3
"""How much of a segment's colour lies over the grey."""


@dataclass(frozen=True, slots=True, eq=False)
class Palette:
    """The colour of each label: `colours` uint8 [labels, RGB], `known` bool [labels]."""

    colours: np.ndarray
    known: np.ndarray


def palette(segments: Sequence[Segment], highest: int = 0) -> Palette:
    """Give the colours of a model's labels, up to the label `highest` at least."""
    size = max(highest, max((one.label for one in segments), default=0)) + 1
    made = Palette(np.zeros((size, 3), np.uint8), np.zeros(size, bool))
    for one in segments:
        made.colours[one.label] = one.rgb
        made.known[one.label] = True
    return made


def window(volume: Volume) -> tuple[float, float]:
    """Choose black and white: as CT images ask for (else soft tissue), else without extremes."""
    middle = volume.sources[len(volume.sources) // 2]
    if text_of(middle, "Modality") == "CT":
        return asked_for(middle) or _CT_WINDOW
    sample = volume.voxels[:: max(1, len(volume.voxels) // 16)]
    low, high = np.percentile(sample, (1, 99.5))
    return float(low), float(high if high > low else low + 1)


def asked_for(image: Dataset) -> tuple[float, float] | None:
    """Give black and white of the first window that an image asks for (PS3.3 C.11.2.1.2)."""
    found = []
    for keyword in ("WindowCenter", "WindowWidth"):
        first = text_of(image, keyword).split("\\")[0]
        try:
            found.append(float(first))
        except ValueError:
            return None
    centre, width = found
    if not np.isfinite(found).all() or width < 2:
        return None
    return centre - width / 2, centre + width / 2


def fitted(shape: tuple[int, ...], steps: tuple[float, float], longest: int) -> tuple[int, int]:
    """Give width and height in pixels of a plane in true proportions, the longer as said.

    Args:
        shape: rows and columns of the plane.
        steps: spacing of rows and of columns in millimetres.
        longest: of the longer side, in pixels.
    """
    tall, wide = shape[0] * steps[0], shape[1] * steps[1]
    scale = longest / max(tall, wide)
    return max(1, round(wide * scale)), max(1, round(tall * scale))


def overlaid(
    plane: np.ndarray,
    labels: np.ndarray | None,
    size: tuple[int, int],
    shades: tuple[float, float],
    colours: Palette,
) -> Image.Image:
    """Show a plane in grey, and over it what was found there: tinted, and outlined.

    Args:
        plane: [rows, columns] in the modality's unit.
        labels: [rows, columns] of the same shape, or None.
        size: width and height of the picture.
        shades: what is black, and what is white.
        colours: of the labels.
    """
    low, high = shades
    grey = np.clip((plane.astype(np.float32) - low) / (high - low) * 255, 0, 255)
    shown = Image.fromarray(grey.astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    picture = shown.convert("RGB")
    if labels is None or not labels.any():
        return picture
    pixels = np.array(picture)
    wide, tall = size
    rows = (np.arange(tall) * labels.shape[0] + labels.shape[0] // 2) // tall
    columns = (np.arange(wide) * labels.shape[1] + labels.shape[1] // 2) // wide
    at = labels[np.ix_(_inside(rows, labels.shape[0]), _inside(columns, labels.shape[1]))]
    inside = colours.known[at]
    tinted = pixels[inside] * (1 - _FILL) + colours.colours[at[inside]] * _FILL
    pixels[inside] = np.rint(tinted).astype(np.uint8)
    edge = inside & _edges(at)
    pixels[edge] = colours.colours[at[edge]]
    return Image.fromarray(pixels)


def _inside(indices: np.ndarray, size: int) -> np.ndarray:
    return np.minimum(indices, size - 1)


def _edges(labels: np.ndarray) -> np.ndarray:
    """Find the pixels [rows, columns] next to another label; the picture's end is none."""
    padded = np.pad(labels, 1)
    edge = np.zeros(labels.shape, bool)
    beside = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    for other in beside:
        edge |= other != labels
    return edge


def write_text(
    picture: Image.Image,
    place: tuple[float, float],
    text: str,
    colour: Colour = WHITE,
    size: int = FONT,
    anchor: str = "la",
) -> None:
    """Write a line of text; `anchor` as Pillow has it ("la": `place` is its upper left end)."""
    font = ImageFont.load_default(size)
    pen = ImageDraw.Draw(picture)
    pen.text(place, text, fill=colour, font=font, anchor=anchor)


def shortened(text: str, room: float, size: int = FONT) -> str:
    """Cut a text so that it is no wider than `room` pixels."""
    font = ImageFont.load_default(size)
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "...") > room:
        text = text[:-1]
    return text.rstrip() + "..."


def letter(picture: Image.Image, sides: Sequence[str]) -> None:
    """Write what is at the left, right, top and bottom of a picture, with a dark edge."""
    wide, tall = picture.size
    places = ((12, tall // 2), (wide - 12, tall // 2), (wide // 2, 12), (wide // 2, tall - 12))
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(FONT)
    for text, place in zip(sides, places, strict=True):
        anchor = "lm" if place[0] == 12 else "rm" if place[0] == wide - 12 else "mm"
        at = place[0] - 7 if anchor == "lm" else place[0] + 7 if anchor == "rm" else place[0]
        spot = (at, place[1])
        pen.text(
            spot, text, fill=WHITE, font=font, anchor=anchor, stroke_width=2, stroke_fill=(0, 0, 0)
        )


def text_page(lines: Sequence[str], notice: str = "") -> Image.Image:
    """Draw lines of text on a dark page, the first one large, and a notice at its foot."""
    picture = Image.new("RGB", _PAGE, (16, 16, 24))
    wide, tall = _PAGE
    top = _MARGIN
    for number, line in enumerate(lines):
        size, colour = (26, WARNING) if number == 0 else (19, WHITE)
        for piece in wrapped(line, wide - 2 * _MARGIN, size):
            if top + size > tall - 2 * _MARGIN:
                break
            write_text(picture, (_MARGIN, top), piece, colour, size)
            top += round(size * 1.4)
        top += size // 2
    if notice:
        write_text(picture, (_MARGIN, tall - _MARGIN), notice, WARNING, 19, "ls")
    return picture


def wrapped(text: str, room: float, size: int) -> list[str]:
    """Break a text into lines no wider than `room` pixels, between words where it can."""
    font = ImageFont.load_default(size)
    lines: list[str] = []
    for word in text.split():
        rest = word
        if lines and font.getlength(f"{lines[-1]} {rest}") <= room:
            lines[-1] += f" {rest}"
            continue
        while font.getlength(rest) > room:
            cut = next(n for n in range(len(rest), 0, -1) if font.getlength(rest[:n]) <= room)
            lines.append(rest[:cut])
            rest = rest[cut:]
        lines.append(rest)
    return lines


def width(text: str, size: int = FONT) -> float:
    """Give how wide a line of text is, in pixels."""
    return float(ImageFont.load_default(size).getlength(text))
