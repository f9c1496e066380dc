"""Holds a SEG's masks against the label map: counted, and placed by the SEG's own headers."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydicom.dataset import Dataset

from node.dicom.reading import text_of
from node.dicom.results.model_run import Made, ModelRun
from node.dicom.results.pointing import Key, key_of
from node.dicom.results.runs import all_runs, filled_lines, runs
from node.dicom.results.validation.documents import missing
from node.rules.naming import tracking_uid

CENTROID_TOLERANCE_MM = 0.1

_TYPE_1_SEG = (
    "FrameOfReferenceUID",
    "ContentLabel",
    "SegmentationType",
    "NumberOfFrames",
    "SegmentSequence",
    "ReferencedSeriesSequence",
    "SharedFunctionalGroupsSequence",
    "DimensionOrganizationSequence",
    "DimensionIndexSequence",
)
_AT_ONCE = 32
"""Frames whose pixels are looked at together."""
_GROUPS = struct.pack("<HH2s", int("5200", 16), int("9230", 16), b"SQ")
_SERIES = struct.pack("<HH2s", 8, int("1115", 16), b"SQ")
_PIXELS = struct.pack("<HH", int("7FE0", 16), int("10", 16))
_LONG = (b"SQ", b"OB", b"OW", b"UT", b"UN")
_INSTANCES, _INSTANCE = ("0008", "114A"), ("0008", "1155")
_POSITION = ("0020", "9113", "0020", "0032")
_SEGMENT = ("0062", "000A", "0062", "000B")
_SOURCE = ("0008", "9124", "0008", "2112", "0008", "1155")
_SOURCE_FRAME = (*_SOURCE[:5], "1160")


class UnreadableFramesError(ValueError):
    """What stands at the place of the frames is not what should stand there."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """What a file says of one frame: segment (None: all), first pixel, image (None: none)."""

    segment: int | None
    position: tuple[float, float, float]
    source: Key | None


def problems(run: ModelRun, made: Made | None, seg: Dataset | None) -> list[str]:
    """Say what is wrong with a Segmentation; None stands for one that was not made."""
    if made is None or seg is None:
        return ["the model found segments, but there is no SEG"] if run.present else []
    what = made.kind
    found = list(missing(what, seg, _TYPE_1_SEG))
    if found:
        return found
    try:
        return list(_mask_problems(what, seg, made.path, run))
    except UnreadableFramesError as error:
        return [f"the {what}'s frames cannot be read: {error}"]


def _mask_problems(what: str, seg: Dataset, path: Path, run: ModelRun) -> Iterator[str]:
    labels, present = run.findings.labels, run.present
    assert labels is not None  # noqa: S101 - there is a SEG
    frames, start, end = _frames(path, text_of(seg.file_meta, "TransferSyntaxUID"))
    if len(frames) != int(seg.NumberOfFrames):
        yield f"the {what} says {seg.NumberOfFrames} frames and describes {len(frames)}"
        return
    yield from _source_problems(what, path, frames, run)
    described = list(seg.SegmentSequence)
    if [text_of(one, "TrackingUID") for one in described] != [
        tracking_uid(run.job.job_id, one.name) for one in present
    ]:
        yield f"the {what} does not describe the segments that were found, in their order"
        return
    names = run.segment_names
    if [text_of(one, "SegmentLabel") for one in described] != [names[x.label] for x in present]:
        yield f"the {what} does not call the segments what they are called"
    pixels = np.memmap(path, np.uint8, "r", start, (end - start,))
    counts, centroids = _measured(seg, frames, pixels, len(described))
    true_counts, true_centroids = _true_measures(labels, run.volume.affine)
    for number, segment in enumerate(present):
        count, expected = counts[number], true_counts[segment.label]
        if count != expected:
            yield f"{segment.name} has {count} voxels in the {what}, {expected} in the mask"
            continue
        if count != run.measured[segment.label].voxels:
            yield f"{segment.name} was measured over other voxels than the {what} has"
        apart = float(np.linalg.norm(centroids[number] - true_centroids[segment.label]))
        if apart > CENTROID_TOLERANCE_MM:
            yield f"{segment.name} lies {apart:.2f} mm away from where the mask has it"


def _referenced(path: Path) -> Iterator[str]:
    """Give the source images that a SEG names for the whole.

    Raises:
        UnreadableFramesError: they are not named as they should be.
    """
    content = np.memmap(path, np.uint8, "r").data
    for series in _items(_value(content, _find(content, _SERIES))[0]):
        for one in _items(_within(series, _INSTANCES) or memoryview(b"")):
            uid = _within(one, _INSTANCE)
            yield bytes(uid).rstrip(b"\0").decode("ascii") if uid is not None else ""


def _source_problems(
    what: str, path: Path, frames: Sequence[_Frame], run: ModelRun
) -> Iterator[str]:
    """Look whether the SEG speaks of its source images alone, and each frame lies on its own."""
    filled = set(run.volume.filled)
    images: dict[Key, list[Dataset]] = {}
    for plane, one in enumerate(run.volume.sources):
        if plane not in filled:  # of a mosaic, all planes are one instance
            images.setdefault(key_of(one), []).append(one)
    known = {uid for uid, _ in images}
    referenced = {one.source[0] for one in frames if one.source} | set(_referenced(path))
    if wrong := _without_source(frames, run):
        yield f"{wrong} frames of the {what} name no source image"
    for uid in sorted(referenced - known):
        yield f"the {what} refers to {uid}, which is none of its source images"
    named = {one.source for one in frames if one.source and one.source[0] in known}
    if unknown := named - set(images):
        yield f"{len(unknown)} frames that the {what} names are none of its source images"
    if apart := _misplaced(frames, images):
        yield f"{apart} frames of the {what} do not lie where their source images do"


def _without_source(frames: Sequence[_Frame], run: ModelRun) -> int:
    """Count frames that name no image although one shows their plane."""
    sources = run.volume.sources
    filled = [
        [float(v) for v in sources[plane].ImagePositionPatient] for plane in run.volume.filled
    ]
    nameless = np.array([one.position for one in frames if not one.source]).reshape(-1, 3)
    if not len(nameless) or not filled:
        return len(nameless)
    apart = np.abs(nameless[:, None] - np.array(filled)[None]).max(axis=2).min(axis=1)
    return int(np.count_nonzero(apart > CENTROID_TOLERANCE_MM))


def _misplaced(frames: Sequence[_Frame], images: Mapping[Key, Sequence[Dataset]]) -> int:
    """Count frames that lie elsewhere than the image they name, or all of the slices in it."""
    there = {
        key: np.array([[float(value) for value in one.ImagePositionPatient] for one in several])
        for key, several in images.items()
    }
    by_image: dict[Key, list[tuple[float, float, float]]] = {}
    for one in frames:
        if one.source in there:
            by_image.setdefault(one.source, []).append(one.position)
    apart = 0
    for key, positions in by_image.items():
        away = np.abs(there[key][None] - np.array(positions)[:, None]).max(axis=2).min(axis=1)
        apart += int(np.count_nonzero(away > CENTROID_TOLERANCE_MM))
    return apart


# ---- what the file says of each frame ----------------------------------------------------------


def _frames(path: Path, syntax: str) -> tuple[list[_Frame], int, int]:
    """Read the functional groups of all frames, and find the pixels in the file.

    A data set of the library for each of thousands of frames would take seconds.

    Raises:
        UnreadableFramesError: they are not where and what they should be.
    """
    if syntax != "1.2.840.10008.1.2.1":
        raise UnreadableFramesError("they are not in explicit VR little endian")
    content = np.memmap(path, np.uint8, "r").data
    start = _find(content, _GROUPS)
    groups, after = _value(content, start)
    found = [_frame(item) for item in _items(groups)]
    if bytes(content[after : after + 4]) != _PIXELS:
        raise UnreadableFramesError("no pixels follow them")
    pixels, end = _value(content, after)
    return found, end - len(pixels), end


def _find(content: memoryview, head: bytes) -> int:
    """Find an element of the outermost level."""
    position = 132 + 12
    position += struct.unpack_from("<I", content, 140)[0]  # file meta information (PS3.10 7.1)
    while position < len(content):
        if bytes(content[position : position + len(head)]) == head:
            return position
        position = _value(content, position)[1]
    raise UnreadableFramesError("there are none")


def _value(content: memoryview, position: int) -> tuple[memoryview, int]:
    """Give the value of the element at a position, and where the next one begins (PS3.5 7.1.2)."""
    if bytes(content[position + 4 : position + 6]) in _LONG:
        length, begin = struct.unpack_from("<I", content, position + 8)[0], position + 12
    else:
        length, begin = struct.unpack_from("<H", content, position + 6)[0], position + 8
    if begin + length > len(content):
        raise UnreadableFramesError("an element is longer than what holds it")
    return content[begin : begin + length], begin + length


def _items(sequence: memoryview) -> Iterator[memoryview]:
    position = 0
    while position < len(sequence):
        length = struct.unpack_from("<I", sequence, position + 4)[0]
        if position + 8 + length > len(sequence):
            raise UnreadableFramesError("an item is longer than its sequence")
        yield sequence[position + 8 : position + 8 + length]
        position += 8 + length


def _frame(item: memoryview) -> _Frame:
    position = _within(item, _POSITION)
    source = _within(item, _SOURCE)
    segment = _within(item, _SEGMENT)
    if position is None:
        raise UnreadableFramesError("one has no position")
    x, y, z = (float(value) for value in bytes(position).split(b"\\"))
    number = None if segment is None else struct.unpack("<H", segment)[0]
    if source is None:
        return _Frame(number, (x, y, z), None)
    frame = _within(item, _SOURCE_FRAME)
    key = bytes(source).rstrip(b"\0").decode("ascii"), int(bytes(frame)) if frame else 0
    return _Frame(number, (x, y, z), key)


def _within(content: memoryview, path: Sequence[str]) -> memoryview | None:
    """Follow tags into the first items of nested sequences; None when one is not there."""
    tag = struct.pack("<HH", int(path[0], 16), int(path[1], 16))
    position = 0
    while position < len(content):
        value, after = _value(content, position)
        if bytes(content[position : position + 4]) == tag:
            if len(path) == 2:
                return value
            first = next(_items(value), None)
            return None if first is None else _within(first, path[2:])
        position = after
    return None


# ---- counting ----------------------------------------------------------------------------------


def _measured(
    seg: Dataset, frames: Sequence[_Frame], pixels: np.ndarray, segments: int
) -> tuple[np.ndarray, np.ndarray]:
    """Count voxels and find centroids (LPS mm) from nothing but what the SEG's file says."""
    shared = seg.SharedFunctionalGroupsSequence[0]
    spacing = [float(step) for step in shared.PixelMeasuresSequence[0].PixelSpacing]
    orientation = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    cosines = np.array([float(value) for value in orientation])
    down, across = cosines[3:] * spacing[0], cosines[:3] * spacing[1]
    counts, sums = np.zeros(segments), np.zeros((segments, 3))
    for start in range(0, len(frames), _AT_ONCE):
        some = frames[start : start + _AT_ONCE]
        positions = np.array([frame.position for frame in some])
        found = _moments(seg, some, pixels, start)
        if found.segment.max(initial=1) > segments or found.segment.min(initial=1) < 1:
            raise UnreadableFramesError("one is of a segment that is not described")
        index = found.segment.astype(np.intp) - 1
        counts += np.bincount(index, found.inside, segments)
        moved = found.inside[:, None] * positions[found.frame]
        moved += np.outer(found.rows, down) + np.outer(found.columns, across)
        for axis in range(3):
            sums[:, axis] += np.bincount(index, moved[:, axis], segments)
    return counts.astype(np.int64), sums / np.maximum(counts, 1)[:, None]


@dataclass(frozen=True, slots=True)
class _Moments:
    """Of parts of some frames: the frame, the segment, the voxels, the sums of rows and columns."""

    frame: np.ndarray
    segment: np.ndarray
    inside: np.ndarray
    rows: np.ndarray
    columns: np.ndarray


def _moments(seg: Dataset, some: Sequence[_Frame], pixels: np.ndarray, start: int) -> _Moments:
    """Count in the frames from `start`; `pixels` are the bytes of all."""
    rows, columns = int(seg.Rows), int(seg.Columns)
    if seg.SegmentationType == "LABELMAP":
        kind = np.dtype(f"<u{int(seg.BitsAllocated) // 8}")
        size = rows * columns * kind.itemsize
        block = pixels[start * size : (start + len(some)) * size].view(kind)
        found = runs(block.reshape(len(some), rows, columns))
        return _Moments(found.plane, found.label, found.length, found.row_sum, found.column_sum)
    numbers = np.array([0 if frame.segment is None else frame.segment for frame in some])
    counted = _of_lines(_lines(pixels, start * rows * columns, (len(some), rows, columns)), rows)
    return _Moments(counted.frame, numbers[counted.frame], *counted[1:])


def _lines(pixels: np.ndarray, first: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Give rows of masks, from the bit `first` on, as bytes [frames x rows, bytes]."""
    frames, rows, columns = shape
    bits = frames * rows * columns
    if columns % 8 == 0:
        return pixels[first // 8 : (first + bits) // 8].reshape(-1, columns // 8)
    packed = pixels[first // 8 : (first + bits + 7) // 8]
    unpacked = np.unpackbits(packed, bitorder="little")[first % 8 : first % 8 + bits]
    return np.packbits(unpacked.reshape(-1, columns), axis=1, bitorder="little")


_BIT_SUMS = np.array([sum(bit for bit in range(8) if byte >> bit & 1) for byte in range(256)])


class _Counted(NamedTuple):
    """Of lines where there is anything: their frame, voxels, sums of rows and columns."""

    frame: np.ndarray
    inside: np.ndarray
    rows: np.ndarray
    columns: np.ndarray


def _of_lines(lines: np.ndarray, rows: int) -> _Counted:
    """Count and sum up the bits of packed rows of masks, `rows` a frame."""
    filled = filled_lines(lines)
    packed = lines[filled]
    ones = np.bitwise_count(packed)
    inside = ones.sum(axis=1, dtype=np.int64)
    columns = ones @ (8.0 * np.arange(packed.shape[1]))
    columns += _BIT_SUMS.astype(np.uint8)[packed].sum(axis=1, dtype=np.int64)
    frame, row = np.divmod(filled, rows)
    return _Counted(frame, inside, row * inside, columns)


def _true_measures(labels: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count voxels and find centroids (LPS mm) of every label of the mask itself."""
    kinds = int(labels.max(initial=0)) + 1
    counts, sums = np.zeros(kinds), np.zeros((kinds, 3))
    for start, some in all_runs(labels):
        places = (some.plane + start) * some.length, some.row_sum, some.column_sum
        counts += np.bincount(some.label, some.length, kinds)
        for axis, place in enumerate(places):
            sums[:, axis] += np.bincount(some.label, place, kinds)
    middle = sums / np.maximum(counts, 1)[:, None]
    return counts.astype(np.int64), middle @ affine[:3, :3].T + affine[:3, 3]
