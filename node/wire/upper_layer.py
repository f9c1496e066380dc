"""The upper layer of one association: PDUs in, data sets straight to the spool, answers out.

pynetdicom runs its upper layer (PS3.8) in a thread of its own that looks at the connection every
millisecond, copies each fragment several times and decodes each command into a data set. Here the
association's one thread waits for the connection itself; the fragments of a C-STORE's data set go
from the connection into one buffer and from there to whoever keeps them; its answer is written in
the same place. Everything else goes through pynetdicom's state machine, unchanged: association
requests, release, abort, every other DIMSE message, every mistake that a peer makes.

`node.wire.shape` says what of pynetdicom this stands on; where that is missing it is not used.
"""

import os
import select
import socket
import struct
from contextlib import suppress
from queue import Empty
from threading import Lock, get_ident
from typing import Protocol

from pynetdicom.association import Association
from pynetdicom.dul import _PDU_TYPES, DULServiceProvider
from pynetdicom.pdu_primitives import _PDUPrimitiveType

from node import log
from node.clock import Clock
from node.wire.channel import Channel, GoneError, MonotonicTimer, StalledError
from node.wire.ordering import OrderedMessages
from node.wire.storing import (
    BUFFER,
    LONGEST_COMMAND,
    LONGEST_DATA_SET,
    PIECE,
    Answer,
    Intake,
    Request,
    ViolationError,
    read_command,
    response,
    store_request,
)

A_ASSOCIATE_RQ, P_DATA_TF, A_ABORT = 1, 4, 7
ABORT_LENGTH = 4
LONGEST_REQUEST = 1 << 18
LONGEST_PDU = 1 << 20
"""Most bytes of a PDU that is not P-DATA-TF: a request with 128 contexts has some 100,000."""
LINGER_SECONDS = 1.0

_AWAITED = "Sta2"
_ASSOCIATED = "Sta6"
_CLOSING = "Sta13"
_LENGTH = struct.Struct(">I")
_PDV = struct.Struct(">IBB")  # length, context, message control header (PS3.8 9.3.5.1, E.2)
_COMMAND, _LAST = 1, 2


class User(Protocol):
    """Who uses an upper layer; implemented by `node.wire.acceptor`."""

    is_aborted: bool
    messages: OrderedMessages

    def take_in(self, context: int, request: Request) -> Intake | None:
        """Begin to take an image in; None when its context was not accepted."""
        ...

    def keep(self, intake: Intake, piece: memoryview) -> Answer:
        """Keep the image whose last piece this is, and give the answer."""
        ...

    def abort(self, block: bool = True) -> None:  # noqa: FBT001, FBT002 - as the library has it
        """Have an A-ABORT sent."""
        ...


class UpperLayer(DULServiceProvider):
    """pynetdicom's upper layer, turned by the association's own thread."""

    def __init__(self, association: Association, user: User, clock: Clock) -> None:
        """Serve `association`, which is also the `user`; `begin` starts."""
        super().__init__(association)
        self._user = user
        self.artim_timer: MonotonicTimer = MonotonicTimer(None, clock)
        self._idle_timer: MonotonicTimer = MonotonicTimer(None, clock)
        self._mine = 0
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._living = True
        self._closing = Lock()
        self._interrupted = False
        self._buffer = memoryview(bytearray(0))
        self._filled = 0
        self._head = memoryview(bytearray(6))
        self._command = bytearray()
        self._context = 0
        self._intake: Intake | None = None

    # -- life -------------------------------------------------------------------------------

    def begin(self) -> None:
        """Belong to the calling thread from here on."""
        self._mine = get_ident()
        self._idle_timer.start()

    def end(self) -> None:
        """Close everything; what was on its way in is abandoned."""
        self._kill_thread = True
        intake, self._intake = self._intake, None
        try:
            if intake is not None:
                intake.abandon()
        finally:
            self._close()
        self._buffer = memoryview(b"")

    def _close(self) -> None:
        with self._closing:  # a descriptor that another thread still uses may be another one's next
            self._living = False
            if self.socket is not None:
                self.socket.close()
            os.close(self._bell)

    def is_alive(self) -> bool:
        """Say whether the association is still being turned (there is no thread of ours)."""
        return self._living

    def stop_dul(self) -> bool:
        """Say whether it is over; nothing needs to be waited for."""
        return not self._living

    def send_pdu(self, primitive: _PDUPrimitiveType) -> None:
        """Take what the user wants sent; from another thread, wake ours."""
        super().send_pdu(primitive)
        if get_ident() != self._mine:
            self._ring()

    def interrupt(self) -> None:
        """Stop reading, whatever is on its way, and look at what is to be sent (any thread)."""
        self._interrupted = True
        with self._closing:
            channel = self.socket
            connected = channel.socket if self._living and channel is not None else None
            if connected is not None:
                with suppress(OSError):  # closed already; beneath TLS, which can still send
                    socket.socket.shutdown(connected, socket.SHUT_RD)
        self._ring()

    def _ring(self) -> None:
        with self._closing:
            if self._living:
                os.eventfd_write(self._bell, 1)

    # -- turning ----------------------------------------------------------------------------

    def turn(self, seconds: float) -> None:
        """Do what there is to do; if that is nothing, wait for it for up to so many seconds."""
        if not self.work():
            self._wait(seconds)
            self.work()

    def work(self) -> bool:
        """Send one primitive or take in one PDU, and what follows from it; say if there was any."""
        did = False
        while not self._kill_thread:
            if self.artim_timer.expired:
                self.event_queue.put("Evt18")
            if self._process_recv_primitive():
                did = True
            elif not did and self.event_queue.empty() and self._is_transport_event():
                self._idle_timer.restart()
                did = True
            try:
                event = self.event_queue.get(block=False)
            except Empty:
                return did
            self.state_machine.do_action(event)
            did = True
        return did

    def _wait(self, seconds: float) -> None:
        channel = self.socket
        if channel is None or channel.socket is None:
            return
        if self._channel().buffered():
            return
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        try:
            poll.register(channel.socket, select.POLLIN)
        except (OSError, ValueError):  # closed meanwhile: reading will say so
            return
        for descriptor, _ in poll.poll(seconds * 1000):
            if descriptor == self._bell:
                os.eventfd_read(self._bell)

    def _is_transport_event(self) -> bool:
        if self.state_machine.current_state == _CLOSING:
            channel = self._channel()
            if self._user.is_aborted:
                self._linger(channel)
            channel.close()
            return True
        if self.socket is not None and not self._interrupted and self.socket.ready:
            self._read_pdu_data()
            return True
        return False

    def _linger(self, channel: Channel) -> None:
        """Let the peer read our A-ABORT: a connection closed on unread bytes takes it along."""
        try:
            connected = channel.connected()
            socket.socket.shutdown(connected, socket.SHUT_WR)
            connected.settimeout(LINGER_SECONDS / 10)
            for _ in range(10):
                if not channel.wait(LINGER_SECONDS / 10):
                    continue
                for _ in range(64):
                    if not socket.socket.recv(connected, PIECE):
                        return
        except OSError:
            return

    # -- reading ----------------------------------------------------------------------------

    def _read_pdu_data(self) -> None:
        """Take in one PDU; while data sets of C-STOREs come, as many as there are."""
        try:
            channel = self._channel()
            channel.fill(self._head)
            self._take_pdu(channel)
            while self._is_streaming() and channel.ready:
                channel.fill(self._head)
                self._take_pdu(channel)
        except GoneError:
            if not self._interrupted:  # what is to be sent then still goes out
                self.event_queue.put("Evt17")
        except StalledError as error:
            log.say("association_stalled", "warning", reason=str(error))
            self._user.abort()
        except ViolationError as error:
            log.say("association_violated", "warning", reason=str(error))
            self.event_queue.put("Evt19")

    def _is_streaming(self) -> bool:
        """Whether nobody but this file has anything to do before the next PDU is read."""
        return (
            self.state_machine.current_state == _ASSOCIATED
            and self.event_queue.empty()
            and not self._user.messages.msg_queue.queue
            and not self.to_provider_queue.queue
            and not self._interrupted
        )

    def _take_pdu(self, channel: Channel) -> None:
        """Take in the PDU whose first six bytes are in `_head`."""
        length = _LENGTH.unpack_from(self._head, 2)[0]
        if self._head[0] == P_DATA_TF and self.state_machine.current_state == _ASSOCIATED:
            self._take_values(channel, length)
            return
        if self.state_machine.current_state == _AWAITED and not self._may_come_first(length):
            raise ViolationError("it does not begin with an association request")
        kind = bytes(self._head[:1])
        if kind not in _PDU_TYPES:
            raise ViolationError("a PDU of a type that there is not")
        if length > LONGEST_PDU:
            raise ViolationError("a PDU larger than any of its type can be")
        content = bytearray(self._head) + channel.recv(length)
        try:
            pdu, event = self._decode_pdu(content)
        except Exception as error:  # noqa: BLE001 - the library's decoders raise what they please
            raise ViolationError(f"a PDU that cannot be read ({type(error).__name__})") from None
        self.event_queue.put(event)
        self._recv_pdu.put(pdu)

    def _may_come_first(self, length: int) -> bool:
        """Whether this is a request of a size that can be, or an abort (PS3.8 9.3.2, 9.3.8)."""
        return (self._head[0] == A_ASSOCIATE_RQ and length <= LONGEST_REQUEST) or (
            self._head[0] == A_ABORT and length == ABORT_LENGTH
        )

    def _take_values(self, channel: Channel, left: int) -> None:
        """Take in the values (PDVs) of a P-DATA-TF, and of all that follow up to an object's end.

        `_head` holds six bytes at a time: of a PDU its type and length, of a value its length,
        context and control header. Six bytes are always owed where they are read ahead.
        """
        self._next_value(channel, left)
        while True:
            length, context, control = _PDV.unpack(self._head)
            size, left = length - 2, left - length - 4
            if size < 0 or (left and left < self._head.nbytes):  # negative, too
                raise ViolationError("a presentation data value longer than its PDU, or too short")
            if self._intake is not None:
                ahead = self._take_data(channel, context, control, size)
            else:
                ahead = self._take_fragment(channel, context, control, size)
            if not left and self._intake is None and not self._command:
                return
            if not ahead:
                channel.fill(self._head)
            if left:
                continue
            if self._head[0] != P_DATA_TF:
                self._take_pdu(channel)
                return
            left = _LENGTH.unpack_from(self._head, 2)[0]
            self._idle_timer.restart()
            self._next_value(channel, left)

    def _next_value(self, channel: Channel, left: int) -> None:
        if left < self._head.nbytes:
            raise ViolationError("a P-DATA-TF without a presentation data value")
        channel.fill(self._head)

    # -- a data set of a C-STORE --------------------------------------------------------------

    def _take_data(self, channel: Channel, context: int, control: int, size: int) -> bool:
        """Take in a fragment of the data set; say whether the next six bytes were read with it."""
        intake = self._intake
        assert intake is not None  # noqa: S101 - asked by the caller
        if context != intake.context or control & _COMMAND:
            raise ViolationError("a message begins in the middle of another one")
        while size > PIECE:
            self._make_room(intake, PIECE)
            self._fill(channel, PIECE)
            size -= PIECE
        self._make_room(intake, size)
        if not control & _LAST:
            at = self._filled
            channel.fill_both(self._buffer[at : at + size], self._head)
            self._filled = at + size
            return True
        self._fill(channel, size)
        self._intake = None
        answer = self._user.keep(intake, self._buffer[: self._filled])
        self._filled = 0
        self._answer(channel, intake, answer)
        return False

    def _fill(self, channel: Channel, size: int) -> None:
        channel.fill(self._buffer[self._filled : self._filled + size])
        self._filled += size

    def _make_room(self, intake: Intake, size: int) -> None:
        if not self._buffer.nbytes:
            self._buffer = memoryview(bytearray(BUFFER))
        if self._filled + size > BUFFER:
            intake.add(self._buffer[: self._filled])
            self._filled = 0

    def _answer(self, channel: Channel, intake: Intake, answer: Answer) -> None:
        try:
            channel.connected().sendall(response(intake.context, intake.request, answer))
        except OSError as error:
            raise GoneError("the answer could not be sent") from error
        self._idle_timer.restart()

    # -- commands, and data sets of other messages ------------------------------------------------

    def _take_fragment(self, channel: Channel, context: int, control: int, size: int) -> bool:
        """Collect a command; when it is whole, see who takes the message in; nothing is ahead."""
        if size > (LONGEST_COMMAND if control & _COMMAND else LONGEST_DATA_SET):
            raise ViolationError("a message that is too long")
        fragment = channel.recv(size)
        if self._user.messages.message is not None or not control & _COMMAND:
            self._hand_over(context, control, fragment)
            return False
        if self._command and context != self._context:
            raise ViolationError("a message begins in the middle of another one")
        self._context = context
        self._command += fragment
        if len(self._command) > LONGEST_COMMAND:
            raise ViolationError("a command set that is too long")
        if not control & _LAST:
            return False
        command, self._command = self._command, bytearray()
        request = store_request(read_command(bytes(command)))
        intake = self._user.take_in(context, request) if request is not None else None
        if intake is None:
            self._hand_over(context, control, command)
        else:
            self._intake, self._filled = intake, 0
        return False

    def _hand_over(self, context: int, control: int, fragment: bytearray) -> None:
        """Give a fragment to pynetdicom."""
        self._user.messages.take(context, bytes([control]) + bytes(fragment))

    def _channel(self) -> Channel:
        if not isinstance(self.socket, Channel):
            raise GoneError("the connection is closed")
        return self.socket
