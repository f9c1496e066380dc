"""Reads of an object what routing needs, up to its pixels, and nothing that names a patient."""

import errno
import hashlib
import mmap
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite
from pathlib import Path
from struct import pack

from pydicom.datadict import dictionary_VR, tag_for_keyword

from node import __version__
from node.dicom import characters, elements, services
from node.dicom.elements import Buffer, MalformedError
from node.rules.failures import Refusal
from node.rules.naming import derived_uid
from node.rules.nouns import Attribute

IMPLEMENTATION_CLASS_UID = derived_uid("implementation")
"""Ours, the same in every version (PS3.7 D.3.3.2)."""
IMPLEMENTATION_VERSION_NAME = f"RADNODE_{__version__}"[:16]

KEYWORDS: tuple[str, ...] = (
    "SOPClassUID",
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "StationName",
    "StudyDescription",
    "SeriesDescription",
    "ProtocolName",
    "BodyPartExamined",
    "ImageType",
    "SeriesNumber",
    "SliceThickness",
    "SpacingBetweenSlices",
    "KVP",
    "EchoTime",
    "RepetitionTime",
    "MagneticFieldStrength",
    "ContrastBolusAgent",
    "ConvolutionKernel",
    "ScanningSequence",
    "SequenceVariant",
    "ScanOptions",
    "NumberOfFrames",
    "ImagesInAcquisition",
    "NumberOfTemporalPositions",
    "Rows",
    "Columns",
    "Laterality",
    "ViewPosition",
    "PatientPosition",
)
"""What routing may look at. PatientPosition says how a patient lay; none of these says who."""
_UIDS = {
    "SOPClassUID": 0x00080016,
    "SOPInstanceUID": 0x00080018,
    "StudyInstanceUID": 0x0020000D,
    "SeriesInstanceUID": 0x0020000E,
}
_CHARSET = 0x00080005
_ATTRIBUTES = {
    tag: (keyword, dictionary_VR(tag))
    for keyword in KEYWORDS
    if (tag := tag_for_keyword(keyword)) is not None
}
_WANTED = frozenset({*_UIDS.values(), *_ATTRIBUTES, _CHARSET})
_UID_FORM = re.compile(r"[0-9]+(\.[0-9]+)+")
_PREAMBLE = bytes(128) + b"DICM"


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of an object without its pixels.

    `attributes` goes from keyword to value: text decoded by the object's own character set,
    numbers as float, several values as a tuple; what is absent or empty is not in it.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part10:
    """A DICOM file, read: its header, and of its data set the digest and size in bytes.

    `sha256` is over the data set without the file meta information, as it came over the wire.
    """

    header: Header
    transfer_syntax_uid: str
    calling_ae: str
    sha256: str
    size: int


def read_header(data: Buffer, transfer_syntax_uid: str) -> Header | Refusal:
    """Read a data set as it comes over the wire, without file meta information.

    The whole data set is stepped through, so that one cut short is refused, but only the few
    elements that routing needs are decoded. It is not copied, nor taken into memory if it lies in
    a mapped file, nor inflated as a whole.
    """
    with memoryview(data) as view:
        if view[: len(_PREAMBLE)].tobytes() == _PREAMBLE:
            return _refused("it begins with a file preamble where a data set belongs")
        try:
            raw = elements.values(view, transfer_syntax_uid, _WANTED)
        except MalformedError as error:
            return _refused(str(error))
    uids: dict[str, str] = {}
    for keyword, tag in _UIDS.items():
        uid = raw.get(tag, b"").rstrip(b"\0 ").decode("latin-1")
        if problem := uid_problem(uid):
            return _refused(f"its {keyword} {problem}")
        uids[keyword] = uid
    return Header(
        uids["SOPClassUID"],
        uids["SOPInstanceUID"],
        uids["StudyInstanceUID"],
        uids["SeriesInstanceUID"],
        _attributes(raw, little=transfer_syntax_uid != services.BIG_ENDIAN),
    )


def uid_problem(uid: str) -> str:
    """Say what is wrong with a UID (PS3.5 9.1); "" when it may be used.

    Leading zeros in a component are forbidden, common and harmless: tolerated.
    """
    if not uid:
        return "is missing"
    if len(uid) > 64:
        return f"has {len(uid)} characters, 64 are allowed"
    if not _UID_FORM.fullmatch(uid):
        return "is not made of numbers and dots"
    return ""


def part10_prefix(
    header: Header, transfer_syntax_uid: str, *, calling_ae: str, called_ae: str
) -> bytes:
    """Give what goes before a data set to make it a DICOM file (PS3.10 7.1).

    Preamble, prefix and file meta information with who sent it (0002,0016) to whom (0002,0018).
    """
    kind = _meta_of_class(header.sop_class_uid)
    instance = _meta(0x03, b"UI", header.sop_instance_uid.encode())
    rest = _meta_of_sender(transfer_syntax_uid, calling_ae, called_ae)
    length = len(kind) + len(instance) + len(rest)
    return b"".join((_PREAMBLE, _meta(0x00, b"UL", pack("<I", length)), kind, instance, rest))


def data_set_digest(path: Path, size: int) -> str:
    """Give the sha256 of the data set of a DICOM file: of its last `size` bytes.

    They are read in pieces of at most a mebibyte into memory that each thread uses again, and
    other threads run meanwhile.

    Raises:
        OSError: the file cannot be read, or is shorter than that.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _digest(descriptor, os.fstat(descriptor).st_size - size, size)
    finally:
        os.close(descriptor)


def read_part10(path: Path) -> Part10 | Refusal:
    """Read a DICOM file's header, sender and digest, however large it is.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        if file.read(len(_PREAMBLE))[128:] != b"DICM":
            return _refused("it is not a DICOM file: no DICM after the preamble")
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped, memoryview(mapped) as view:
            mapped.madvise(mmap.MADV_RANDOM)  # what is stepped over need not be read ahead
            return _read_part10(file.fileno(), view)


def _read_part10(descriptor: int, content: memoryview) -> Part10 | Refusal:
    try:
        meta, start = _file_meta(content)
    except MalformedError as error:
        return _refused(f"its file meta information is damaged: {error}")
    transfer_syntax_uid = meta.get(0x10, "")
    if problem := uid_problem(transfer_syntax_uid):
        return _refused(f"its TransferSyntaxUID {problem}")
    size = len(content) - start
    # First: a sector that the disk has lost is an OSError here, and the end of the process there.
    sha256 = _digest(descriptor, start, size)
    with content[start:] as data:
        header = read_header(data, transfer_syntax_uid)
    if isinstance(header, Refusal):
        return header
    return Part10(header, transfer_syntax_uid, meta.get(0x16, ""), sha256, size)


class _Scratch(threading.local):
    """What files are read into: of each thread its own."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(_READ_AT_ONCE))


_READ_AT_ONCE = 1 << 20
_scratch = _Scratch()


def _digest(descriptor: int, start: int, size: int) -> str:
    """Hash `size` bytes of a file from `start` on."""
    digest, view, end = hashlib.sha256(), _scratch.view, start + size
    while start < end:
        count = os.preadv(descriptor, [view[: end - start]], start) if start >= 0 else 0
        if not count:
            raise OSError(errno.EIO, "the file is shorter than what was kept in it")
        digest.update(view[:count])
        start += count
    return digest.hexdigest()


def _refused(reason: str) -> Refusal:
    return Refusal(f"not a usable DICOM object: {reason}", advice="Have it sent again")


def _meta(number: int, vr: bytes, value: bytes) -> bytes:
    """Write one element of group 2 (explicit little endian, padded to even length)."""
    if len(value) % 2:
        value += b"\0" if vr in (b"UI", b"OB") else b" "
    if vr == b"OB":
        return pack("<HH2sHI", 2, number, vr, 0, len(value)) + value
    return pack("<HH2sH", 2, number, vr, len(value)) + value


@lru_cache(maxsize=64)
def _meta_of_class(sop_class_uid: str) -> bytes:
    return _meta(0x01, b"OB", b"\0\1") + _meta(0x02, b"UI", sop_class_uid.encode())


@lru_cache(maxsize=256)
def _meta_of_sender(transfer_syntax_uid: str, calling_ae: str, called_ae: str) -> bytes:
    return b"".join(
        (
            _meta(0x10, b"UI", transfer_syntax_uid.encode()),
            _meta(0x12, b"UI", IMPLEMENTATION_CLASS_UID.encode()),
            _meta(0x13, b"SH", IMPLEMENTATION_VERSION_NAME.encode()),
            _meta(0x16, b"AE", calling_ae.encode("ascii", "replace")[:16]),
            _meta(0x18, b"AE", called_ae.encode("ascii", "replace")[:16]),
        )
    )


def _file_meta(content: memoryview) -> tuple[dict[int, str], int]:
    """Read group 2 as text by element number, and say where the data set begins.

    The group length is not trusted: it is wrong often enough. A first element that is in another
    group ends the meta information; it is looked at as explicit little endian whatever it is.
    """
    position, found = len(_PREAMBLE), {}
    while content[position : position + 2].tobytes() == b"\2\0":
        tag, value, position = elements.element_at(content, elements.EXPLICIT_LITTLE, position)
        found[tag % (1 << 16)] = value.rstrip(b"\0 ").decode("latin-1").strip()
    return found, position


def _attributes(raw: Mapping[int, bytes], *, little: bool) -> dict[str, Attribute]:
    charset = raw.get(_CHARSET, b"")
    found: dict[str, Attribute] = {}
    for tag, (keyword, vr) in _ATTRIBUTES.items():
        if value := raw.get(tag):
            if vr == "US":
                found[keyword] = _number_of(value, little=little)
            elif (decoded := _decoded(vr, value, charset)) is not None:
                found[keyword] = decoded
    return found


@lru_cache(maxsize=1024)
def _decoded(vr: str, value: bytes, charset: bytes) -> Attribute:
    """Decode text or numbers written as text; remembered, as most come again in each image."""
    parts = [_printable(part) for part in _text(vr, value, charset).split("\\")]
    if not any(parts):
        return None
    if vr in ("DS", "IS"):
        numbers = [number for part in parts if (number := _number(part)) is not None]
        return (numbers[0] if len(parts) == 1 else tuple(numbers)) if numbers else None
    return parts[0] if len(parts) == 1 else tuple(parts)


def _number_of(value: bytes, *, little: bool) -> float:
    return float(int.from_bytes(value[:2], "little" if little else "big"))


def _text(vr: str, value: bytes, charset: bytes) -> str:
    return characters.decoded(value, charset if vr in ("LO", "SH") else b"")


def _number(text: str) -> float | None:
    """Read a number; None for what is none, such as "2,0", and for nan and infinities."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None


def _printable(text: str) -> str:
    """Replace control characters: neither databases nor journals take them well."""
    return "".join(char if char.isprintable() else " " for char in text).strip()
