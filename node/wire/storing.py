"""Takes the bytes of a C-STORE from the connection to whoever keeps them, fragment by fragment.

What is kept of a data set in memory is at most one buffer, whatever its size. Everything here is
one association's own, and runs in its thread.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pydicom.datadict import tag_for_keyword

from node import log
from node.dicom import services, status
from node.rules.nouns import Caller

BUFFER = 1 << 20
"""Bytes of a data set that are collected before they are handed on; most images fit."""
PIECE = 1 << 18
"""Most bytes that are asked of a peer at once: what it must manage to send in the idle time."""
LONGEST_COMMAND = 1 << 16
LONGEST_DATA_SET = 4 << 20
"""Most bytes of a data set that is no image's: a storage commitment report, a query."""
COMMENT_LENGTH = 64  # (0000,0902) is LO

_ELEMENT = struct.Struct("<HHI")


def _number(keyword: str) -> int:
    """Give the element number of a command element; its group is 0000."""
    number = tag_for_keyword(keyword)
    assert number is not None  # noqa: S101 - every name below is in the Standard
    return number


_AFFECTED_CLASS = _number("AffectedSOPClassUID")
_AFFECTED_INSTANCE = _number("AffectedSOPInstanceUID")
_COMMAND = _number("CommandField")
_MESSAGE_ID = _number("MessageID")
_ANSWERED_ID = _number("MessageIDBeingRespondedTo")
_PRIORITY = _number("Priority")
_DATA_SET_TYPE = _number("CommandDataSetType")
_STATUS = _number("Status")
_COMMENT = _number("ErrorComment")
_C_STORE_RQ, _C_STORE_RSP, _NO_DATA_SET = b"\1\0", b"\1\x80", b"\1\1"
_STORAGE = frozenset(services.STORAGE_CLASSES)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One C-STORE request, as its command tells; its data set is still to come."""

    association: str
    caller: Caller
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer: a status from `dicom.status`, and a comment for the sender's log."""

    status: int
    comment: str = ""


FAILED = Answer(status.PROCESSING_FAILURE, "internal failure; the node's journal says more")
"""The answer when keeping an image raised what nobody foresaw."""


class Draft(Protocol):
    """Where a data set goes while it comes."""

    def add(self, piece: memoryview) -> None:
        """Take a piece that is not the last; the buffer is used again afterwards."""
        ...

    def finish(self, piece: memoryview) -> Answer:
        """Take the last piece, keep the image, and answer only then."""
        ...

    def abandon(self) -> None:
        """Forget it all: the rest will not come."""
        ...


class Request(NamedTuple):
    """What the command set of a C-STORE request says (PS3.7 9.3.1.1)."""

    message_id: bytes
    sop_class: bytes
    sop_instance: bytes


class ViolationError(Exception):
    """The peer broke a rule of the upper layer; the association ends."""


def read_command(encoded: bytes) -> dict[int, bytes]:
    """Read a command set, implicit little endian (PS3.7 6.3.1): values by element number.

    Raises:
        ViolationError: it is none.
    """
    found: dict[int, bytes] = {}
    position, end = 0, len(encoded)
    while position < end:
        if position + 8 > end:
            raise ViolationError("a command set ends in the middle of an element")
        group, number, length = _ELEMENT.unpack_from(encoded, position)
        position += 8
        if group or position + length > end:
            raise ViolationError("a command set holds what is no command element")
        found[number] = encoded[position : position + length]
        position += length
    return found


def store_request(command: Mapping[int, bytes]) -> Request | None:
    """Give the request if this is a C-STORE-RQ that can be taken in here, otherwise None."""
    if command.get(_COMMAND) != _C_STORE_RQ or command.get(_DATA_SET_TYPE) in (None, _NO_DATA_SET):
        return None
    message_id = command.get(_MESSAGE_ID, b"")
    sop_class = command.get(_AFFECTED_CLASS, b"").rstrip(b"\0 ")
    sop_instance = command.get(_AFFECTED_INSTANCE, b"").rstrip(b"\0 ")
    if len(message_id) != 2 or len(command.get(_PRIORITY, b"")) != 2 or not sop_instance:
        return None
    if sop_class.decode("latin-1") not in _STORAGE:
        return None
    return Request(message_id, sop_class, sop_instance)


def response(context: int, request: Request, answer: Answer) -> bytes:
    """Write the P-DATA-TF with the C-STORE-RSP (PS3.7 9.3.1.2, PS3.8 9.3.5)."""
    comment = comment_of(answer).encode()
    elements = b"".join(
        (
            _element(_AFFECTED_CLASS, request.sop_class, b"\0"),
            _element(_COMMAND, _C_STORE_RSP),
            _element(_ANSWERED_ID, request.message_id),
            _element(_DATA_SET_TYPE, _NO_DATA_SET),
            _element(_STATUS, struct.pack("<H", answer.status)),
            _element(_COMMENT, comment, b" ") if comment else b"",
            _element(_AFFECTED_INSTANCE, request.sop_instance, b"\0"),
        )
    )
    command = _element(0, struct.pack("<I", len(elements))) + elements
    return struct.pack(">BxIIBB", 4, len(command) + 6, len(command) + 2, context, 3) + command


def comment_of(answer: Answer) -> str:
    """Give the Error Comment of an answer: an LO in the default repertoire (PS3.7 E.1)."""
    return answer.comment.encode("ascii", "replace").decode()[:COMMENT_LENGTH]


def _element(number: int, value: bytes, padding: bytes = b"") -> bytes:
    if len(value) % 2:
        value += padding
    return _ELEMENT.pack(0, number, len(value)) + value


class Intake:
    """A data set on its way in: collected in a buffer, handed on when that is full."""

    def __init__(self, context: int, request: Request, draft: Draft | Answer) -> None:
        """Take in the data set of `request` for `draft`; if that is an answer, for nobody."""
        self.context = context
        self.request = request
        self._draft = draft

    def add(self, piece: memoryview) -> None:
        """Hand on a full buffer."""
        if isinstance(self._draft, Answer):
            return
        try:
            self._draft.add(piece)
        except Exception as error:  # noqa: BLE001 - the sender must have an answer
            self._fail(self._draft, error)

    def finish(self, piece: memoryview) -> Answer:
        """Hand on the last of it, and give the answer."""
        if isinstance(self._draft, Answer):
            return self._draft
        try:
            return self._draft.finish(piece)
        except Exception as error:  # noqa: BLE001 - the sender must have an answer
            self._fail(self._draft, error)
            return FAILED

    def abandon(self) -> None:
        """The rest will not come."""
        if not isinstance(self._draft, Answer):
            self._draft.abandon()

    def _fail(self, draft: Draft, error: Exception) -> None:
        log.say("store_failed", "error", error=type(error).__name__)
        self._draft = FAILED
        draft.abandon()
