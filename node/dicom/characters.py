"""Decodes text by the character set that an object declares, with the usual misspellings."""

import re
from collections.abc import MutableSequence
from functools import lru_cache

from pydicom.charset import (
    convert_encodings,
    decode_bytes,
    default_encoding,
    python_encoding,
)
from pydicom.dataset import Dataset
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS

_OTHER_NAMES = {"GB2312": "GB18030"}
"""What is no defined term, but written; the one that is has the same characters, and more."""
_ESCAPE, _CHINESE = b"\x1b", "\x1b$)A"
"""What begins escape sequences; that of ISO 2022 IR 58, which pydicom leaves in its text."""


def decoded(value: bytes, charset: bytes, *, name: bool = False) -> str:
    """Decode a value; what is not of the declared character set comes as Latin letters.

    Args:
        value: as it is written.
        charset: the value of Specific Character Set (PS3.3 C.12.1.1.2), as it is written.
        name: whether it is a person's name, which has delimiters of its own (PS3.5 6.1.2.5.3).
    """
    if (not charset or value.isascii()) and _ESCAPE not in value:
        return value.decode("latin-1")
    try:
        text = decode_bytes(value, encodings(charset), PN_DELIMS if name else TEXT_VR_DELIMS)
    except (LookupError, ValueError):  # bytes that are not of that character set
        return value.decode("latin-1")
    return text.replace(_CHINESE, "")


@lru_cache(maxsize=64)
def encodings(charset: bytes) -> list[str]:
    """Give Python's encodings for a Specific Character Set; plain text for names nobody knows."""
    terms = [_term(term) for term in charset.rstrip(b"\0 ").decode("latin-1").split("\\")]
    if any(term not in python_encoding for term in terms):
        return ["latin-1"]
    return convert_encodings(terms if len(terms) > 1 else terms[0])


def declare(made: Dataset) -> str | MutableSequence[str]:
    """Have a data set declare what is a defined term where it declares what is none.

    Returns:
        Python's encodings for it.
    """
    written = made.get("SpecificCharacterSet")
    if isinstance(written, str) and written.upper() in _OTHER_NAMES:
        made.SpecificCharacterSet = written = _OTHER_NAMES[written.upper()]
    return convert_encodings(written) if written else default_encoding


def _term(written: str) -> str:
    """Set right the usual misspellings, such as ISO-IR 100 and ISO_2022_IR_87."""
    term = written.strip().upper().replace("-", "_").replace("ISO IR", "ISO_IR")
    term = re.sub("^ISO.2022.IR.", "ISO 2022 IR ", term)
    return _OTHER_NAMES.get(term, term)
