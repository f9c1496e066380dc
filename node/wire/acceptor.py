"""One association that a peer opened, from its request to its end, in one thread.

pynetdicom's association runs in two threads that look for work every millisecond and hand every
message to each other. Here one thread waits for the connection, and serves what came, with
pynetdicom's own negotiation and service classes. `node.wire.upper_layer` reads and writes.
"""

import socket
from collections.abc import Sequence
from threading import get_ident
from typing import Protocol

from pynetdicom import AE, evt
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AddressInformation

from node import log
from node.clock import Clock
from node.wire.channel import Channel
from node.wire.ordering import OrderedMessages
from node.wire.storing import LONGEST_DATA_SET, Answer, Draft, Intake, Request
from node.wire.upper_layer import UpperLayer

TURN_SECONDS = 1.0
_A_ABORT = bytes((7, 0, 0, 0, 0, 4, 0, 0, 2, 0))
"""From the provider, for no reason given (PS3.8 9.3.8)."""


class Desk(Protocol):
    """Who takes in images; implemented by `node.wire.scp`."""

    def begin(self, association: Association, syntax: str, request: Request) -> Draft | Answer:
        """Take a C-STORE request in, or say at once what will be answered."""
        ...

    def answered(self, association: Association, answer: Answer) -> None:
        """Note what is answered."""
        ...

    def left(self, association: Association) -> None:
        """Note that the association is over, however it ended."""
        ...


class Acceptor(Association):
    """An association as its acceptor, on a connection whose peer has begun to speak."""

    def __init__(
        self,
        ae: AE,
        desk: Desk,
        connected: socket.socket,
        addresses: tuple[AddressInformation, AddressInformation],
        clock: Clock,
    ) -> None:
        """Prepare; `addresses` are ours and the peer's. `start` begins to read."""
        super().__init__(ae, MODE_ACCEPTOR)
        self._desk = desk
        self.upper_layer = UpperLayer(self, self, clock)
        self.dul = self.upper_layer
        self.acse_timeout = ae.acse_timeout  # these set the timers of the new upper layer
        self.network_timeout = ae.network_timeout
        self.messages = OrderedMessages(self, LONGEST_DATA_SET)
        self.dimse = self.messages
        self._sent_abort: bool = False
        self._channel = Channel(self, connected, clock)
        self.set_socket(self._channel)
        self._mine = 0
        self.name = f"AcceptorThread@{addresses[1].address}:{addresses[1].port}"
        self.acceptor.maximum_length = ae.maximum_pdu_size
        self.acceptor.ae_title = ae.ae_title
        self.acceptor.address_info = addresses[0]
        self.acceptor.implementation_class_uid = ae.implementation_class_uid
        self.acceptor.implementation_version_name = ae.implementation_version_name
        self.requestor.address_info = addresses[1]

    def support(
        self, contexts: Sequence[PresentationContext], handlers: Sequence[evt.EventHandlerType]
    ) -> None:
        """Support these contexts, which are only read, and tell these handlers what happens."""
        self.acceptor.supported_contexts = list(contexts)
        for handler in handlers:
            self.bind(*handler)

    def run_reactor(self) -> None:
        """Live: negotiate, serve, end. Whatever happens, the connection is closed afterwards."""
        self._mine = get_ident()
        try:
            self._channel.limit(self.acse_timeout or TURN_SECONDS)
            self.upper_layer.begin()
            self._live()
        except Exception as error:  # noqa: BLE001 - the next association must not notice
            log.say("association_failed", "error", error=type(error).__name__)
            self._channel.say_last(_A_ABORT)
        finally:
            self.is_established = False
            self._kill = True
            try:
                self.upper_layer.end()
            finally:
                self._desk.left(self)

    def _live(self) -> None:
        layer = self.upper_layer
        while layer.peek_next_pdu() is None and not layer._kill_thread:  # noqa: SLF001
            layer.turn(TURN_SECONDS)
        primitive = layer.receive_pdu(wait=False)
        if primitive is None:
            return
        self.requestor.primitive = primitive
        evt.trigger(self, evt.EVT_REQUESTED, {})
        if not self.is_aborted and not self.is_rejected:
            self.acse.negotiate_association()
        if self.is_established:
            self._channel.limit(self.network_timeout or TURN_SECONDS)
            self._run_reactor()
        while not layer._kill_thread:  # noqa: SLF001 - the last PDU goes out, the connection closes
            layer.turn(TURN_SECONDS)

    def _run_reactor(self) -> None:
        """Serve what comes until somebody ends it."""
        while not self._kill:
            self.upper_layer.turn(TURN_SECONDS)
            self._serve_messages()
            self._look_for_the_end()

    def _look_for_the_end(self) -> None:
        """See whether the peer released or aborted, or has been silent for too long."""
        if self.is_established and self.acse.is_release_requested():
            self._release()
        elif self.acse.is_aborted():
            self.upper_layer.receive_pdu(wait=False)  # EVT_ACSE_RECV for who listens to it
            self.is_aborted = True
            evt.trigger(self, evt.EVT_ABORTED, {})
            self.kill()
        elif self.upper_layer._kill_thread:  # noqa: SLF001 - the connection is closed
            self.kill()
        elif self.upper_layer.idle_timer_expired():
            log.say("association_idle", "warning", address=self.requestor.address)
            self.abort()

    def _serve_messages(self) -> None:
        while not self._kill:
            context, message = self.messages.get_msg(block=False)
            if message is None or context is None:
                return
            self._serve_request(message, context)

    def _release(self) -> None:
        if self.is_aborted:  # what was answered could not be made safe
            return
        self.is_released = True
        evt.trigger(self, evt.EVT_RELEASED, {})
        self.acse.send_release(is_response=True)
        self.kill()

    def kill(self) -> None:
        """Stop serving; the thread sends what is to be sent and closes the connection."""
        self._kill = True
        self.is_established = False
        if get_ident() != self._mine:
            self.upper_layer.interrupt()

    def _abort_blocking(self, block: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002 - its name
        """Have an A-ABORT sent, once; never waits, whoever asks."""
        if self._sent_abort or self.is_released:
            return
        self._sent_abort = True
        self.acse.send_abort(0)
        evt.trigger(self, evt.EVT_ABORTED, {})
        self.kill()

    # -- C-STORE -------------------------------------------------------------------------------

    def take_in(self, context: int, request: Request) -> Intake | None:
        """Begin to take an image in; None when its context was not accepted."""
        accepted = self._accepted_cx.get(context)
        if accepted is None or accepted.abstract_syntax is None:
            return None
        syntax = str(accepted.transfer_syntax[0])
        return Intake(context, request, self._desk.begin(self, syntax, request))

    def keep(self, intake: Intake, piece: memoryview) -> Answer:
        """Keep the image whose last piece this is, and give the answer."""
        answer = intake.finish(piece)
        self._desk.answered(self, answer)
        return answer
