"""What the numbers in a DICOM answer mean, and whether it is worth asking again.

The only file that writes a status as a number. Sources: PS3.7 Annex C (general), PS3.4 B.2.3
(C-STORE), PS3.4 J.3.3 and PS3.3 C.14 (storage commitment failure reasons).
"""

from typing import Literal, NamedTuple

from node.rules.failures import Fault, Refusal

SUCCESS = 0x0000

PROCESSING_FAILURE = 0x0110
NO_SUCH_INSTANCE = 0x0112
INVALID_ARGUMENT = 0x0115
NO_SUCH_SOP_CLASS = 0x0118
CLASS_INSTANCE_CONFLICT = 0x0119
MISSING_ATTRIBUTE = 0x0120
MISSING_ATTRIBUTE_VALUE = 0x0121
SOP_CLASS_NOT_SUPPORTED = 0x0122
NO_SUCH_ACTION = 0x0123
NOT_AUTHORIZED = 0x0124
DUPLICATE_INVOCATION = 0x0210
UNRECOGNIZED_OPERATION = 0x0211
MISTYPED_ARGUMENT = 0x0212
RESOURCE_LIMITATION = 0x0213
DUPLICATE_SOP_INSTANCE = 0x0111
DUPLICATE_TRANSACTION_UID = 0x0131

OUT_OF_RESOURCES = 0xA700
DATA_SET_DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000

COERCED = 0xB000
ELEMENTS_DISCARDED = 0xB006
DATA_SET_DOES_NOT_MATCH_WARNING = 0xB007

Kind = Literal["success", "warning", "temporary", "final"]


class Meaning(NamedTuple):
    """What an answer to C-STORE means: stored, stored with a warning, try again, or never."""

    kind: Kind
    text: str


_EXACT: dict[int, Meaning] = {
    SUCCESS: Meaning("success", "stored"),
    COERCED: Meaning("warning", "stored, data elements coerced"),
    ELEMENTS_DISCARDED: Meaning("warning", "stored, elements discarded"),
    DATA_SET_DOES_NOT_MATCH_WARNING: Meaning("warning", "stored, does not match its SOP class"),
    DUPLICATE_SOP_INSTANCE: Meaning("success", "it has this instance already"),
    PROCESSING_FAILURE: Meaning("temporary", "processing failure"),
    NO_SUCH_INSTANCE: Meaning("final", "no such SOP instance"),
    INVALID_ARGUMENT: Meaning("final", "invalid argument value"),
    NO_SUCH_SOP_CLASS: Meaning("final", "no such SOP class"),
    CLASS_INSTANCE_CONFLICT: Meaning("final", "class and instance do not go together"),
    MISSING_ATTRIBUTE: Meaning("final", "missing attribute"),
    MISSING_ATTRIBUTE_VALUE: Meaning("final", "missing attribute value"),
    SOP_CLASS_NOT_SUPPORTED: Meaning("final", "SOP class not supported"),
    NO_SUCH_ACTION: Meaning("final", "no such action"),
    NOT_AUTHORIZED: Meaning("final", "not authorized"),
    DUPLICATE_INVOCATION: Meaning("temporary", "duplicate invocation"),
    UNRECOGNIZED_OPERATION: Meaning("final", "unrecognized operation"),
    MISTYPED_ARGUMENT: Meaning("final", "mistyped argument"),
    RESOURCE_LIMITATION: Meaning("temporary", "resource limitation"),
    DUPLICATE_TRANSACTION_UID: Meaning("final", "duplicate transaction UID"),
}
_FAMILIES: tuple[tuple[int, int, Meaning], ...] = (
    (0xFF00, OUT_OF_RESOURCES, Meaning("temporary", "out of resources")),
    (0xFF00, DATA_SET_DOES_NOT_MATCH, Meaning("final", "data set does not match its SOP class")),
    (0xF000, CANNOT_UNDERSTAND, Meaning("final", "cannot understand")),
    (0xF000, COERCED, Meaning("warning", "stored with a warning")),
)
"""Mask, pattern, meaning: some answers leave digits to the implementation (PS3.4 table B.2-1)."""

_ADVICE = {
    "temporary": "",
    "final": "Have the other side's log read, then `radnode retry` it",
}


def meaning(status: int) -> Meaning:
    """Say what an answer to C-STORE means; one that the Standard does not know is final."""
    if status in _EXACT:
        return _EXACT[status]
    for mask, pattern, family in _FAMILIES:
        if status & mask == pattern:
            return family
    return Meaning("final", "a status that the Standard does not know")


def known() -> list[tuple[str, Meaning]]:
    """Give every answer to C-STORE that is told apart, X for any digit, and what it means."""
    exact = [(f"{code:04X}", what) for code, what in sorted(_EXACT.items())]
    families = [
        (f"{pattern:04X}"[: 2 if mask == 0xFF00 else 1].ljust(4, "X"), what)
        for mask, pattern, what in _FAMILIES
    ]
    return exact + families


def is_stored(status: int) -> bool:
    """Whether the answer means that the object is kept by the one who answered."""
    return meaning(status).kind in ("success", "warning")


def describe(status: int) -> str:
    """Write a status for people: four hexadecimal digits and what they mean."""
    return f"{status:04X} {meaning(status).text}"


def refusal(status: int | None, peer: str, comment: str = "") -> Refusal | None:
    """Turn an answer to C-STORE into a refusal, or None when the object is stored.

    `peer` is the name of the one who answered, `comment` its Error Comment (0000,0902).
    """
    if status is None:
        return Refusal(f"{peer} gave no status", Fault.PEER, again=True)
    if is_stored(status):
        return None
    kind, _ = meaning(status)
    said = f"{peer} answered {describe(status)}"
    if comment:
        said += f" ({_printable(comment)})"
    return Refusal(said, Fault.PEER, _ADVICE[kind], again=kind == "temporary")


def commitment_failure(reason: int) -> str:
    """Say why an instance was not committed (Failure Reason (0008,1197), PS3.3 C.14.1.1)."""
    return f"{reason:04X} {_EXACT[reason].text if reason in _EXACT else 'no reason known to us'}"


def _printable(comment: str) -> str:
    return "".join(char if char.isprintable() else " " for char in comment)[:64].strip()
