"""Applies lookup tables, which map stored values to the modality's units or to what is shown."""

from collections.abc import Sequence

import numpy as np

from node.dicom.elements import MalformedError
from node.dicom.reading import UNREADABLE

MOST_BITS = 16


def look_up(
    values: np.ndarray,
    descriptor: Sequence[int],
    data: bytes | Sequence[int],
    *,
    little: bool = True,
) -> tuple[np.ndarray, int]:
    """Look values up in a modality, VOI or palette lookup table (PS3.3 C.11.1.1, C.11.2.1.1).

    Args:
        values: whole numbers, of any shape; what lies outside the table gets its first or last
            entry.
        descriptor: how many entries it has, the value that the first one is for, bits an entry.
        data: the entries, as bytes or as numbers.
        little: whether such bytes are little endian.

    Returns:
        The entries as float32, and how many bits they have.

    Raises:
        MalformedError: the table is damaged.
    """
    try:
        count, first, bits = (int(number) for number in descriptor)
        table = _entries(data, count % (1 << 16) or 1 << 16, little=little)
    except UNREADABLE as error:
        raise MalformedError("a lookup table cannot be read") from error
    if not 0 < bits <= MOST_BITS:
        raise MalformedError("a lookup table has entries of no known size")
    if first >= 1 << 15 and values.min(initial=0) < 0:  # written unsigned, but signed
        first -= 1 << 16
    places = np.clip(values.astype(np.int64) - first, 0, len(table) - 1)
    return table[places], bits


def _entries(data: bytes | Sequence[int], count: int, *, little: bool) -> np.ndarray:
    """Read the entries: of bytes where there are just as many, else of words."""
    if isinstance(data, bytes):
        kind = "u1" if len(data) in (count, count + 1) else "<u2" if little else ">u2"
        table = np.frombuffer(data, kind, count)
    else:
        table = np.array(data, np.int64) % (1 << 16)
    if len(table) < count:
        raise MalformedError("a lookup table has fewer entries than it should have")
    return table[:count].astype(np.float32)
