"""Finds the elements of a data set by their lengths alone, decoding nothing, believing nothing.

It reads what a peer sent: every length is held against the bytes that are there, so that a data set
that ends too early is noticed before anybody is told that it is safe (PS3.5 7.1, 7.5, A.4).
"""

import zlib
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from node.dicom import services

PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
"""Float, double float and ordinary pixel data."""

_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_DELIMITERS = _ITEM >> 16
_UNDEFINED = 0xFFFFFFFF
_LONG_VRS = frozenset(
    [b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"]
)
"""Value representations with a length of four bytes (PS3.5 7.1.2)."""
_DEEPEST = 32
_INFLATED_AT_MOST = 1 << 30


class MalformedError(ValueError):
    """The bytes are not a data set in the transfer syntax that they were said to be in."""


class Element(NamedTuple):
    """One element: its tag as one number, its VR (empty in implicit), where its value lies."""

    tag: int
    vr: bytes
    start: int
    length: int
    undefined: bool


class Encoding(NamedTuple):
    """How a data set is written: explicit or implicit VR, and the byte order."""

    explicit: bool
    little: bool


EXPLICIT_LITTLE = Encoding(explicit=True, little=True)
IMPLICIT_LITTLE = Encoding(explicit=False, little=True)


def encoding_of(transfer_syntax_uid: str) -> Encoding:
    """Give the encoding of a data set in this transfer syntax."""
    if transfer_syntax_uid == services.IMPLICIT_LITTLE_ENDIAN:
        return IMPLICIT_LITTLE
    return Encoding(explicit=True, little=transfer_syntax_uid != services.BIG_ENDIAN)


def inflated(data: bytes, transfer_syntax_uid: str) -> bytes:
    """Give the data set's bytes, inflated if it was deflated (PS3.5 A.5).

    Raises:
        MalformedError: they cannot be inflated, or only to more than a gibibyte.
    """
    if transfer_syntax_uid != services.DEFLATED_LITTLE_ENDIAN:
        return data
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = machine.decompress(data, _INFLATED_AT_MOST)
    except zlib.error as error:
        raise MalformedError("it cannot be inflated") from error
    if not machine.eof:
        raise MalformedError("its deflated stream does not end, or is too large")
    return plain


def elements(data: bytes, encoding: Encoding, start: int = 0) -> Iterator[Element]:
    """Yield the top-level elements in order, up to and including the pixels.

    What follows the pixels is not looked at. Values are the caller's to cut out:
    `data[e.start : e.start + e.length]`.

    Raises:
        MalformedError: a length leads out of the data, tags do not ascend, or it is no data set.
    """
    walker = _Walker(data, encoding)
    position, before = start, -1
    while position < len(data):
        element = walker.element(position)
        if element.tag <= before:
            raise MalformedError("its elements are not in ascending order")
        before = element.tag
        yield element
        if element.tag in PIXELS:
            return
        position = element.start + element.length


class _Walker:
    """Steps over elements, whatever they hold."""

    def __init__(self, data: bytes, encoding: Encoding) -> None:
        self._data = data
        self._encoding = encoding
        order = "<" if encoding.little else ">"
        self._tag_and_length = Struct(f"{order}HHI")
        self._short = Struct(f"{order}H")
        self._long = Struct(f"{order}I")

    def element(self, position: int, depth: int = 0) -> Element:
        """Give the element at a position, with its true length in bytes up to the next one."""
        tag, vr, start, length = self._head(position)
        undefined = length == _UNDEFINED
        if undefined:
            if tag in PIXELS:
                end = self._after_fragments(start)
            else:
                end = self._inside(vr).after_items(start, depth)
            length = end - start
        if start + length > len(self._data):
            raise MalformedError("it ends in the middle of an element")
        return Element(tag, vr, start, length, undefined)

    def _head(self, position: int) -> tuple[int, bytes, int, int]:
        """Read tag, VR, start of the value and its length (PS3.5 7.1.2, 7.1.3)."""
        group, number, length = self._read(position)
        tag = group << 16 | number
        if not self._encoding.explicit or group == _DELIMITERS:
            return tag, b"", position + 8, length
        vr = self._data[position + 4 : position + 6]
        if vr in _LONG_VRS:
            if position + 12 > len(self._data):
                raise MalformedError("it ends in the middle of an element")
            return tag, vr, position + 12, self._long.unpack_from(self._data, position + 8)[0]
        if not (vr.isalpha() and vr.isupper()):
            raise MalformedError("it has an element without a value representation")
        return tag, vr, position + 8, self._short.unpack_from(self._data, position + 6)[0]

    def _read(self, position: int) -> tuple[int, int, int]:
        if position + 8 > len(self._data):
            raise MalformedError("it ends in the middle of an element")
        group, number, length = self._tag_and_length.unpack_from(self._data, position)
        return group, number, length

    def _inside(self, vr: bytes) -> "_Walker":
        """Unknown values of undefined length hold implicit little endian (PS3.5 6.2.2)."""
        return _Walker(self._data, IMPLICIT_LITTLE) if vr == b"UN" else self

    def after_items(self, position: int, depth: int) -> int:
        """Step over the items of a sequence of undefined length (PS3.5 7.5.2)."""
        if depth > _DEEPEST:
            raise MalformedError("its sequences are nested too deeply")
        while True:
            group, number, length = self._read(position)
            tag, position = group << 16 | number, position + 8
            if tag == _SEQUENCE_END:
                return position
            if tag != _ITEM:
                raise MalformedError("a sequence holds something that is not an item")
            if length == _UNDEFINED:
                position = self._after_item(position, depth)
            else:
                position += length

    def _after_item(self, position: int, depth: int) -> int:
        while True:
            group, number, _ = self._read(position)
            if (group << 16 | number) == _ITEM_END:
                return position + 8
            element = self.element(position, depth + 1)
            position = element.start + element.length

    def _after_fragments(self, position: int) -> int:
        """Step over compressed pixels: an offset table and fragments (PS3.5 A.4)."""
        while True:
            group, number, length = self._read(position)
            tag, position = group << 16 | number, position + 8
            if tag == _SEQUENCE_END:
                return position
            if tag != _ITEM or length == _UNDEFINED:
                raise MalformedError("its compressed pixels are not cut into fragments")
            position += length
