"""Reads of an object what routing needs, up to its pixels, and nothing that names a patient."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from struct import pack

from pydicom.charset import convert_encodings, decode_bytes, python_encoding
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.valuerep import TEXT_VR_DELIMS

from node import __version__
from node.dicom import elements
from node.dicom.elements import Element, Encoding, MalformedError
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

_UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_CHARSET = "SpecificCharacterSet"
_WANTED: dict[int, str] = {
    tag: keyword
    for keyword in {*KEYWORDS, *_UIDS, _CHARSET}
    if (tag := tag_for_keyword(keyword)) is not None
}
_VR = {keyword: dictionary_VR(tag) for tag, keyword in _WANTED.items()}
_UID_FORM = re.compile(r"[0-9]+(\.[0-9]+)+")
_PREAMBLE = bytes(128) + b"DICM"
_LONGEST_TEXT = 1024


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


def read_header(data: bytes, transfer_syntax_uid: str) -> Header | Refusal:
    """Read a data set as it comes over the wire, without file meta information.

    The whole data set is stepped through, so that one cut short is refused, but only the few
    elements that routing needs are decoded.
    """
    if data.startswith(_PREAMBLE):
        return _refused("it begins with a file preamble where a data set belongs")
    try:
        plain = elements.inflated(data, transfer_syntax_uid)
        raw = _cut_out(plain, elements.encoding_of(transfer_syntax_uid))
    except MalformedError as error:
        return _refused(str(error))
    uids = {}
    for keyword in _UIDS:
        uid = raw.get(keyword, b"").rstrip(b"\0 ").decode("latin-1")
        if problem := uid_problem(uid):
            return _refused(f"its {keyword} {problem}")
        uids[keyword] = uid
    little = elements.encoding_of(transfer_syntax_uid).little
    return Header(
        uids["SOPClassUID"],
        uids["SOPInstanceUID"],
        uids["StudyInstanceUID"],
        uids["SeriesInstanceUID"],
        _attributes(raw, little=little),
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
    meta = b"".join(
        (
            _meta(0x01, b"OB", b"\0\1"),
            _meta(0x02, b"UI", header.sop_class_uid.encode()),
            _meta(0x03, b"UI", header.sop_instance_uid.encode()),
            _meta(0x10, b"UI", transfer_syntax_uid.encode()),
            _meta(0x12, b"UI", IMPLEMENTATION_CLASS_UID.encode()),
            _meta(0x13, b"SH", IMPLEMENTATION_VERSION_NAME.encode()),
            _meta(0x16, b"AE", calling_ae.encode("ascii", "replace")[:16]),
            _meta(0x18, b"AE", called_ae.encode("ascii", "replace")[:16]),
        )
    )
    return _PREAMBLE + _meta(0x00, b"UL", pack("<I", len(meta))) + meta


def read_part10(path: Path) -> Part10 | Refusal:
    """Read a DICOM file's header, sender and digest.

    Raises:
        OSError: the file cannot be read.
    """
    content = path.read_bytes()
    if not content.startswith(b"DICM", 128):
        return _refused("it is not a DICOM file: no DICM after the preamble")
    try:
        meta, start = _file_meta(content)
    except MalformedError as error:
        return _refused(f"its file meta information is damaged: {error}")
    transfer_syntax_uid = meta.get(0x10, "")
    if problem := uid_problem(transfer_syntax_uid):
        return _refused(f"its TransferSyntaxUID {problem}")
    data = content[start:]
    header = read_header(data, transfer_syntax_uid)
    if isinstance(header, Refusal):
        return header
    sha256 = hashlib.sha256(data).hexdigest()
    return Part10(header, transfer_syntax_uid, meta.get(0x16, ""), sha256, len(data))


def _refused(reason: str) -> Refusal:
    return Refusal(f"not a usable DICOM object: {reason}", advice="Have it sent again")


def _meta(number: int, vr: bytes, value: bytes) -> bytes:
    """Write one element of group 2 (explicit little endian, padded to even length)."""
    if len(value) % 2:
        value += b"\0" if vr in (b"UI", b"OB") else b" "
    if vr == b"OB":
        return pack("<HH2sHI", 2, number, vr, 0, len(value)) + value
    return pack("<HH2sH", 2, number, vr, len(value)) + value


def _file_meta(content: bytes) -> tuple[dict[int, str], int]:
    """Read group 2 as text by element number, and say where the data set begins.

    The group length is not trusted: it is wrong often enough. A first element that is in another
    group ends the meta information; it is looked at as explicit little endian whatever it is.
    """
    position, found = len(_PREAMBLE), {}
    while content.startswith(b"\2\0", position):
        element = next(elements.elements(content, elements.EXPLICIT_LITTLE, position))
        value = content[element.start : element.start + element.length]
        found[element.tag % (1 << 16)] = value.rstrip(b"\0 ").decode("latin-1").strip()
        position = element.start + element.length
    return found, position


def _cut_out(data: bytes, encoding: Encoding) -> dict[str, bytes]:
    """Step through a data set and cut out the values that are wanted."""
    found: dict[str, bytes] = {}
    for element in elements.elements(data, encoding):
        keyword = _WANTED.get(element.tag)
        if keyword is not None:
            found[keyword] = _value(data, element)
    return found


def _value(data: bytes, element: Element) -> bytes:
    return data[element.start : element.start + min(element.length, _LONGEST_TEXT)]


def _attributes(raw: Mapping[str, bytes], *, little: bool) -> dict[str, Attribute]:
    encodings = _encodings(raw.get(_CHARSET, b""))
    found: dict[str, Attribute] = {}
    for keyword in KEYWORDS:
        value = _decoded(_VR[keyword], raw.get(keyword, b""), encodings, little=little)
        if value is not None:
            found[keyword] = value
    return found


def _encodings(charset: bytes) -> list[str]:
    """Give Python's encodings for a Specific Character Set; plain text for names nobody knows."""
    terms = [_term(term) for term in charset.rstrip(b"\0 ").decode("latin-1").split("\\")]
    if any(term not in python_encoding for term in terms):
        return ["latin-1"]
    return convert_encodings(terms if len(terms) > 1 else terms[0])


def _term(written: str) -> str:
    """Set right the usual misspellings, such as ISO-IR 100 and ISO_2022_IR_87."""
    term = written.strip().upper().replace("-", "_").replace("ISO IR", "ISO_IR")
    return re.sub("^ISO.2022.IR.", "ISO 2022 IR ", term)


def _decoded(vr: str, value: bytes, encodings: list[str], *, little: bool) -> Attribute:
    if vr == "US":
        return float(int.from_bytes(value[:2], "little" if little else "big")) if value else None
    text = _text(value, encodings if vr in ("LO", "SH") else ["latin-1"])
    parts = [_printable(part) for part in text.split("\\")]
    if not any(parts):
        return None
    if vr in ("DS", "IS"):
        numbers = [number for part in parts if (number := _number(part)) is not None]
        return (numbers[0] if len(parts) == 1 else tuple(numbers)) if numbers else None
    return parts[0] if len(parts) == 1 else tuple(parts)


def _text(value: bytes, encodings: list[str]) -> str:
    try:
        return decode_bytes(value, encodings, TEXT_VR_DELIMS)
    except (LookupError, ValueError):  # bytes that are not of that character set
        return value.decode("latin-1")


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
