"""Reads an image's header once, as bytes, and decodes of it only what is asked for.

Theory of operation. A series has hundreds of headers that differ in little, and of each a volume
needs some fifty values. So a header is not turned into a data set: its elements are stepped over
by their lengths, the wanted values are kept as they are written, and equal bytes are decoded once.
Whoever needs a whole data set gets it made of the header's bytes when it is asked for.
"""

import os
import re
import zlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from io import BytesIO
from math import isfinite
from pathlib import Path
from struct import Struct, pack
from typing import NamedTuple

import numpy as np
import pydicom
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.valuerep import format_number_as_ds

from node.dicom import elements, services
from node.dicom.elements import EXPLICIT_LITTLE, PIXELS, Encoding, MalformedError
from node.dicom.reading import UNREADABLE

_WORDS = """
SpecificCharacterSet SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID
FrameOfReferenceUID PatientID IssuerOfPatientID PatientName PatientBirthDate PatientPosition
ImageType Modality BodyPartExamined InstanceNumber NumberOfFrames
ConcatenationUID InConcatenationTotalNumber ScanningSequence Units RescaleType
Rows Columns BitsAllocated BitsStored HighBit PixelRepresentation SamplesPerPixel
PhotometricInterpretation PlanarConfiguration PixelSpacing ImagerPixelSpacing ImagePositionPatient
ImageOrientationPatient SliceThickness SpacingBetweenSlices GantryDetectorTilt
EchoTime EchoNumbers TemporalPositionIdentifier DiffusionBValue DiffusionDirectionality
DiffusionGradientOrientation ComplexImageComponent InversionTime TriggerTime
NominalPercentageOfCardiacPhase DimensionIndexValues AcquisitionNumber AcquisitionTime
ConvolutionKernel KVP StackID
RescaleSlope RescaleIntercept ModalityLUTSequence VOILUTSequence WindowCenter WindowWidth
VOILUTFunction PresentationLUTShape PixelPaddingValue PixelPaddingRangeLimit
PixelIntensityRelationshipSign ViewPosition ImageLaterality
EnergyWindowVector DetectorVector PhaseVector RotationVector RRIntervalVector TimeSlotVector
SliceVector AngularViewVector TimeSliceVector
"""
KEYWORDS = tuple(_WORDS.split())
"""What a volume needs to know of each of its images."""

HEADER_AT_MOST = 1 << 26
"""Bytes that a header may have: an enhanced image has two thousand a frame."""
_HEADS = (1 << 15, 1 << 20, 1 << 23, HEADER_AT_MOST)
"""Bytes of a file that are read at first, and then: nearly all headers are shorter."""
_INFLATED_HEADS = (1 << 15, 1 << 24)
_TAGS = {word: tag for word in KEYWORDS if (tag := tag_for_keyword(word)) is not None}
_VRS = {word: dictionary_VR(tag) for word, tag in _TAGS.items()}
_SYNTAX, _META_END = 0x00020010, 0x00030000
_CHARSET = 0x00080005
_WANTED = frozenset((_SYNTAX, _CHARSET, *_TAGS.values()))
_LONGEST = elements.LONGEST_VALUE
_PREFIX, _UNDEFINED = 132, 0xFFFFFFFF
_ODD = 0
"""Stands for elements that pydicom may see otherwise: of undefined length, or out of order."""
_GROUP_LENGTH = b"\2\0\0\0UL\4\0"
_SYNTAX_HEAD = b"\2\0\x10\0UI"
_PLAIN = re.compile(rb"[A-Za-z0-9_ \\-]*\0?")
_CUT_SHORT = "it ends in the middle of an element"
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "US or SS": "H"}


class Pixels(NamedTuple):
    """Where an image's pixel data lie: where their value starts, and its length in bytes.

    Both count from the beginning of the file; of a deflated one, of the data set as inflated.
    `length` is None where the pixels are cut into fragments (PS3.5 A.4); `words` says that they
    are written as words of two bytes, which matters to bytes in big endian. `fragments` are those
    of one frame of many: where each of them starts, and its length.
    """

    start: int
    length: int | None
    words: bool
    fragments: tuple[tuple[int, int], ...] = ()


class Scan:
    """One image of a series: its header as it is written, and where its pixels lie.

    `path` is its file, `head` the bytes of it up to its pixels (of a deflated one: a short one
    made of them), `size` those of the file. `frame` is its number where it is one frame of many
    (see `multiframe`), else 0. `tile` gives its stored values where it is part of a larger picture
    (see `mosaic`).
    """

    __slots__ = (
        *("_dataset", "frame", "head", "little", "path", "pixels", "raw", "size"),
        *("tile", "transfer_syntax"),
    )

    def __init__(
        self, path: Path, transfer_syntax: str, raw: dict[int, bytes], head: bytes, size: int
    ) -> None:
        self.path = path
        self.transfer_syntax = transfer_syntax
        self.raw = raw
        self.head = head
        self.size = size
        self.frame = 0
        self.pixels: Pixels | None = None
        self.tile: Callable[[], np.ndarray] | None = None
        self.little = transfer_syntax != services.BIG_ENDIAN
        self._dataset: Dataset | None = None

    def written(self, keyword: str) -> bytes:
        """Give a value as it is written, without what pads it; nothing when it is absent."""
        return self.raw.get(_TAGS[keyword], b"").strip(b" \0")

    def written_whole(self, keyword: str) -> bytes:
        """Give a value as it is written, padding and all: a binary one may end in a zero."""
        return self.raw.get(_TAGS[keyword], b"")

    def text(self, keyword: str) -> str:
        """Give a value as text, "" when it is absent; several values joined by backslash."""
        raw = self.raw.get(_TAGS[keyword])
        return _text(raw, _VRS[keyword], self.little) if raw else ""

    def has(self, keyword: str) -> bool:
        """Say whether an element is there and not empty."""
        return bool(self.raw.get(_TAGS[keyword]))

    def values(self, keyword: str) -> tuple[str, ...]:
        """Give the values of a text element, none when it is absent."""
        joined = self.text(keyword)
        return tuple(part.strip() for part in joined.split("\\")) if joined else ()

    def numbers(self, keyword: str) -> tuple[float, ...] | None:
        """Give finite numbers; None when there are none, or one of them is no number."""
        raw = self.raw.get(_TAGS[keyword])
        return numbers_in(raw, _VRS[keyword], self.little) if raw else None

    def number(self, keyword: str) -> float | None:
        """Give exactly one finite number, or None."""
        found = self.numbers(keyword)
        return found[0] if found is not None and len(found) == 1 else None

    def whole(self, keyword: str, absent: int) -> int:
        """Give a whole number, or what counts where it is absent."""
        found = self.number(keyword)
        return absent if found is None else int(found)

    def moved(self, position: Iterable[float]) -> "Scan":
        """Give a copy with the same header but another place, for a slice that no image shows."""
        other = Scan(self.path, self.transfer_syntax, self.raw, self.head, self.size)
        other._dataset = parsed(self.head)
        other._dataset.ImagePositionPatient = [format_number_as_ds(float(mm)) for mm in position]
        return other

    def dataset(self) -> Dataset:
        """Give the header as a data set, without pixels; made when it is first asked for."""
        if self._dataset is None:
            self._dataset = parsed(self.head)
        return self._dataset

    def item(self, keyword: str) -> Dataset:
        """Give the first item of a sequence.

        Raises:
            MalformedError: there is none, or it cannot be read.
        """
        try:
            return self.dataset()[keyword].value[0]
        except (OSError, *UNREADABLE) as error:
            raise MalformedError("a sequence cannot be read") from error


def scan(path: Path, content: bytes | None = None) -> Scan | None:
    """Read the header of a DICOM file; None when it is none, or is damaged.

    Args:
        path: the file.
        content: its bytes, where they are in memory already.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        if content is not None:
            return _scanned(path, content, len(content))
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return _from_file(path, descriptor)
        finally:
            os.close(descriptor)
    except (MalformedError, *UNREADABLE):
        return None


def _from_file(path: Path, descriptor: int) -> Scan:
    """Read more of a file as long as its header may be longer than what was read."""
    size = os.fstat(descriptor).st_size
    for at_most in _HEADS:
        head = _read(descriptor, min(size, at_most))
        try:
            return _scanned(path, head, size)
        except MalformedError:
            if len(head) == size or at_most == HEADER_AT_MOST:
                raise
    raise MalformedError("its header is too long")


def _read(descriptor: int, count: int) -> bytes:
    """Read the beginning of a file."""
    if count <= _HEADS[0]:
        return os.pread(descriptor, count, 0)
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        return file.read(count)


def _scanned(path: Path, content: bytes, size: int) -> Scan:
    if content[128:_PREFIX] != b"DICM":
        raise MalformedError("it is not a DICOM file")
    meta: dict[int, bytes] = {}
    begin = _stride(content, EXPLICIT_LITTLE, _PREFIX, _META_END, meta)
    syntax = meta.get(_SYNTAX, b"").strip(b" \0").decode("latin-1")
    if not syntax:
        raise MalformedError("it does not say how it is encoded")
    if syntax == services.DEFLATED_LITTLE_ENDIAN:
        return _deflated(path, content, begin, size)
    raw = {tag: value for tag, value in meta.items() if tag == _ODD}
    encoding = elements.encoding_of(syntax)
    end = _stride(content, encoding, begin, PIXELS[0], raw)
    if end >= len(content) and len(content) < size:
        raise MalformedError("its pixels come later")
    found = Scan(path, syntax, raw, content[:end], size)
    found.pixels = _pixels(content, encoding, end)
    if _is_odd(content[:end], begin, raw, encoding):
        found.dataset()  # may fail: better here than where it is needed
    return found


def _is_odd(head: bytes, begin: int, raw: dict[int, bytes], encoding: Encoding) -> bool:
    """Say whether pydicom, which reads some elements eagerly, might see a header otherwise."""
    meta = head[:begin]
    if _ODD in raw or meta[_PREFIX : _PREFIX + 8] != _GROUP_LENGTH or _SYNTAX_HEAD not in meta:
        return True
    if encoding.explicit and _CHARSET in raw:
        charset = pack("<HH" if encoding.little else ">HH", 8, 5) + b"CS"
        return charset not in head[begin:] or not _PLAIN.fullmatch(raw[_CHARSET])
    return not _PLAIN.fullmatch(raw.get(_CHARSET, b""))


def _deflated(path: Path, content: bytes, begin: int, size: int) -> Scan:
    """Scan what comes out first; what is kept as the header is deflated anew (PS3.5 A.5)."""
    for at_most in _INFLATED_HEADS:
        inflated = inflate(content[begin:], at_most)
        raw: dict[int, bytes] = {}
        try:
            end = _stride(inflated, EXPLICIT_LITTLE, 0, PIXELS[0], raw)
        except MalformedError:
            if len(inflated) < at_most:
                raise
            continue
        if end < len(inflated) or len(inflated) < at_most:
            break
    else:
        raise MalformedError("its header is too long")
    machine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    head = content[:begin] + machine.compress(inflated[:end]) + machine.flush()
    found = Scan(path, services.DEFLATED_LITTLE_ENDIAN, raw, head, size)
    found.pixels = _pixels(inflated, EXPLICIT_LITTLE, end)
    found.dataset()
    return found


def inflate(deflated: bytes | memoryview, at_most: int) -> bytes:
    """Inflate so many bytes at most of a data set.

    Raises:
        MalformedError: it cannot be inflated.
    """
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(deflated, at_most)
    except zlib.error as error:
        raise MalformedError("it cannot be inflated") from error


def parsed(content: bytes) -> Dataset:
    """Read a whole data set of a DICOM file that is in memory.

    Raises:
        MalformedError: it cannot be read.
    """
    try:
        return pydicom.dcmread(BytesIO(content))
    except (OSError, *UNREADABLE) as error:  # pydicom's word for an end that comes too early
        raise MalformedError("its data set cannot be read") from error


def syntax_name(image: Scan) -> str:
    """Give the Standard's name of an image's transfer syntax."""
    return services.name(image.transfer_syntax)


def data_set_of(content: bytes) -> memoryview:
    """Give what comes after the file meta information of a DICOM file.

    Raises:
        MalformedError: the file meta information is damaged.
    """
    return memoryview(content)[_stride(content, EXPLICIT_LITTLE, _PREFIX, _META_END, {}) :]


def _pixels(content: bytes, encoding: Encoding, position: int) -> Pixels | None:
    """Read the head of the pixel data element; None where the data set ends before it."""
    if position + 8 > len(content):
        return None
    group, number, length = encoding.tag_and_length.unpack_from(content, position)
    if (group << 16 | number) != PIXELS[-1]:
        return None  # float pixels (PS3.3 C.7.6.24) are in no image that is read here
    start, words = position + 8, True
    if encoding.explicit:
        (length,) = encoding.long.unpack_from(content, position + 8)
        start, words = position + 12, content[position + 4 : position + 6] == b"OW"
    return Pixels(start, None if length == _UNDEFINED else length, words)


def _stride(
    content: bytes, encoding: Encoding, position: int, stop: int, found: dict[int, bytes]
) -> int:
    """Step over elements, and keep the wanted ones, up to the first one from tag `stop` on.

    Gives where that one is, or the end of the content.

    Raises:
        MalformedError: a length leads out of the content, or it is no element that is there.
    """
    limit, wanted, explicit, before = len(content), _WANTED, encoding.explicit, -1
    unpack = encoding.tag_and_length.unpack_from
    while position + 8 <= limit:
        group, number, length = unpack(content, position)
        tag, start = group << 16 | number, position + 8
        if tag >= stop:
            return position
        if explicit:
            start, length = _explicit(content, encoding, position)
        end = start + length
        if end > limit or tag <= before:
            end = _odd_end(content, encoding, position, found)
        if tag in wanted:
            found[tag] = content[start : min(end, start + _LONGEST)]
        position, before = end, tag
    if position != limit:
        raise MalformedError(_CUT_SHORT)
    return position


def _odd_end(content: bytes, encoding: Encoding, position: int, found: dict[int, bytes]) -> int:
    """Give where an element ends that has an undefined length, or is out of order."""
    found[_ODD] = b""
    return elements.element_at(memoryview(content), encoding, position).end


def _explicit(content: bytes, encoding: Encoding, position: int) -> tuple[int, int]:
    """Give where the value of an element with a VR starts, and its length (PS3.5 7.1.2)."""
    vr = content[position + 4 : position + 6]
    if vr not in _LONG_VRS:
        if not vr.isalpha():
            raise MalformedError("it has an element without a value representation")
        return position + 8, encoding.tag_vr_length.unpack_from(content, position)[3]
    if position + 12 > len(content):
        raise MalformedError(_CUT_SHORT)
    return position + 12, encoding.long.unpack_from(content, position + 8)[0]


@lru_cache(maxsize=4096)
def _text(raw: bytes, vr: str, little: bool) -> str:  # noqa: FBT001 - a key of the cache
    if vr in _NUMBERS:
        numbers = numbers_in(raw, vr, little)
        return "\\".join(f"{number:g}" for number in numbers) if numbers else ""
    return raw.decode("latin-1").strip(" \0")


@lru_cache(maxsize=4096)
def numbers_in(raw: bytes, vr: str, little: bool) -> tuple[float, ...] | None:  # noqa: FBT001
    """Read a value of this VR as finite numbers; None when there are none, or one is no number."""
    if vr in _NUMBERS:
        layout = Struct(("<" if little else ">") + _NUMBERS[vr])
        whole = len(raw) - len(raw) % layout.size
        numbers = [float(number) for (number,) in layout.iter_unpack(raw[:whole])]
    else:
        try:
            numbers = [float(part) for part in raw.strip(b" \0").split(b"\\")]
        except ValueError:
            return None
    return tuple(numbers) if numbers and all(map(isfinite, numbers)) else None
