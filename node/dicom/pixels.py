"""Decodes the pixels of one image, straight into where they are wanted, by the fastest decoder.

Theory of operation. Native pixels are read from the file straight into the block of voxels, and
changed there; compressed ones are handed to `decoding`. Nothing is believed that an image says of
its size before it is held against its bytes.
"""

import errno
import os
from typing import Any, cast

import numpy as np

from node.dicom import decoding, services
from node.dicom.elements import MalformedError
from node.dicom.reading import UNREADABLE
from node.dicom.scanning import Scan, data_set_of, inflate

PIXELS_AT_MOST = 1 << 27
"""Samples that one image may have; the largest mammograms have a quarter of that."""
_SPARSE = 1 << 23
"""Samples that an image may have however few bytes it is compressed to: it may be empty."""
_RLE_AT_BEST, _OTHERS_AT_BEST = 64, 2000
"""Samples that come out of a byte at best."""


NATIVE = frozenset(
    (
        services.EXPLICIT_LITTLE_ENDIAN,
        services.IMPLICIT_LITTLE_ENDIAN,
        services.DEFLATED_LITTLE_ENDIAN,
        services.BIG_ENDIAN,
    )
)
"""Transfer syntaxes whose pixels are not compressed one by one."""


_SHORTER = "the file is shorter than it was"
_ITEM, _SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"


class UndecodableError(ValueError):
    """The pixels of an image are damaged, absent, or of a kind that is not read."""


def stored(image: Scan, content: bytes | None = None, into: np.ndarray | None = None) -> np.ndarray:
    """Decode the stored values of one image with one sample a pixel.

    Args:
        image: whose pixels.
        content: the bytes of its file, where they are in memory already.
        into: an array [rows, columns] of two bytes a voxel that may be used for the values, so
            that they need not be copied.

    Returns:
        [rows, columns] of whole numbers, signed or not as Pixel Representation says, without the
        bits that Bits Stored leaves out; writable, and perhaps a view of `into`.

    Raises:
        OSError: the file cannot be read, or has become shorter.
        UndecodableError: they cannot be decoded, or are more than an image may have.
    """
    try:
        if image.tile is not None:
            return image.tile()
        return _stored(image, content, into)
    except UNREADABLE as error:
        raise UndecodableError("the pixels cannot be decoded") from error


def look(image: Scan) -> None:
    """Look whether an image can have the pixels that its header promises, before memory is taken.

    Raises:
        UndecodableError: it cannot.
    """
    rows, columns = shape_of(image)
    size = frame_bytes(image)
    if image.tile is not None:
        return  # the whole of it was looked at when it was taken apart
    if image.pixels is None:
        raise UndecodableError("the image has no pixels")
    start, length, _, parts = image.pixels
    if length is None:
        coded = sum(count for _, count in parts) if parts else image.size - start
        _not_too_many(image, rows * columns, coded)
    elif image.transfer_syntax != services.DEFLATED_LITTLE_ENDIAN:
        length = min(length, image.size - start)
    if length is not None and length < size:
        raise UndecodableError("the image has fewer pixels than it should have")


def frame_bytes(image: Scan) -> int:
    """Give how many bytes the pixels of one frame have when they are not compressed.

    Raises:
        UndecodableError: its size, or its kind of pixels, is of none that is read here.
    """
    rows, columns = shape_of(image)
    samples = image.whole("SamplesPerPixel", 1)
    if image.text("PhotometricInterpretation") == "YBR_FULL_422":
        samples = 2  # two of Y for one of each colour (PS3.3 C.7.6.3.1.2)
    return rows * columns * type_of(image).itemsize * samples


def _not_too_many(image: Scan, samples: int, size: int) -> None:
    best = _RLE_AT_BEST if image.transfer_syntax == decoding.RLE else _OTHERS_AT_BEST
    if samples > max(_SPARSE, best * size):
        raise UndecodableError("the image has more pixels than its bytes can hold")


def shape_of(image: Scan) -> tuple[int, int]:
    """Give rows and columns.

    Raises:
        UndecodableError: there are none, or more than an image may have.
    """
    rows, columns = image.whole("Rows", 0), image.whole("Columns", 0)
    if not 0 < rows * columns * image.whole("SamplesPerPixel", 1) <= PIXELS_AT_MOST:
        raise UndecodableError("the image is empty, or larger than any that is known")
    return rows, columns


def type_of(image: Scan) -> np.dtype:
    """Give the little endian type of the stored values.

    Raises:
        UndecodableError: Bits Allocated or Bits Stored are not of an image that is read here.
    """
    bits, used = image.whole("BitsAllocated", 0), image.whole("BitsStored", 0)
    if bits not in (8, 16, 32) or not 0 < used <= bits:
        raise UndecodableError(f"{used} of {bits} bits a pixel are not read")
    signed = image.whole("PixelRepresentation", 0) == 1
    return np.dtype(f"<{'i' if signed else 'u'}{bits // 8}")


def _stored(image: Scan, content: bytes | None, into: np.ndarray | None) -> np.ndarray:
    shape, kind = shape_of(image), type_of(image)
    if image.pixels is None:
        raise MalformedError("it has no pixels")
    used = image.whole("BitsStored", 0)
    if image.transfer_syntax not in NATIVE:
        if image.pixels.length is not None:
            raise MalformedError("its pixels are not cut into fragments")
        frame = compressed(image, content)
        _not_too_many(image, shape[0] * shape[1], len(frame))
        values, precision = decoding.grey(image.transfer_syntax, frame, shape, kind, used)
        return decoding.significant(values, max(used, precision))
    values = _native(image, content, shape, kind, into)
    high = image.whole("HighBit", used - 1) + 1
    if used < high <= 8 * kind.itemsize:  # they do not begin at the lowest bit (PS3.5 8.1.1)
        values = values >> (high - used)
    return decoding.significant(values, used)


def _native(
    image: Scan,
    content: bytes | None,
    shape: tuple[int, int],
    kind: np.dtype,
    into: np.ndarray | None,
) -> np.ndarray:
    assert image.pixels is not None  # noqa: S101 - looked at by the caller
    start, length, words, _ = image.pixels
    if kind.itemsize == 1 and words and not image.little:
        return _swapped_bytes(image, content, shape, kind)
    needed = shape[0] * shape[1] * kind.itemsize
    if length is None or length < needed:
        raise MalformedError("it has fewer pixels than it should have")
    deflated = image.transfer_syntax == services.DEFLATED_LITTLE_ENDIAN
    if content is None and not deflated:
        if image.size < start + needed:
            raise MalformedError("it has fewer pixels than it should have")
        if into is not None and into.dtype.itemsize == kind.itemsize:
            values = into.view(kind)
        else:
            values = np.empty(shape, kind)
        _read_into(image, start, values)
    else:
        lying = pixel_content(image, content)
        values = np.frombuffer(lying, kind, shape[0] * shape[1]).reshape(shape).copy()
    return values if image.little else values.byteswap(inplace=True)


def _swapped_bytes(
    image: Scan, content: bytes | None, shape: tuple[int, int], kind: np.dtype
) -> np.ndarray:
    """Read pixels of a byte that were written as big endian words (PS3.5 8.1.2)."""
    count = shape[0] * shape[1]
    words = np.frombuffer(pixel_content(image, content), ">u2", -(-count // 2))
    return words.astype("<u2").view(kind)[:count].reshape(shape)


def _read_into(image: Scan, start: int, values: np.ndarray) -> None:
    view = memoryview(cast(Any, values)).cast("B")
    descriptor = os.open(image.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        done = 0
        while done < len(view):
            count = os.preadv(descriptor, [view[done:]], start + done)
            if not count:
                raise OSError(errno.EIO, _SHORTER)
            done += count
    finally:
        os.close(descriptor)


def pixel_content(image: Scan, content: bytes | None = None) -> memoryview:
    """Give the bytes from where an image's pixel data begin: its fragments, or native pixels.

    Raises:
        OSError: the file cannot be read, or has become shorter.
        MalformedError: there are no pixels, or they cannot be inflated.
    """
    if image.pixels is None:
        raise MalformedError("it has no pixels")
    start, length, _, _ = image.pixels
    if image.transfer_syntax == services.DEFLATED_LITTLE_ENDIAN:
        content = content if content is not None else image.path.read_bytes()
        return memoryview(inflate(data_set_of(content), start + (length or 0)))[start:]
    if content is not None:
        return memoryview(content)[start : None if length is None else start + length]
    there = max(0, image.size - start)
    wanted = there if length is None else min(length, there)
    with image.path.open("rb") as file:
        file.seek(start)
        lying = file.read(wanted)
    if len(lying) < wanted:
        raise OSError(errno.EIO, _SHORTER)
    return memoryview(lying)


def compressed(image: Scan, content: bytes | None = None) -> bytes:
    """Give the coded bytes of an image whose pixels are compressed, in one piece.

    Raises:
        OSError: the file cannot be read, or has become shorter.
        MalformedError: they are not fragments, or end too early.
    """
    if image.pixels is None or not image.pixels.fragments:
        return fragments(pixel_content(image, content))
    if content is not None:
        return b"".join(content[start : start + count] for start, count in image.pixels.fragments)
    descriptor = os.open(image.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        pieces = [os.pread(descriptor, count, start) for start, count in image.pixels.fragments]
    finally:
        os.close(descriptor)
    return b"".join(pieces)


def fragments(pixels: memoryview) -> bytes:
    """Join the fragments of an image of one frame (PS3.5 A.4), without the offset table.

    Raises:
        MalformedError: they are not fragments, or end too early.
    """
    found: list[memoryview] = []
    position = 0
    while True:
        if position + 8 > len(pixels):
            raise MalformedError("its compressed pixels do not end")
        tag, length = pixels[position : position + 4], pixels[position + 4 : position + 8]
        count = int.from_bytes(length, "little")
        position += 8
        if tag == _SEQUENCE_END:
            return b"".join(found[1:])
        if tag != _ITEM or position + count > len(pixels):
            raise MalformedError("its compressed pixels are not cut into fragments")
        found.append(pixels[position : position + count])
        position += count
