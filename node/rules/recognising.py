"""Is a TLS certificate the one that the configuration asks for?

Subjects are text as RFC 4514 writes it: `CN=ct1,O=Hospital,C=CH`, most specific part first.
"""

import re
from collections.abc import Iterable, Sequence

DNS = "dns:"
"""What a wish begins with that names a host among the subject alternative names."""

Parts = tuple[frozenset[tuple[str, str]], ...]
"""A subject, most specific part first; a part has a (type, value), seldom more."""

# RFC 4514 section 3, and what else OpenSSL spells in two ways
_SHORT = {
    "commonname": "CN",
    "localityname": "L",
    "stateorprovincename": "ST",
    "organizationname": "O",
    "organizationalunitname": "OU",
    "countryname": "C",
    "streetaddress": "STREET",
    "domaincomponent": "DC",
    "userid": "UID",
    "surname": "SN",
    "givenname": "GN",
    "s": "ST",
}
_ESCAPE = r"""\\[0-9A-Fa-f]{2}|\\[ "#+,;<=>\\]"""
_PART = re.compile(
    r" *([A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+) *="  # a name or an object identifier
    rf""" *((?:(?:{_ESCAPE}|[^"+,;<>\\\0])*(?:{_ESCAPE}|[^ "+,;<>\\\0]))?) *([,+]|\Z)"""
)
_ESCAPED = re.compile(rb"\\([0-9A-Fa-f]{2}|.)", re.DOTALL)


def subject_text(parts: Iterable[Iterable[tuple[str, str]]]) -> str:
    """Write a subject as RFC 4514 does.

    Args:
        parts: relative distinguished names in the certificate's order, each of (type, value).
    """
    written = ["+".join(f"{_type(kind)}={_escaped(value)}" for kind, value in one) for one in parts]
    return ",".join(reversed(written))


def subject_parts(text: str) -> Parts | None:
    """Read a subject that RFC 4514 writes; None when it is none."""
    parts: list[frozenset[tuple[str, str]]] = []
    part: set[tuple[str, str]] = set()
    at, joint = 0, ","
    while joint:
        found = _PART.match(text, at)
        if found is None:
            return None
        value = _plain(found[2])
        if value is None:
            return None
        part.add((_type(found[1]), value))
        at, joint = found.end(), found[3]
        if joint != "+":
            parts.append(frozenset(part))
            part = set()
    return tuple(parts)


def is_recognised(wanted: str, subject: str, alternative_names: Sequence[str]) -> bool:
    """Say whether a certificate is the one that is wanted.

    Args:
        wanted: `CN=...`, which has to be the only common name of the subject; a whole subject
            (RFC 4514), or `dns:...`, which has to be among the subject alternative names.
        subject: that of the certificate (RFC 4514).
        alternative_names: of the certificate: "dns:...", "ip:...".
    """
    if wanted.casefold().startswith(DNS):
        return wanted.casefold() in {name.casefold() for name in alternative_names}
    wish, found = subject_parts(wanted), subject_parts(subject)
    if not wish or not found:
        return False
    if len(wish) == 1 and [kind for kind, _ in wish[0]] == ["CN"]:
        names = [value for part in found for kind, value in part if kind == "CN"]
        return names == [value for _, value in wish[0]]
    return wish == found


def _type(kind: str) -> str:
    short = _SHORT.get(kind.casefold(), kind)
    return short.upper() if short.casefold() in _KNOWN else short


_KNOWN = {short.casefold() for short in _SHORT.values()}


def _escaped(value: str) -> str:
    """Escape what RFC 4514 2.4 wants escaped, and what would spoil a line of the journal."""
    text = re.sub(r'([",+;<>\\=])', r"\\\1", value)
    text = re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\{ord(found[0]):02X}", text)
    if text[:1] in {" ", "#"}:
        text = "\\" + text
    return f"{text[:-1]}\\ " if value.endswith(" ") and len(value) > 1 else text


def _plain(written: str) -> str | None:
    """Take the escapes out of a value; None when what they stand for is no text."""

    def character(found: re.Match[bytes]) -> bytes:
        return bytes.fromhex(found[1].decode()) if len(found[1]) == 2 else found[1]

    try:
        return _ESCAPED.sub(character, written.encode()).decode()
    except UnicodeError:
        return None
