"""Finds the elements of a data set by their lengths alone, decoding nothing, believing nothing.

It reads what a peer sent: every length is held against the bytes that are there, so that a data set
that ends too early is noticed before anybody is told that it is safe (PS3.5 7.1, 7.5, A.4).

Theory of operation. `values` steps over the top level and cuts out what is wanted. A tight loop
(`_stride_explicit`, `_stride_implicit`) takes the ordinary elements, of which nearly every object
consists; whatever is out of the ordinary (an undefined length, pixels, disorder, an end) it leaves
to `_Walker`, which alone judges. The bytes come from a source: `_Lying` for those that lie in
memory or in a mapped file, `_Inflating` for a deflated data set, which passes by and is not kept.
Neither takes memory that grows with the object.
"""

import mmap
import zlib
from collections.abc import Container
from struct import Struct
from typing import Any, NamedTuple

from node.dicom import services

Buffer = bytes | bytearray | memoryview | mmap.mmap
"""What a data set may lie in; a mapping must be one of a file, or shared (see `_Lying`)."""

PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
"""Float, double float and ordinary pixel data."""
LONGEST_VALUE = 1024
"""Bytes cut out of a value at most."""

_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_DELIMITERS = _ITEM >> 16
_UNDEFINED = 0xFFFFFFFF
_LETTERS = [bytes([letter]) for letter in range(ord("A"), ord("Z") + 1)]
_LONG_VRS = frozenset(
    [b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"]
)
"""Value representations with a length of four bytes (PS3.5 7.1.2)."""
_SHORT_VRS = frozenset(one + two for one in _LETTERS for two in _LETTERS) - _LONG_VRS
"""All others, known or not: a length of two bytes."""
_DEEPEST = 32
_INFLATED_AT_MOST = 1 << 30
_FED_AT_ONCE = 1 << 16
_INFLATED_AT_ONCE = 1 << 18
_LOOK_BACK = 4096
"""More than a value that is cut out and a head: so far back the walk may look."""
_RELEASED_EVERY = 1 << 23
_TOO_SHORT = "it ends in the middle of an element"
_NOT_DEFLATED = "it cannot be inflated"


class MalformedError(ValueError):
    """The bytes are not a data set in the transfer syntax that they were said to be in."""


class Element(NamedTuple):
    """One element: its tag as one number, the beginning of its value, where the next one is."""

    tag: int
    value: bytes
    end: int


class Encoding(NamedTuple):
    """How a data set is written: explicit or implicit VR, the byte order, and how to read it."""

    explicit: bool
    little: bool
    tag_and_length: Struct
    tag_vr_length: Struct
    long: Struct


def _encoding(*, explicit: bool, little: bool) -> Encoding:
    order = "<" if little else ">"
    structs = (Struct(f"{order}{layout}") for layout in ("HHI", "HH2sH", "I"))
    return Encoding(explicit, little, *structs)


EXPLICIT_LITTLE = _encoding(explicit=True, little=True)
IMPLICIT_LITTLE = _encoding(explicit=False, little=True)
_EXPLICIT_BIG = _encoding(explicit=True, little=False)


def encoding_of(transfer_syntax_uid: str) -> Encoding:
    """Give the encoding of a data set in this transfer syntax."""
    if transfer_syntax_uid == services.IMPLICIT_LITTLE_ENDIAN:
        return IMPLICIT_LITTLE
    return _EXPLICIT_BIG if transfer_syntax_uid == services.BIG_ENDIAN else EXPLICIT_LITTLE


def values(data: memoryview, transfer_syntax_uid: str, wanted: Container[int]) -> dict[int, bytes]:
    """Step through a data set up to and over its pixels, and cut out the values that are wanted.

    What follows the pixels is not looked at. A deflated data set (PS3.5 A.5) is inflated to its
    end, piece by piece: less than a mebibyte of it is held at a time, whatever the bytes.

    Args:
        data: the data set as it came over the wire; it is not copied.
        transfer_syntax_uid: what it is said to be written in.
        wanted: tags, as numbers.

    Returns:
        From tag to value, as it is written, of a long one the first `LONGEST_VALUE` bytes.

    Raises:
        MalformedError: a length leads out of the data, tags do not ascend, it is no data set; or
            it cannot be inflated, or only to more than a gibibyte.
    """
    if transfer_syntax_uid != services.DEFLATED_LITTLE_ENDIAN:
        return _values(_Lying(data), encoding_of(transfer_syntax_uid), wanted)
    source = _Inflating(data)
    try:
        return _values(source, EXPLICIT_LITTLE, wanted)
    finally:
        source.finish()  # what is wrong with its stream comes before what is wrong in it


def element_at(data: memoryview, encoding: Encoding, position: int) -> Element:
    """Give the element at a position of a data set that is not deflated.

    Raises:
        MalformedError: there is none, or its length leads out of the data.
    """
    return _Walker(_Lying(data), encoding).element(position)


def _values(
    source: "_Lying | _Inflating", encoding: Encoding, wanted: Container[int]
) -> dict[int, bytes]:
    walker = _Walker(source, encoding)
    stride = _stride_explicit if encoding.explicit else _stride_implicit
    found: dict[int, bytes] = {}
    position, before = 0, -1
    while True:
        if isinstance(source, _Lying):
            position, before = stride(source, encoding, (position, before), wanted, found)
        if source.ends_at(position):
            return found
        tag, value, position = walker.element(position)
        if tag <= before:
            raise MalformedError("its elements are not in ascending order")
        if tag in wanted:
            found[tag] = value
        if tag in PIXELS:
            return found
        before = tag


def _stride_explicit(
    source: "_Lying",
    encoding: Encoding,
    begin: tuple[int, int],
    wanted: Container[int],
    found: dict[int, bytes],
) -> tuple[int, int]:
    """Step over ordinary elements; give where the first other one is, and the tag before it."""
    view, limit = source.view, source.limit
    read, read_long = encoding.tag_vr_length.unpack_from, encoding.long.unpack_from
    short_vrs, first_pixels, longest = _SHORT_VRS, PIXELS[0], LONGEST_VALUE
    position, before = begin
    while position + 12 <= limit:
        group, number, vr, length = read(view, position)
        if vr in short_vrs:
            start = position + 8
        elif vr in _LONG_VRS:
            start = position + 12
            (length,) = read_long(view, position + 8)
        else:
            break
        tag, end = group << 16 | number, start + length
        if end > limit or not before < tag < first_pixels:
            break
        if tag in wanted:
            found[tag] = view[start : end if length <= longest else start + longest].tobytes()
        position, before = end, tag
    return position, before


def _stride_implicit(
    source: "_Lying",
    encoding: Encoding,
    begin: tuple[int, int],
    wanted: Container[int],
    found: dict[int, bytes],
) -> tuple[int, int]:
    """Do the same where no value representations are written."""
    view, limit = source.view, source.limit
    read = encoding.tag_and_length.unpack_from
    first_pixels, longest = PIXELS[0], LONGEST_VALUE
    position, before = begin
    while position + 8 <= limit:
        group, number, length = read(view, position)
        tag, start = group << 16 | number, position + 8
        end = start + length
        if end > limit or not before < tag < first_pixels:
            break
        if tag in wanted:
            found[tag] = view[start : end if length <= longest else start + longest].tobytes()
        position, before = end, tag
    return position, before


class _Lying:
    """A data set that lies in memory, or in a file that is mapped into it.

    Pages of a mapped file that were looked at count as ours until they are let go; stepping over
    the fragments of gigabytes would gather most of them. They are let go each `_RELEASED_EVERY`
    bytes, and come back from the file should anybody look again. (Of a private mapping of memory
    that would lose the content; nobody maps such a thing.)
    """

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self._size = len(view)
        self._mapped = view.obj if isinstance(view.obj, mmap.mmap) else None
        self.limit = min(self._size, _RELEASED_EVERY)
        """So far anybody may go in one stride."""

    def read(self, layout: Struct, position: int) -> tuple[Any, ...]:
        """Read numbers at a position."""
        end = position + layout.size
        if end > self.limit:
            self._go_on(end)
        return layout.unpack_from(self.view, position)

    def cut(self, position: int, count: int) -> bytes:
        """Give so many bytes from a position, or fewer if there are no more."""
        if position > self.limit:
            self._go_on(position)
        return self.view[position : position + count].tobytes()

    def reach(self, position: int) -> None:
        """See that there are bytes up to a position."""
        if position > self._size:
            raise MalformedError(_TOO_SHORT)

    def ends_at(self, position: int) -> bool:
        """Say whether there are no bytes from a position on."""
        return position >= self._size

    def _go_on(self, position: int) -> None:
        self.reach(position)
        if self._mapped is not None:
            self._mapped.madvise(mmap.MADV_DONTNEED)
        self.limit = min(self._size, position + _RELEASED_EVERY)


class _Inflating:
    """A deflated data set: what is inflated passes by in a window, and only forward."""

    def __init__(self, view: memoryview) -> None:
        self._deflated = _Lying(view)
        self._fed = 0
        self._machine = zlib.decompressobj(-zlib.MAX_WBITS)
        self._window = b""
        self._origin = 0  # where the window begins
        self._size = 0  # so much has come
        self._over = False
        self._broken = False

    def read(self, layout: Struct, position: int) -> tuple[Any, ...]:
        """Read numbers at a position."""
        self.reach(position + layout.size)
        return layout.unpack_from(self._window, position - self._origin)

    def cut(self, position: int, count: int) -> bytes:
        """Give so many bytes from a position, or fewer if there are no more."""
        self._inflate_to(position + count)
        start = position - self._origin
        return self._window[start : start + count]

    def reach(self, position: int) -> None:
        """See that there are bytes up to a position."""
        self._inflate_to(position)
        if position > self._size:
            raise MalformedError(_TOO_SHORT)

    def ends_at(self, position: int) -> bool:
        """Say whether there are no bytes from a position on."""
        self._inflate_to(position + 1)
        return position >= self._size

    def finish(self) -> None:
        """Inflate the rest, and throw it away.

        Raises:
            MalformedError: it cannot be inflated, is too large, or its end is missing.
        """
        self._inflate_to(_INFLATED_AT_MOST + 1)
        if self._broken:
            raise MalformedError(_NOT_DEFLATED)
        if not self._machine.eof or self._size > _INFLATED_AT_MOST:
            raise MalformedError("its deflated stream does not end, or is too large")

    def _inflate_to(self, position: int) -> None:
        position = min(position, _INFLATED_AT_MOST + 1)
        while self._size < position and not self._over:
            piece = self._next()
            self._origin = max(self._origin, self._size - _LOOK_BACK)
            self._window = self._window[-_LOOK_BACK:] + piece
            self._size += len(piece)

    def _next(self) -> bytes:
        """Inflate a piece; none comes out of some bytes that go in."""
        fresh = self._machine.unconsumed_tail
        if not fresh:
            fresh = self._deflated.cut(self._fed, _FED_AT_ONCE)
            self._fed += len(fresh)
        try:
            piece = self._machine.decompress(fresh, _INFLATED_AT_ONCE)
        except zlib.error as error:
            self._over = self._broken = True
            raise MalformedError(_NOT_DEFLATED) from error
        self._over = self._machine.eof or not (fresh or piece)
        return piece


class _Walker:
    """Steps over elements, whatever they hold."""

    def __init__(self, source: _Lying | _Inflating, encoding: Encoding) -> None:
        self._source = source
        self._encoding = encoding

    def element(self, position: int) -> Element:
        """Give the element at a position."""
        tag, vr, start, length = self._head(position)
        value = self._source.cut(start, LONGEST_VALUE)  # now: a source may only go forward
        end = self._after(tag, vr, start, length, depth=0)
        return Element(tag, value[: end - start], end)

    def _head(self, position: int) -> tuple[int, bytes, int, int]:
        """Read tag, VR (empty in implicit), start of the value and length (PS3.5 7.1.2, 7.1.3)."""
        group, number, length = self._source.read(self._encoding.tag_and_length, position)
        tag = group << 16 | number
        if not self._encoding.explicit or group == _DELIMITERS:
            return tag, b"", position + 8, length
        vr, length = self._source.read(self._encoding.tag_vr_length, position)[2:]
        if vr in _LONG_VRS:
            length = self._source.read(self._encoding.long, position + 8)[0]
            return tag, vr, position + 12, length
        if vr not in _SHORT_VRS:
            raise MalformedError("it has an element without a value representation")
        return tag, vr, position + 8, length

    def _after(self, tag: int, vr: bytes, start: int, length: int, *, depth: int) -> int:
        """Give where an element ends."""
        if length != _UNDEFINED:
            end = start + length
        elif tag in PIXELS:
            end = self._after_fragments(start)
        elif vr == b"UN":  # unknown: inside it is implicit little endian (PS3.5 6.2.2)
            end = _Walker(self._source, IMPLICIT_LITTLE).after_items(start, depth)
        else:
            end = self.after_items(start, depth)
        self._source.reach(end)
        return end

    def after_items(self, position: int, depth: int) -> int:
        """Step over the items of a sequence of undefined length (PS3.5 7.5.2)."""
        if depth > _DEEPEST:
            raise MalformedError("its sequences are nested too deeply")
        while True:
            tag, length = self._delimiter(position)
            position += 8
            if tag == _SEQUENCE_END:
                return position
            if tag != _ITEM:
                raise MalformedError("a sequence holds something that is not an item")
            if length == _UNDEFINED:
                position = self._after_item(position, depth)
            else:
                position += length

    def _after_item(self, position: int, depth: int) -> int:
        while self._delimiter(position)[0] != _ITEM_END:
            position = self._after(*self._head(position), depth=depth + 1)
        return position + 8

    def _after_fragments(self, position: int) -> int:
        """Step over compressed pixels: an offset table and fragments (PS3.5 A.4)."""
        while True:
            tag, length = self._delimiter(position)
            position += 8
            if tag == _SEQUENCE_END:
                return position
            if tag != _ITEM or length == _UNDEFINED:
                raise MalformedError("its compressed pixels are not cut into fragments")
            position += length

    def _delimiter(self, position: int) -> tuple[int, int]:
        group, number, length = self._source.read(self._encoding.tag_and_length, position)
        return group << 16 | number, length
