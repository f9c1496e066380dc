"""Steps through the items of a sequence and finds single values in them, without decoding them.

Enhanced images say of each of their frames where it lies and how it was taken, in sequences within
sequences (PS3.3 C.7.6.16): thousands of items, of which a dozen values each are wanted.
"""

from collections.abc import Iterator
from typing import NamedTuple

from node.dicom import elements
from node.dicom.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE, Encoding, MalformedError
from node.dicom.scanning import Scan

_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_PREFIX, _META_GROUP = 132, b"\2\0"
_TOO_SHORT = "it ends in the middle of an element"


class Part(NamedTuple):
    """A stretch of a header that is made of elements, or of items."""

    view: memoryview
    encoding: Encoding
    start: int
    end: int


def header_of(image: Scan) -> Part:
    """Give the elements of an image's data set, up to its pixels; one that is not deflated.

    Raises:
        MalformedError: its file meta information cannot be read.
    """
    head = memoryview(image.head)
    position = _PREFIX
    while head[position : position + 2] == _META_GROUP:
        position = elements.element_at(head, EXPLICIT_LITTLE, position).end
    return Part(head, elements.encoding_of(image.transfer_syntax), position, len(head))


def each(part: Part) -> Iterator[tuple[int, Part]]:
    """Give tag and value of each element.

    The part that is given of a sequence is one of items, whatever its length is said to be.

    Raises:
        MalformedError: they are no elements.
    """
    view, encoding, position, limit = part
    while position < limit:
        if position + 8 > limit:
            raise MalformedError(_TOO_SHORT)
        group, number, length = encoding.tag_and_length.unpack_from(view, position)
        tag, start, inside = group << 16 | number, position + 8, encoding
        if tag == _ITEM_END:
            return
        if encoding.explicit:
            vr = bytes(view[position + 4 : position + 6])
            start, length = _explicit(part, position, vr)
            if vr == b"UN":
                inside = IMPLICIT_LITTLE  # PS3.5 6.2.2
        if length == _UNDEFINED:
            end = elements.element_at(view, encoding, position).end
        else:
            end = start + length
        if end > limit:
            raise MalformedError(_TOO_SHORT)
        yield tag, Part(view, inside, start, end)
        position = end


def _explicit(part: Part, position: int, vr: bytes) -> tuple[int, int]:
    view, encoding = part.view, part.encoding
    if vr not in _LONG_VRS:
        return position + 8, encoding.tag_vr_length.unpack_from(view, position)[3]
    if position + 12 > part.end:
        raise MalformedError(_TOO_SHORT)
    return position + 12, encoding.long.unpack_from(view, position + 8)[0]


def items(sequence: Part) -> Iterator[Part]:
    """Give the items of a sequence, each as the part of its elements (PS3.5 7.5).

    Raises:
        MalformedError: it is no sequence.
    """
    view, encoding, position, limit = sequence
    while position < limit:
        if position + 8 > limit:
            raise MalformedError(_TOO_SHORT)
        group, number, length = encoding.tag_and_length.unpack_from(view, position)
        tag = group << 16 | number
        if tag == _SEQUENCE_END:
            return
        if tag != _ITEM:
            raise MalformedError("a sequence holds something that is not an item")
        position += 8
        if length == _UNDEFINED:
            end = _end_of_item(Part(view, encoding, position, limit))
            yield Part(view, encoding, position, end)
            position = end + 8
        else:
            end = position + length
            if end > limit:
                raise MalformedError(_TOO_SHORT)
            yield Part(view, encoding, position, end)
            position = end


def _end_of_item(part: Part) -> int:
    """Give where the delimiter of an item of undefined length is."""
    end = part.start
    for _, value in each(part):
        end = value.end
    group, number, _ = part.encoding.tag_and_length.unpack_from(part.view, end)
    if group << 16 | number != _ITEM_END:
        raise MalformedError("an item does not end")
    return end


def first_item(sequence: Part) -> Part | None:
    """Give the first item of a sequence; None where there is none."""
    return next(items(sequence), None)


def value(part: Part) -> bytes:
    """Give the bytes of a value, of a long one the beginning."""
    return bytes(part.view[part.start : min(part.end, part.start + elements.LONGEST_VALUE)])
