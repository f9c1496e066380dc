"""Decides what stored values mean: their rescale, and whether all images share what it says.

A value that is there and cannot be read is never replaced by one that is usual: a CT whose
intercept is lost is 1024 HU off, and looks like one that is not. What is rightly absent, as in
most MR, is 1 and 0; what rightly differs from slice to slice, as in PET, stays as it is.
"""

from collections.abc import Callable, Sequence

import numpy as np

from node.dicom.elements import MalformedError
from node.dicom.reading import UNREADABLE
from node.dicom.scanning import Scan
from node.rules.failures import Refusal

SLOPE, INTERCEPT, TABLE = "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"
_CT = "CT"
_ALL_OR_NONE = (SLOPE, INTERCEPT, TABLE)
_WHAT_TELLS = (SLOPE, INTERCEPT, "Units", "RescaleType", "PhotometricInterpretation")
_PADDING = ("PixelPaddingValue", "PixelPaddingRangeLimit")
_ADVICE = "Have the series sent again by the scanner; do not use what was converted"


def line_of(image: Scan) -> tuple[float, float]:
    """Give slope and intercept (PS3.3 C.11.1.1.2); each slice has its own.

    Raises:
        MalformedError: one of them is there, but is no number, or the slope is nothing.
    """
    slope, intercept = (
        image.number(keyword) if image.has(keyword) and image.written(keyword) else absent
        for keyword, absent in ((SLOPE, 1.0), (INTERCEPT, 0.0))
    )
    if slope is None or intercept is None:
        raise MalformedError(f"{INTERCEPT if slope is not None else SLOPE} is not one number")
    with np.errstate(over="ignore", under="ignore"):
        steep, begin = np.float32(slope), np.float32(intercept)
    if not steep:
        raise MalformedError(f"{SLOPE} is 0: all values would be one")
    if not np.isfinite(steep) or not np.isfinite(begin):
        raise MalformedError(f"{SLOPE} or {INTERCEPT} is beyond all that is measured")
    return slope, intercept


def unreadable(images: Sequence[Scan]) -> Refusal | None:
    """Refuse images whose values nobody can bring to their units."""
    for image in _once_each(images, (SLOPE, INTERCEPT)):
        try:
            line_of(image)
        except MalformedError as error:
            return Refusal(f"the values of the images cannot be scaled: {error}", advice=_ADVICE)
    return None


def not_one_scale(images: Sequence[Scan]) -> Refusal | None:
    """Refuse slices of one volume whose values are not of one kind."""
    for check in (_mixed, unreadable, _without_units):
        refusal = check(images)
        if refusal is not None:
            return refusal
    return None


def _mixed(images: Sequence[Scan]) -> Refusal | None:
    for keyword in _ALL_OR_NONE:
        if len({_is_there(image, keyword) for image in images}) > 1:
            return Refusal(f"some of the slices have a {keyword}, others have none", advice=_ADVICE)
    for keyword, said in _SAID.items():
        kinds = {said(image) for image in _once_each(images, (keyword,))}
        if len(kinds) > 1:
            return Refusal(f"{keyword} differs between the slices", advice=_ADVICE)
    return None


def _without_units(images: Sequence[Scan]) -> Refusal | None:
    """Refuse CT that does not say how its values become Hounsfield units (PS3.3 C.8.2.1)."""
    first = images[0]
    if first.text("Modality") != _CT or _is_there(first, TABLE):
        return None
    lacking = [keyword for keyword in (SLOPE, INTERCEPT) if not _is_there(first, keyword)]
    if not lacking:
        return None
    return Refusal(
        f"the images are CT and have no {' and no '.join(lacking)}: "
        "nobody can tell what their values are in HU",
        advice=_ADVICE,
    )


def same(one: Scan, other: Scan) -> bool:
    """Say whether the same stored values would mean the same in two images."""
    if any(one.numbers(keyword) != other.numbers(keyword) for keyword in (SLOPE, INTERCEPT)):
        return False
    if any(one.text(keyword) != other.text(keyword) for keyword in _WHAT_TELLS[2:]):
        return False
    if any(one.written_whole(keyword) != other.written_whole(keyword) for keyword in _PADDING):
        return False
    return _table(one) == _table(other)


def what_differs(images: Sequence[Scan]) -> str:
    """Name what gives the same values another meaning in images at one place; "" if nothing."""
    for keyword in (*_WHAT_TELLS, *_PADDING):
        if len({image.text(keyword) for image in images}) > 1:
            return keyword
    return ""


def repairs(images: Sequence[Scan]) -> list[str]:
    """Say which half of a rescale was supposed, for want of what the header should say."""
    first = images[0]
    there = [_is_there(first, keyword) for keyword in (SLOPE, INTERCEPT)]
    if all(there) or not any(there) or _is_there(first, TABLE):
        return []
    return [f"no {INTERCEPT}: 0 supposed" if there[0] else f"no {SLOPE}: 1 supposed"]


def _table(image: Scan) -> object:
    if not _is_there(image, TABLE):
        return None
    try:
        return image.item(TABLE)
    except (MalformedError, *UNREADABLE):
        return image.written_whole(TABLE)


def _is_there(image: Scan, keyword: str) -> bool:
    return bool(image.written_whole(keyword) if keyword == TABLE else image.written(keyword))


def _once_each(images: Sequence[Scan], keywords: Sequence[str]) -> list[Scan]:
    """Give one image for each way in which these values are written."""
    found = {tuple(image.written(keyword) for keyword in keywords): image for image in images}
    return list(found.values())


def _units(image: Scan) -> str:
    return image.text("Units").upper()


def _type(image: Scan) -> str:
    """Give the Rescale Type; absent it is HU in CT (PS3.3 C.8.2.1), elsewhere unspecified."""
    return image.text("RescaleType").upper() or ("HU" if image.text("Modality") == _CT else "US")


_SAID: dict[str, Callable[[Scan], str]] = {"Units": _units, "RescaleType": _type}
