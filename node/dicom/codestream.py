"""Reads the first bytes of a compressed image: what it says of its own size and precision.

A decoder takes memory for what the codestream says, not for what the header says; so both are held
against each other before anything is decoded. And decoders make up what a codestream lacks, without
a word: so one that has no end, or lacks a tile, is found out here.
"""

from collections.abc import Iterator
from struct import error, unpack_from
from typing import NamedTuple

from node.dicom.elements import MalformedError

_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}) | {0xF7}
"""JPEG's start-of-frame markers (ITU-T T.81 B.1.1.3), and JPEG-LS's (T.87)."""
_TABLES = frozenset({0xC4, 0xDB, 0xDD, 0xF8})
"""Huffman and quantization tables, restart interval, JPEG-LS's presets."""
_OTHERS = frozenset({*range(0xE0, 0xF0), 0xFE})
"""Of applications, and comments."""
_SCAN = 0xDA
_JPEG_2000 = b"\xff\x4f\xff\x51"
_JP2 = b"\x00\x00\x00\x0cjP  "
_MOST_TILES, _MOST_BITS = 4096, 32
_END = b"\xff\xd9"
"""The end of all these codestreams; it cannot occur within what is coded."""
_TILE_PART, _TILE_PART_HEAD = b"\xff\x90", 12


class Codestream(NamedTuple):
    """What a codestream says: rows, columns, samples a pixel, bits a sample, signed (JPEG 2000)."""

    rows: int
    columns: int
    samples: int
    precision: int
    signed: bool = False


def read(frame: bytes) -> Codestream:
    """Read what a JPEG, JPEG-LS or JPEG 2000 codestream says of itself.

    Raises:
        MalformedError: it is none, it is cut short, or it wants more tiles than any image has.
    """
    try:
        if frame[:2] == b"\xff\xd8":
            return _jpeg(frame)
        start = frame.find(_JPEG_2000, 0, 4096) if frame[:8] == _JP2 else 0
        if start >= 0 and frame[start : start + 4] == _JPEG_2000:
            return _jpeg_2000(frame, start + 4)
    except (IndexError, error) as problem:
        raise MalformedError("its codestream is damaged") from problem
    raise MalformedError("its pixels are no codestream of a kind that is known")


def plain_jpeg(frame: bytes) -> bytes:
    """Give a JPEG codestream with nothing before its scan but tables and the frame.

    What applications put there is of no use for grey images, and makes decoders stumble.

    Raises:
        MalformedError: it is damaged.
    """
    kept, scan = [b"\xff\xd8"], 0
    for marker, start, end in _segments(frame):
        if marker in _FRAMES or marker in _TABLES:
            kept.append(frame[start:end])
        scan = start
    return b"".join((*kept, frame[scan:]))


def _segments(frame: bytes) -> Iterator[tuple[int, int, int]]:
    """Step over the marker segments of JPEG (T.81 B.1.1.4), up to the first scan, included."""
    position, marker = 2, 0
    while marker != _SCAN:
        while frame[position : position + 2] == b"\xff\xff":  # fill bytes
            position += 1
        lead, marker, length = unpack_from(">BBH", frame, position)
        end = position + 2 + length
        known = marker in _FRAMES or marker in _TABLES or marker in _OTHERS or marker == _SCAN
        if lead != 0xFF or not known or length < 2 or end > len(frame):
            raise MalformedError("its codestream is damaged")
        yield marker, position, end
        position = end


def _jpeg(frame: bytes) -> Codestream:
    found = None
    for marker, start, end in _segments(frame):
        if marker in _FRAMES:
            precision, rows, columns, samples = unpack_from(">BHHB", frame, start + 4)
            if found is not None or end - start != 10 + 3 * samples or not 2 <= precision <= 16:
                raise MalformedError("its codestream is damaged")
            found = Codestream(rows, columns, samples, precision)
    if found is None or frame.rfind(_END) < 0:
        raise MalformedError("its codestream is cut short")
    return found


def _jpeg_2000(frame: bytes, position: int) -> Codestream:
    """Read the SIZ marker segment (ITU-T T.800 A.5.1)."""
    right, bottom, left, top, wide, high, across, down = unpack_from(">8I", frame, position + 4)
    (samples,) = unpack_from(">H", frame, position + 36)
    columns, rows = right - left, bottom - top
    if min(columns, rows, wide, high, samples) <= 0:
        raise MalformedError("its codestream is damaged")
    tiles = -(-(right - across) // wide) * -(-(bottom - down) // high)
    if tiles * samples > _MOST_TILES:
        raise MalformedError("its codestream is cut into too many tiles")
    depths = {unpack_from(">B", frame, position + 38 + 3 * one)[0] for one in range(samples)}
    steps = {frame[position + 39 + 3 * one + end] for one in range(samples) for end in (0, 1)}
    if len(depths) != 1 or steps != {1}:
        raise MalformedError("its codestream has components that differ")
    if _tiles(frame, position) != set(range(tiles)):
        raise MalformedError("its codestream lacks a part of the image")
    depth = depths.pop()
    precision = (depth & 0x7F) + 1
    if precision > _MOST_BITS:
        raise MalformedError("its codestream is damaged")
    return Codestream(rows, columns, samples, precision, depth >= 0x80)


def _tiles(frame: bytes, position: int) -> set[int]:
    """Step over the marker segments and tile-parts to the end; give which tiles there are (A.4)."""
    found: set[int] = set()
    position += unpack_from(">H", frame, position)[0]
    while frame[position : position + 2] != _END:
        (length,) = unpack_from(">H", frame, position + 2)
        if frame[position : position + 2] == _TILE_PART:
            tile, size = unpack_from(">HI", frame, position + 4)
            found.add(tile)
            if not size:  # the last one may leave its length open
                size = frame.rfind(_END) - position
            if size < _TILE_PART_HEAD:
                raise MalformedError("its codestream is cut short")
            position += size
        else:
            position += 2 + max(length, 2)
    return found
