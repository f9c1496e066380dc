"""Reads a picture, such as a chest film, or a cine of them, as it is displayed.

A film's stored values are what a detector counted; what they look like is said by its header: the
modality lookup, the window or VOI lookup, the polarity (PS3.3 C.11.1, C.11.2, C.11.6). A model that
was trained on pictures gets the picture, from 0 (black) to 1 (white), as a radiologist would see
it. Nuclear medicine keeps its counts, which measure something.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from node.dicom import cines, colours, pixels, scaling, scanning
from node.dicom.budget import budget_of
from node.dicom.lookup import look_up
from node.dicom.pixels import UndecodableError
from node.dicom.reading import UNREADABLE
from node.dicom.scanning import Scan
from node.dicom.voxels import padding_in, rescaled
from node.rules.failures import Refusal
from node.rules.nouns import Choose, InputRequirement

SAMPLES_AT_MOST = 1 << 28
"""Pixels of all frames of a cine together: as numbers they take four bytes each."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture, or the frames of one cine: `shown` is float32 [frames, rows, columns].

    `measured` says that its spacing (mm; frames, rows, columns) is written and not just supposed;
    that of frames is 1 and means nothing.
    """

    images: tuple[Scan, ...]
    shown: np.ndarray
    spacing_mm: tuple[float, float, float]
    measured: bool
    repairs: tuple[str, ...]


def read(images: Sequence[Scan], requirement: InputRequirement) -> Picture | Refusal:
    """Read one picture of a series, or one cine for a model that reads them.

    Args:
        images: all of one SOP class; what holds many frames taken apart.
        requirement: says whether it is a cine, and which is read if there are several.

    Raises:
        OSError: its file cannot be read.
    """
    repairs: list[str] = []
    chosen = _chosen(images, requirement, repairs)
    if isinstance(chosen, Refusal):
        return chosen
    refusal = scaling.unreadable(chosen)
    if refusal is not None:
        return refusal
    try:
        for image in chosen:
            pixels.look(image)
        if budget_of(chosen).is_exceeded:
            return Refusal(
                f"the {'cine' if len(chosen) > 1 else 'picture'} has more pixels "
                "than the bytes of its object can hold",
                advice="Have it sent again",
            )
        rows, columns = pixels.shape_of(chosen[0])
        if len(chosen) * rows * columns > SAMPLES_AT_MOST:
            return Refusal(
                f"the cine has {len(chosen)} frames of {rows} x {columns} pixels, "
                f"more than {SAMPLES_AT_MOST / 1e6:.0f} million in all",
                advice="Have a shorter part of it sent",
            )
        shown = _shown(chosen, repairs)
    except UndecodableError:
        return Refusal(
            f"the pixels of the picture cannot be decoded ({scanning.syntax_name(chosen[0])})",
            advice="Have it sent uncompressed",
        )
    spacing, measured = _spacing(chosen[0], repairs)
    return Picture(tuple(chosen), shown, (1.0, *spacing), measured, tuple(repairs))


def _chosen(
    images: Sequence[Scan], requirement: InputRequirement, repairs: list[str]
) -> list[Scan] | Refusal:
    """Choose a picture, or the frames of a cine."""
    ordered = sorted(images, key=_number)
    kinds, what = [[image] for image in ordered], "picture"
    if requirement.cine:
        kinds, what = _by_cine(ordered), "cine"
    if len(kinds) > 1:
        if requirement.choose is Choose.ONLY:
            frames = " (frames of one object)" if ordered[0].frame and what == "picture" else ""
            return Refusal(
                f"the series holds {len(kinds)} {what}s{frames}; the model reads one",
                advice="Say in the bundle which is to be taken, or have them sent one by one",
            )
        repairs.append(f"one {what} taken, the {requirement.choose} of {len(kinds)}")
    chosen = kinds[-1 if requirement.choose is Choose.LAST else 0]
    if len(chosen) < requirement.minimum_slices and requirement.cine:
        return Refusal(
            f"the cine has {len(chosen)} frame{'s' if len(chosen) > 1 else ''}; "
            f"the model needs at least {requirement.minimum_slices}",
            advice="Route only cines to this model",
        )
    if len(chosen) > 1:
        repairs.append(f"{len(chosen)} frames in the order of time, as they are in the cine")
    return chosen


def _by_cine(ordered: Sequence[Scan]) -> list[list[Scan]]:
    """Put together what follows one another in time: an object's, of one detector and energy."""
    found: dict[tuple[str, ...], list[Scan]] = {}
    for image in ordered:
        apart = [image.text(keyword) for keyword in _APART]
        found.setdefault((image.text("SOPInstanceUID"), *apart), []).append(image)
    return list(found.values())


_APART = ("EnergyWindowVector", "DetectorVector", "RRIntervalVector", "SliceVector")


def _number(image: Scan) -> tuple[float, str, int]:
    return image.number("InstanceNumber") or 0.0, image.text("SOPInstanceUID"), image.frame


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


def _shown(images: Sequence[Scan], repairs: list[str]) -> np.ndarray:
    """Give frames of one object, which share all that is said of how they are displayed."""
    image = images[0]
    photometric = image.text("PhotometricInterpretation")
    if not photometric.startswith("MONOCHROME"):
        repairs.append(f"colours ({photometric}) turned to grey")
        bright = np.empty((len(images), *pixels.shape_of(image)), np.float32)
        for place, one in enumerate(images):
            bright[place] = colours.brightness(one)
        return bright
    values, padded = _measured(images)
    if image.text("SOPClassUID") == cines.NUCLEAR:
        return values
    shown = _windowed(values, padded, image, repairs)
    if photometric == "MONOCHROME1" or image.text("PresentationLUTShape") == "INVERSE":
        np.subtract(1, shown, out=shown)
        repairs.append("low values are shown bright: turned round")
    if padded is not None:
        shown[padded] = 0
        repairs.append(f"{int(np.count_nonzero(padded))} pixels of padding made black")
    return shown


def _measured(images: Sequence[Scan]) -> tuple[np.ndarray, np.ndarray | None]:
    """Give the modality's values of frames, and where they are padding, frame after frame."""
    shape = (len(images), *pixels.shape_of(images[0]))
    values = np.empty(shape, np.float32)
    padded: np.ndarray | None = None
    for place, image in enumerate(images):
        stored = pixels.stored(image)
        mask = padding_in(stored, image)
        values[place] = rescaled(stored, image)
        if mask is not None:
            padded = np.zeros(shape, bool) if padded is None else padded
            padded[place] = mask
    return values, padded


def _windowed(
    values: np.ndarray, padded: np.ndarray | None, image: Scan, repairs: list[str]
) -> np.ndarray:
    """Bring values to 0..1 by VOI lookup table or window, or by what they range over."""
    center, width = image.numbers("WindowCenter"), image.numbers("WindowWidth")
    if image.has("VOILUTSequence"):
        return _looked_up(values, image)
    if center and width and width[0] > 0:
        for frame in values:
            frame[...] = _window(frame, center[0], width[0], image.text("VOILUTFunction"))
        return values
    low, high, said = _range(values, padded)
    repairs.append(f"the picture has no window: shown from {said}")
    for frame in values:
        frame[...] = np.clip((frame - low) / max(high - low, 1e-6), 0, 1)
    return values


_APART_AT_ENDS = 0.2
"""Percent of pixels at either end that may be burnt in, such as a marker of lead or letters."""
_LOOKED_AT = 1 << 20


def _range(values: np.ndarray, padded: np.ndarray | None) -> tuple[float, float, str]:
    """Give from where to where values go that are no marker's and no padding, and say it."""
    every = -(-values.size // _LOOKED_AT)
    seen = values.reshape(-1)[::every]
    if padded is not None:
        seen = seen[~padded.reshape(-1)[::every]]
    if not seen.size:
        return 0.0, 0.0, "its lowest to its highest value"
    ends = (_APART_AT_ENDS, 100 - _APART_AT_ENDS)
    low, high = (float(end) for end in np.percentile(seen, ends, method="nearest"))
    lowest, highest = float(seen.min()), float(seen.max())
    if (low, high) == (lowest, highest) or low == high:
        return lowest, highest, "its lowest to its highest value"
    return low, high, f"{low:g} to {high:g}, which leaves out what is darkest and brightest"


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
