"""Holds a peer to the order in which fragments of messages may come, and ends it in words if not.

pynetdicom believes that they come in order: a command in the middle of a data set, or another
context's fragment, would be mixed into the message at hand; a command that cannot be read ends its
thread without a word; what follows a message in the same PDU is dropped; an answer that nobody
asked for is ignored while the peer waits. Here each of these is a violation (PS3.7 6.3.1, PS3.8
Annex E), and a violation is an A-ABORT. It serves the plain and the fast path.
"""

from queue import Queue
from typing import Any

from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.pdu_primitives import P_DATA

from node import log
from node.wire.storing import LONGEST_COMMAND, ViolationError

_COMMAND, _LAST = 1, 2


class _Requests(Queue[Any]):
    """The messages for the association's thread: requests only."""

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: ANN401, FBT001, FBT002 - as the library has it
        message = item[1]
        if message is not None and not message.is_valid_request:
            raise ViolationError("a message that is no complete request")
        super().put(item, block, timeout)


class OrderedMessages(DIMSEServiceProvider):
    """pynetdicom's collector of messages, behind a check of their order."""

    def __init__(self, association: Association, longest: int) -> None:
        """Serve `association`; data sets that are collected here have at most `longest` bytes."""
        super().__init__(association)
        self.msg_queue = _Requests()
        self._longest = longest
        self._context = 0
        self._command_ended = False
        self._size = 0

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take the values of one P-DATA-TF in; abort the association if they are out of order."""
        try:
            self._check_number(primitive)
            for context, value in primitive.presentation_data_value_list:
                self.take(context, value)
        except ViolationError as error:
            log.say("association_violated", "warning", reason=str(error))
            self.dul.event_queue.put("Evt19")

    def take(self, context: int, value: bytes) -> None:
        """Take one value in: the message control header, then the fragment.

        Raises:
            ViolationError: it is out of order, or the message that it ends cannot be read.
        """
        self._check(context, value)
        single = P_DATA()
        single.presentation_data_value_list.append((context, value))
        try:
            super().receive_primitive(single)
        except ViolationError:
            raise
        except Exception as error:  # noqa: BLE001 - the library's decoders raise what they please
            why = f"a message that cannot be read ({type(error).__name__})"
            raise ViolationError(why) from None

    @staticmethod
    def _check_number(primitive: P_DATA) -> None:
        if not primitive.presentation_data_value_list:
            raise ViolationError("a P-DATA-TF without a presentation data value")

    def _check(self, context: int, value: bytes) -> None:
        if not value:
            raise ViolationError("a presentation data value without a control header")
        command = bool(value[0] & _COMMAND)
        if self.message is None:
            if not command:
                raise ViolationError("a data set without a command")
            self._context, self._command_ended, self._size = context, False, 0
        elif context != self._context or command == self._command_ended:
            raise ViolationError("a message begins in the middle of another one")
        self._size += len(value)
        if self._size > (LONGEST_COMMAND if command else self._longest):
            raise ViolationError("a message that is too long")
        self._command_ended = self._command_ended or (command and bool(value[0] & _LAST))
