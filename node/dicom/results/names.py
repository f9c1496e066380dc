"""What things are called in results: plain ASCII, and nothing else by the same name."""

from collections.abc import Iterable

from node.rules.nouns import Code

LONGEST = 64
"""Characters of a label or an identifier (VR LO)."""


def plain_ascii(text: str, longest: int = LONGEST) -> str:
    """Make our own text fit beside any character set: ASCII, and no longer than its VR allows."""
    return text.encode("ascii", "replace").decode("ascii").replace("\\", "/")[:longest]


def display_names(things: Iterable[tuple[int, str, Code]]) -> dict[int, str]:
    """Give what segments or classes are called in every result: the same in each, used once.

    A name that is not ASCII would be a row of question marks, and all such names the same one: its
    code's meaning and its number stand for it. (`radnode models check` refuses such a bundle; what
    is here holds whoever describes a model.)

    Args:
        things: the number, the name and the code of each, numbers used once.

    Returns:
        Names of at most 64 characters, by number.
    """
    named: dict[int, str] = {}
    taken: set[str] = set()
    for number, name, code in things:
        wanted = plain_ascii(name) if name.isascii() and name.strip() else ""
        if not wanted:
            meaning = code.meaning if code.meaning.isascii() else "Finding"
            wanted = _numbered(meaning, f" {number}")
        named[number] = _numbered(wanted, f" ({number})") if wanted in taken else wanted
        taken.add(named[number])
    return named


def _numbered(name: str, number: str) -> str:
    return plain_ascii(name, LONGEST - len(number)) + number
