"""Writes the frames of a Segmentation: what is said of each frame, and its pixels, as they lie.

A library that makes an object of every attribute needs a millisecond a frame, and a body's hundred
structures are thousands of frames. What is said of a frame differs in five values only, so here it
is bytes put together from pieces: a piece for each plane, one for each segment. Pixels go straight
from the label map to the file. Memory is that of one plane, whatever the number of frames.

A file is the library's own (for everything that is said once), followed by Per-frame Functional
Groups Sequence (5200,9230) and Pixel Data (7FE0,0010), which come last (PS3.5 7.1).
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from node.dicom.results import lineage
from node.dicom.results.pointing import frame_of
from node.dicom.results.runs import all_runs
from node.dicom.volume import Volume
from node.rules.nouns import Code

LONGEST = (1 << 32) - 2
"""Most bytes of a value (PS3.5 7.1.2)."""
_DERIVATION = Code("113076", "DCM", "Segmentation")
_PURPOSE = Code("121322", "DCM", "Source image for image processing operation")
_ITEM = (int("FFFE", 16), int("E000", 16))
_LONG = frozenset((b"SQ", b"OB", b"OW"))


class TooLargeError(ValueError):
    """A Segmentation would be larger than DICOM can say."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: which plane of the volume, which segment (None: all), and its dimension indices.

    `rows` are the first row with a voxel and the one after the last.
    """

    plane: int
    label: int | None
    segment: int | None
    place: int
    rows: tuple[int, int]


def frames_by_segment(
    labels: np.ndarray, order: Sequence[int], known: Sequence[int]
) -> list[Frame]:
    """List a frame for each segment on each plane where it has a voxel, segment by segment.

    Args:
        labels: the label map, [slices, rows, columns].
        order: the planes in the order of their dimension index.
        known: the labels of the segments, in the order of their numbers from 1.
    """
    extents = _extents(labels)
    filled = _filled(extents, order, known)
    return [
        Frame(plane, label, number, place, extents[plane][label])
        for number, label in enumerate(known, 1)
        for place, plane in enumerate(filled, 1)
        if label in extents[plane]
    ]


def frames_by_plane(labels: np.ndarray, order: Sequence[int], known: Sequence[int]) -> list[Frame]:
    """List a frame for each plane on which any segment has a voxel."""
    whole = (0, labels.shape[1])
    filled = _filled(_extents(labels), order, known)
    return [Frame(plane, None, None, place, whole) for place, plane in enumerate(filled, 1)]


Extents = list[dict[int, tuple[int, int]]]
"""Of each plane: for each label in it, its first row and the one after its last."""


def _filled(extents: Extents, order: Sequence[int], known: Sequence[int]) -> list[int]:
    return [plane for plane in order if any(label in extents[plane] for label in known)]


def _extents(labels: np.ndarray) -> Extents:
    found: Extents = [{} for _ in labels]
    for start, some in all_runs(labels):
        kinds = int(some.label.max(initial=0)) + 1
        key = some.plane * kinds + some.label
        keys, first = np.unique(key, return_index=True)  # rows ascend within a plane
        _, last = np.unique(key[::-1], return_index=True)
        for one, top, bottom in zip(keys, some.row[first], some.row[::-1][last], strict=True):
            found[start + int(one) // kinds][int(one) % kinds] = (int(top), int(bottom) + 1)
    return found


# ---- what is said of each frame ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pixels:
    """The pixels of all frames.

    `pieces` follow one another and make `size` bytes together, without padding. `words` says that
    a pixel has more than eight bits, so that its value representation is OW (PS3.5 A.2).
    """

    pieces: Iterable[bytes]
    size: int
    words: bool = False


def append_frames(path: Path, volume: Volume, frames: Sequence[Frame], pixels: Pixels) -> None:
    """Append functional groups and pixels to a file that has everything else.

    Args:
        path: a Part 10 file in explicit VR little endian.
        volume: the images; their numbers must be written as the file's other parts write them.
        frames: in the order of the pixels.
        pixels: of all frames.

    Raises:
        TooLargeError: there are more pixels than a DICOM value can hold.
        OSError: the file cannot be written.
    """
    size = pixels.size
    if size > LONGEST:
        raise TooLargeError(
            f"the Segmentation would have {size / 1e9:.1f} GB of pixels; DICOM allows 4.3 GB"
        )
    with path.open("ab") as file:
        _append_groups(file, volume, frames)
        kind = b"OW" if pixels.words else b"OB"
        file.write(_head(int("7FE0", 16), int("10", 16), kind, size + size % 2))
        for piece in pixels.pieces:
            file.write(piece)
        if size % 2:
            file.write(b"\0")  # PS3.5 8.1.1


def _append_groups(file: BinaryIO, volume: Volume, frames: Sequence[Frame]) -> None:
    derived, placed = {}, {}
    for plane in {frame.plane for frame in frames}:
        derived[plane] = _derivation(volume, plane)
        placed[plane] = _position(volume, plane)
    groups = []
    for frame in frames:
        of_segment = b"" if frame.segment is None else _identification(frame.segment)
        content = _content(frame)
        groups.append(_item(derived[frame.plane] + content + placed[frame.plane] + of_segment))
    body = b"".join(groups)
    file.write(_head(int("5200", 16), int("9230", 16), b"SQ", len(body)))
    file.write(body)


def _derivation(volume: Volume, plane: int) -> bytes:
    """Derivation Image macro (PS3.3 C.7.6.16.2.6): from which image a plane was derived.

    No image shows a slice that was filled in from its neighbours; it has no item (type 2).
    """
    if plane in volume.filled:
        return _element("0008", "9124", b"SQ", b"")
    source = volume.sources[plane]
    number = frame_of(source)
    image = (
        _element("0008", "1150", b"UI", str(source.SOPClassUID))
        + _element("0008", "1155", b"UI", str(source.SOPInstanceUID))
        + _element("0008", "1160", b"IS", str(number)) * (number is not None)
        + _element("0028", "135A", b"CS", "YES")
        + _sequence("0040", "A170", _coded(_PURPOSE))
    )
    return _sequence(
        "0008",
        "9124",
        _sequence("0008", "2112", image) + _sequence("0008", "9215", _coded(_DERIVATION)),
    )


def _content(frame: Frame) -> bytes:
    """Frame Content macro (PS3.3 C.7.6.16.2.2): the dimension index values."""
    values = (frame.place,) if frame.segment is None else (frame.segment, frame.place)
    encoded = struct.pack(f"<{len(values)}I", *values)
    return _sequence("0020", "9111", _element("0020", "9157", b"UL", encoded))


def _position(volume: Volume, plane: int) -> bytes:
    """Plane Position macro (PS3.3 C.7.6.16.2.3)."""
    text = "\\".join(lineage.position(volume.sources[plane]))
    return _sequence("0020", "9113", _element("0020", "0032", b"DS", text))


def _identification(segment: int) -> bytes:
    """Segment Identification macro (PS3.3 C.8.20.3.1)."""
    number = _element("0062", "000B", b"US", struct.pack("<H", segment))
    return _sequence("0062", "000A", number)


def _coded(code: Code) -> bytes:
    return (
        _element("0008", "0100", b"SH", code.value)
        + _element("0008", "0102", b"SH", code.scheme)
        + _element("0008", "0104", b"LO", code.meaning)
    )


def _head(group: int, element: int, vr: bytes, length: int) -> bytes:
    if vr in _LONG:
        return struct.pack("<HH2sxxI", group, element, vr, length)
    return struct.pack("<HH2sH", group, element, vr, length)


def _element(group: str, element: str, vr: bytes, value: str | bytes) -> bytes:
    if isinstance(value, str):
        value = value.encode("ascii")
        value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    return _head(int(group, 16), int(element, 16), vr, len(value)) + value


def _sequence(group: str, element: str, content: bytes) -> bytes:
    return _element(group, element, b"SQ", _item(content))


def _item(content: bytes) -> bytes:
    return struct.pack("<HHI", *_ITEM, len(content)) + content


# ---- pixels ------------------------------------------------------------------------------------


def bits(labels: np.ndarray, frames: Sequence[Frame]) -> Pixels:
    """Pack each frame's mask, one bit a pixel, lowest first, frames without a gap (PS3.5 8.1.1)."""
    _, rows, columns = labels.shape
    pieces = _bits_by_rows(labels, frames) if columns % 8 == 0 else _bits(labels, frames)
    return Pixels(pieces, (len(frames) * rows * columns + 7) // 8)


def _bits(labels: np.ndarray, frames: Sequence[Frame]) -> Iterator[bytes]:
    left = np.zeros(0, bool)
    for frame in frames:
        stream = np.concatenate([left, (labels[frame.plane] == frame.label).ravel()])
        whole = len(stream) // 8 * 8
        yield np.packbits(stream[:whole], bitorder="little").tobytes()
        left = stream[whole:]
    yield np.packbits(left, bitorder="little").tobytes()


def _bits_by_rows(labels: np.ndarray, frames: Sequence[Frame]) -> Iterator[bytes]:
    """Pack only the rows where there is something: every row begins a byte."""
    _, rows, columns = labels.shape
    wide = columns // 8
    nothing = bytes(rows * wide)
    for frame in frames:
        first, end = frame.rows
        mask = labels[frame.plane, first:end] == frame.label
        yield nothing[: first * wide]
        yield np.packbits(mask, bitorder="little").tobytes()
        yield nothing[end * wide :]


def numbers(labels: np.ndarray, frames: Sequence[Frame], known: Sequence[int]) -> Pixels:
    """Give each frame's segment numbers, 8 or 16 bits a pixel, 0 for background."""
    kind = np.dtype(np.uint8 if len(known) < 256 else np.uint16)
    table = np.zeros(max(*known, int(labels.max(initial=0))) + 1, kind.newbyteorder("<"))
    for number, label in enumerate(known, 1):
        table[label] = number
    pieces = (table[labels[frame.plane]].tobytes() for frame in frames)
    return Pixels(pieces, len(frames) * labels[0].size * kind.itemsize, words=kind.itemsize > 1)
