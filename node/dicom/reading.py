"""Takes single values out of headers, patiently: what cannot be read counts as absent."""

import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

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
