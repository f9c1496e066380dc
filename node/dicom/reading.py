"""Takes single values out of headers, patiently: what cannot be read counts as absent."""

import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from node.dicom.geometry import Plane

UNREADABLE = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError),
    *(RuntimeError, EOFError, struct.error, zlib.error, InvalidDicomError, BytesLengthException),
)
"""What pydicom raises on bytes that are not what they should be."""


def value_of(header: Dataset, keyword: str) -> object:
    """Give a value as pydicom reads it; None when it is absent or cannot be read."""
    try:
        return header.get(keyword)
    except UNREADABLE:
        return None


def text_of(header: Dataset, keyword: str) -> str:
    """Give a value as text, "" when it is absent or empty; several values joined by backslash."""
    value = value_of(header, keyword)
    if value is None and keyword in header:  # unreadable: as it lies in the file
        value = header.get_item(keyword).value
    if value is None:
        return ""
    if isinstance(value, bytes):
        value = value.decode("latin-1").rstrip("\0")
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "\\".join(str(part) for part in value)
    return str(value).strip()


def values_of(header: Dataset, keyword: str) -> tuple[str, ...]:
    """Give the values of a text element, none when it is absent."""
    joined = text_of(header, keyword)
    return tuple(joined.split("\\")) if joined else ()


def numbers_of(header: Dataset, keyword: str, count: int) -> np.ndarray | None:
    """Give exactly so many finite numbers as float64; None when they are not there."""
    try:
        value: Any = value_of(header, keyword)
        numbers = np.atleast_1d(np.array(value, dtype=np.float64))
    except (ValueError, TypeError, OverflowError):
        return None
    if numbers.shape != (count,) or not np.all(np.isfinite(numbers)):
        return None
    return numbers


def number_of(header: Dataset, keyword: str) -> float | None:
    """Give one finite number, or None."""
    numbers = numbers_of(header, keyword, 1)
    return None if numbers is None else float(numbers[0])


def plane_of(header: Dataset) -> Plane | str:
    """Give where a slice lies, or say which attribute is missing or no number (PS3.3 C.7.6.2)."""
    wanted = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}
    found = {}
    for keyword, count in wanted.items():
        numbers = numbers_of(header, keyword, count)
        if numbers is None:
            return f"{keyword} is missing, or is not {count} numbers"
        found[keyword] = numbers
    spacing = found["PixelSpacing"]
    if np.any(spacing <= 0):
        return "PixelSpacing is not positive"
    cosines = found["ImageOrientationPatient"]
    return Plane(
        found["ImagePositionPatient"],
        cosines[:3],
        cosines[3:],
        float(spacing[0]),
        float(spacing[1]),
    )


def padding_of(header: Dataset) -> tuple[int, int] | None:
    """Give the stored values, lowest and highest, that are padding and no measurement.

    PixelPaddingValue and PixelPaddingRangeLimit (PS3.3 C.7.5.1.1.2) are signed or not as the
    pixels are, whatever their own value representation says.
    """
    one = _stored_value(header, "PixelPaddingValue")
    if one is None:
        return None
    other = _stored_value(header, "PixelPaddingRangeLimit")
    other = one if other is None else other
    return min(one, other), max(one, other)


def _stored_value(header: Dataset, keyword: str) -> int | None:
    value = value_of(header, keyword)
    if isinstance(value, bytes):  # implicit VR: "US or SS", not yet decided
        value = int.from_bytes(value[:2], "little") if value else None
    if not isinstance(value, int):
        return None
    signed = value_of(header, "PixelRepresentation") == 1
    bits = int(number_of(header, "BitsAllocated") or 16)
    value %= 1 << bits
    return value - (1 << bits) if signed and value >= 1 << (bits - 1) else value
