"""Reads a picture, such as a chest film, as it is displayed: what a radiologist would see.

A film's stored values are what a detector counted; what they look like is said by its header: the
modality lookup, the window or VOI lookup, the polarity (PS3.3 C.11.1, C.11.2, C.11.6). A model that
was trained on pictures gets the picture, from 0 (black) to 1 (white). Nuclear medicine keeps its
counts, which measure something.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from node.dicom import colours, pixels, scanning
from node.dicom.lookup import look_up
from node.dicom.pixels import UndecodableError
from node.dicom.reading import UNREADABLE
from node.dicom.scanning import Scan
from node.dicom.voxels import padding_in, rescaled
from node.rules.failures import Refusal
from node.rules.nouns import Choose

_NUCLEAR = "1.2.840.10008.5.1.4.1.1.20"


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture: `shown` is float32 [rows, columns].

    `measured` says that its spacing (mm; slices, rows, columns) is written and not just supposed.
    """

    image: Scan
    shown: np.ndarray
    spacing_mm: tuple[float, float, float]
    measured: bool
    repairs: tuple[str, ...]


def read(images: Sequence[Scan], rule: Choose) -> Picture | Refusal:
    """Read one picture of a series.

    Args:
        images: all of one SOP class.
        rule: which is read if there are several; ONLY refuses.

    Raises:
        OSError: its file cannot be read.
    """
    ordered = sorted(images, key=_number)
    repairs: list[str] = []
    if len(ordered) > 1:
        if rule is Choose.ONLY:
            return Refusal(
                f"the series holds {len(ordered)} pictures; the model reads one",
                advice="Say in the bundle which is to be taken, or have them sent one by one",
            )
        repairs.append(f"one picture taken, the {rule} of {len(ordered)}")
    image = ordered[-1 if rule is Choose.LAST else 0]
    try:
        pixels.look(image)
        shown = _shown(image, repairs)
    except UndecodableError:
        return Refusal(
            f"the pixels of the picture cannot be decoded ({scanning.syntax_name(image)})",
            advice="Have it sent uncompressed",
        )
    spacing, measured = _spacing(image, repairs)
    return Picture(image, shown, (1.0, *spacing), measured, tuple(repairs))


def _number(image: Scan) -> tuple[float, str]:
    return image.number("InstanceNumber") or 0.0, image.text("SOPInstanceUID")


def _spacing(image: Scan, repairs: list[str]) -> tuple[tuple[float, float], bool]:
    """Give the spacing in the patient, else at the detector, else one millimetre."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        found = image.numbers(keyword)
        if found is not None and len(found) == 2 and min(found) > 0:
            if keyword == "ImagerPixelSpacing":
                repairs.append("the pixel spacing is that at the detector, not in the patient")
            return (found[0], found[1]), True
    repairs.append("the picture has no pixel spacing: one millimetre supposed")
    return (1.0, 1.0), False


def _shown(image: Scan, repairs: list[str]) -> np.ndarray:
    photometric = image.text("PhotometricInterpretation")
    if not photometric.startswith("MONOCHROME"):
        repairs.append(f"colours ({photometric}) turned to grey")
        return colours.brightness(image)
    stored = pixels.stored(image)
    padded = padding_in(stored, image)
    if image.text("SOPClassUID") == _NUCLEAR:
        return rescaled(stored, image)
    shown = _windowed(rescaled(stored, image), padded, image, repairs)
    if photometric == "MONOCHROME1" or image.text("PresentationLUTShape") == "INVERSE":
        shown = 1 - shown
        repairs.append("low values are shown bright: turned round")
    if padded is not None:
        shown[padded] = 0
        repairs.append(f"{int(np.count_nonzero(padded))} pixels of padding made black")
    return shown


def _windowed(
    values: np.ndarray, padded: np.ndarray | None, image: Scan, repairs: list[str]
) -> np.ndarray:
    """Bring values to 0..1 by VOI lookup table or window, or by what they range over."""
    center, width = image.numbers("WindowCenter"), image.numbers("WindowWidth")
    if image.has("VOILUTSequence"):
        return _looked_up(values, image)
    if center and width and width[0] > 0:
        return _window(values, center[0], width[0], image.text("VOILUTFunction"))
    seen = values if padded is None else values[~padded]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 0.0)
    repairs.append("the picture has no window: shown from its lowest to its highest value")
    return np.clip((values - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)


def _looked_up(values: np.ndarray, image: Scan) -> np.ndarray:
    try:
        item = image.item("VOILUTSequence")
        table = item["LUTDescriptor"].value, item["LUTData"].value
        found, bits = look_up(values, *table, little=image.little)
    except UNREADABLE as error:
        raise UndecodableError("the VOI lookup table cannot be read") from error
    return np.clip(found / float((1 << bits) - 1), 0, 1)


def _window(values: np.ndarray, center: float, width: float, function: str) -> np.ndarray:
    """Apply a window (PS3.3 C.11.2.1.2.1, C.11.2.1.3)."""
    if function == "SIGMOID":
        steep = np.clip(-4 * (values - center) / width, -60, 60)
        return (1 / (1 + np.exp(steep))).astype(np.float32)
    if function != "LINEAR_EXACT":
        center, width = center - 0.5, max(width - 1, 1e-6)
    return np.clip((values - center) / width + 0.5, 0, 1).astype(np.float32)
