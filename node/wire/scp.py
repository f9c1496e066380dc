"""Listen: C-ECHO, C-STORE, and what peers tell us of series beside their images.

What is said here is a promise, so this file promises nothing itself: it asks its handler, who
answers when the image is safe, and passes the answer on. Two paths lead here: the fast one
(`node.wire.acceptor`), and plain pynetdicom where the installed one has another shape than the
fast one stands on. Nobody who calls can tell which it is.
"""

import socket
import ssl
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import BoundedSemaphore, Lock, Thread, Timer

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import A_RELEASE
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import Verification
from pynetdicom.transport import AddressInformation

from node import log
from node.clock import Clock, SystemClock
from node.dicom import services, status
from node.dicom.header import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from node.rules.admitting import Rejection
from node.rules.nouns import Caller
from node.wire import announcing, plain, shape
from node.wire.acceptor import Acceptor
from node.wire.announcing import Announcements
from node.wire.handler import Handler
from node.wire.identity import confirm_identity, identity_of
from node.wire.ordering import OrderedMessages
from node.wire.porch import Door, Porch, open_door, shake_hands
from node.wire.security import Security, SecurityError, Shown, subject_of
from node.wire.storing import (
    FAILED,
    Answer,
    Arrival,
    Draft,
    Intake,
    Request,
    comment_of,
)

__all__ = ["Answer", "Arrival", "Draft", "Handler", "Limits", "Listener"]

# (result, source, diagnostic) of A-ASSOCIATE-RJ, PS3.8 9.3.4
REJECTIONS = {
    Rejection.CALLED_AE: (1, 1, 7),
    Rejection.CALLING_AE: (1, 1, 3),
    Rejection.CERTIFICATE: (1, 1, 3),
    Rejection.IDENTITY: (1, 2, 1),
    Rejection.LIMIT: (2, 3, 2),
    Rejection.BUSY: (2, 3, 1),
}
_NO_LIMIT = 1 << 30
LAST_WORD_SECONDS = 1.0
STOP_SECONDS = 10.0
HANDSHAKES = 32
"""Most TLS handshakes at once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is granted to callers.

    `maximum_pdu` in bytes is what we offer to receive; `request_seconds` is the time for a whole
    A-ASSOCIATE-RQ (ARTIM, PS3.8 9.1.5), `idle_seconds` that for the next PDU, or a piece of one.
    """

    maximum_associations: int = 50
    maximum_pdu: int = 131072
    request_seconds: float = 10.0
    idle_seconds: float = 60.0


@dataclass(slots=True)
class _Conversation:
    association: str
    caller: Caller
    instances: int = 0


class Listener:
    """A DICOM server on one port, or on two when TLS has its own."""

    def __init__(
        self,
        own_ae: str,
        handler: Handler,
        *,
        limits: Limits | None = None,
        security: Security | None = None,
        clock: Clock | None = None,
        fast: bool = True,
    ) -> None:
        """Prepare; nothing listens before `start`. `security` is for doors where TLS is spoken.

        With `fast` false the plain path is taken.
        """
        self._security = security
        self.limits = limits or Limits()
        missing = shape.missing() if fast else "not wanted"
        if fast and missing:
            log.say("fast_path_missing", "warning", reason=missing)
        self.fast = not missing
        self._handler = handler
        self._clock = clock or SystemClock()
        self._open: dict[Association, _Conversation] = {}
        self._lock = Lock()
        self._handshakes = BoundedSemaphore(HANDSHAKES)
        self._porch: Porch | None = None
        self._ae = AE(ae_title=own_ae)
        self._ae.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
        self._ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        self._ae.maximum_associations = _NO_LIMIT  # it counts threads; we count associations
        self._ae.maximum_pdu_size = self.limits.maximum_pdu
        self._ae.acse_timeout = self.limits.request_seconds
        self._ae.network_timeout = self.limits.idle_seconds
        self._contexts = _contexts()
        self._handlers: list[evt.EventHandlerType] = [
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_ACSE_RECV, self._releasing),
            (evt.EVT_C_STORE, self._stored),
            *Announcements(handler, self._name_of).handlers(),
            (evt.EVT_RELEASED, self._ended, ["released"]),
            (evt.EVT_ABORTED, self._ended, ["aborted"]),
        ]

    def start(self, host: str, port: int) -> int:
        """Listen on one address, and give the port (the one chosen when `port` is 0).

        Raises:
            OSError: the port is taken, or not ours to take.
        """
        door = open_door(host, port)
        self.listen([door])
        return int(door.listening.getsockname()[1])

    def listen(self, doors: Sequence[Door]) -> None:
        """Accept associations on sockets that listen already."""
        if self.fast:
            self._porch = Porch(doors, self._welcome, self._clock, self.limits.request_seconds)
            self._porch.open()
            return
        handlers: list[evt.EventHandlerType] = [
            (evt.EVT_CONN_OPEN, self._plain_opened),
            *self._handlers,
            (evt.EVT_CONN_CLOSE, self._plain_closed),
        ]
        for door in doors:
            context = self._context if door.tls else None
            plain.serve(self._ae, door, self._contexts, handlers, context)

    def is_open(self) -> bool:
        """Say whether callers are still listened to."""
        return self._porch is None or self._porch.is_open()

    def stop(self) -> None:
        """Stop listening and abort what is still open; what was answered is kept."""
        porch, self._porch = self._porch, None
        if porch is not None:
            porch.close()
        plain.stop_accepting(self._ae)
        until = self._clock.monotonic() + STOP_SECONDS
        associations = self._ae.active_associations
        for association in associations:
            association.abort()
        for association in associations:
            if association.ident is not None:  # its thread has begun
                association.join(max(0.0, until - self._clock.monotonic()))
        self._ae.shutdown()
        for association in list(self._open):
            self._end(association, "aborted")

    # -- the fast path -------------------------------------------------------------------------

    def _welcome(self, connected: socket.socket, door: Door) -> None:
        """Give a caller who has begun to speak a thread of its own."""
        if not door.tls:
            self._accept(connected)
        elif self._handshakes.acquire(blocking=False):
            thread = Thread(target=self._shake_hands, args=(connected,), name="tls", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # there are no more threads
                self._handshakes.release()
                raise
        else:
            log.say("tls_refused", "warning", reason="too many handshakes at once")
            connected.close()

    def _shake_hands(self, connected: socket.socket) -> None:
        try:
            secured = shake_hands(connected, self._context(), self.limits.request_seconds)
        finally:
            self._handshakes.release()
        if secured is not None:
            self._accept(secured)

    def _context(self) -> ssl.SSLContext:
        if self._security is None:
            raise SecurityError("a door speaks TLS, and there is no tls section")
        return self._security.server_context()

    def _accept(self, connected: socket.socket) -> None:
        try:
            addresses = (
                AddressInformation.from_tuple(connected.getsockname()),
                AddressInformation.from_tuple(connected.getpeername()),
            )
            acceptor = Acceptor(self._ae, self, connected, addresses, self._clock)
            acceptor.support(self._contexts, self._handlers)
            try:
                acceptor.start()
            except RuntimeError:
                acceptor.upper_layer.end()
                raise
        except (OSError, RuntimeError) as error:  # it has gone; or there are no more threads
            log.say("accept_failed", "warning", error=type(error).__name__)
            with suppress(OSError):
                connected.close()

    def begin(self, association: Association, syntax: str, request: Request) -> Draft | Answer:
        """Take a C-STORE request in, or say at once what will be answered."""
        conversation = self._open[association]
        arrival = Arrival(
            conversation.association,
            conversation.caller,
            request.sop_class.decode("latin-1"),
            request.sop_instance.decode("latin-1"),
            syntax,
        )
        try:
            return self._handler.begin(arrival)
        except Exception as error:  # noqa: BLE001 - the sender must have an answer
            log.say("store_failed", "error", error=type(error).__name__)
            return FAILED

    def answered(self, association: Association, answer: Answer) -> None:
        """Count what was kept."""
        self._open[association].instances += status.is_stored(answer.status)

    def left(self, association: Association) -> None:
        """Take what has neither been released nor aborted for lost."""
        self._end(association, "lost")

    # -- the plain path ------------------------------------------------------------------------

    def _plain_opened(self, event: Event) -> None:
        no_delay(event)
        event.assoc.dul.socket.socket.settimeout(self.limits.idle_seconds)
        event.assoc.dimse = OrderedMessages(event.assoc, plain.LONGEST_DATA_SET)
        for association in [one for one in self._open if one.ident and not one.is_alive()]:
            self._end(association, "lost")  # its thread died of what the library did not foresee

    def _plain_closed(self, event: Event) -> None:
        """Take a closed connection for lost, unless it turns out to be released or aborted.

        The socket's thread sees the end of the connection before the association's thread has
        dealt with what came last, so the latter gets a moment.
        """
        if event.assoc in self._open:
            timer = Timer(LAST_WORD_SECONDS, self._end, [event.assoc, "lost"])
            timer.daemon = True
            timer.start()
        plain.dismiss(event)

    def _stored(self, event: Event) -> Dataset:
        """Take in an image that the library has collected in memory."""
        request = Request(
            b"",
            str(event.request.AffectedSOPClassUID).encode("latin-1", "replace"),
            str(event.request.AffectedSOPInstanceUID).encode("latin-1", "replace"),
        )
        draft = self.begin(event.assoc, str(event.context.transfer_syntax), request)
        intake = Intake(event.context.context_id, request, draft)
        answer = plain.pass_on(intake, event.request.DataSet)
        self.answered(event.assoc, answer)
        response = Dataset()
        response.Status = answer.status
        if answer.comment:
            response.ErrorComment = comment_of(answer)
        return response

    # -- both ------------------------------------------------------------------------------------

    def _requested(self, event: Event) -> None:
        """Let the caller in or not; whatever goes wrong in here, it is not let in.

        (pynetdicom goes on as if nothing had happened when one of its handlers raises.)
        """
        try:
            rejected = self._admit(event)
        except Exception as error:  # noqa: BLE001 - see above
            log.say("admission_failed", "error", error=type(error).__name__)
            rejected = REJECTIONS[Rejection.BUSY]
        if rejected is not None:
            event.assoc.acse.send_reject(*rejected)
            event.assoc.kill()

    def _admit(self, event: Event) -> tuple[int, int, int] | None:
        caller = _caller(event)
        admission = self._handler.admit(caller)
        if admission.rejection is not None:
            return REJECTIONS[admission.rejection]
        conversation = _Conversation(uuid.uuid4().hex, caller)
        assert admission.peer is not None  # noqa: S101 - no rejection means a peer
        with self._lock:
            crowded = len(self._open) >= self.limits.maximum_associations
            if not crowded:
                self._open[event.assoc] = conversation
        self._handler.opened(conversation.association, admission.peer.name, caller)
        if crowded:
            self._handler.crowded(caller)
            self._handler.closed(conversation.association, "aborted", 0)
            return REJECTIONS[Rejection.LIMIT]
        confirm_identity(event, admission.peer)
        return None

    def _releasing(self, event: Event) -> None:
        """Before a release is answered, what was answered before it must be safe."""
        conversation = self._open.get(event.assoc)
        if conversation is None or not isinstance(event.primitive, A_RELEASE):
            return
        try:
            safe = self._handler.releasing(conversation.association)
        except Exception as error:  # noqa: BLE001 - pynetdicom would release all the same
            log.say("sync_failed", "error", error=type(error).__name__)
            safe = False
        if not safe:
            event.assoc.abort()

    def _name_of(self, association: Association) -> str | None:
        """Give the name of an association that was let in and has not ended."""
        conversation = self._open.get(association)
        return None if conversation is None else conversation.association

    def _ended(self, event: Event, outcome: str) -> None:
        self._end(event.assoc, outcome)

    def _end(self, association: Association, outcome: str) -> None:
        with self._lock:
            conversation = self._open.pop(association, None)
        if conversation is not None:
            self._handler.closed(conversation.association, outcome, conversation.instances)


def _contexts() -> list[PresentationContext]:
    syntaxes = list(services.TRANSFER_SYNTAXES)
    contexts = [build_context(Verification)]
    contexts += [build_context(uid, list(syntaxes)) for uid in services.STORAGE_CLASSES]
    return contexts + announcing.contexts()


def _caller(event: Event) -> Caller:
    request = event.assoc.requestor.primitive
    connected = event.assoc.dul.socket.socket
    shown = subject_of(connected) if isinstance(connected, ssl.SSLSocket) else Shown()
    return Caller(
        calling_ae=request.calling_ae_title.strip(),
        called_ae=request.called_ae_title.strip(),
        address=_plain_address(event.assoc.requestor.address),
        subject=shown.subject,
        alternative_names=shown.alternative_names,
        identity=identity_of(event),
    )


def _plain_address(address: str) -> str:
    """Write an IPv4 address that came through an IPv6 socket as IPv4."""
    return address.removeprefix("::ffff:")


def no_delay(event: Event) -> None:
    """Send answers at once: Nagle's algorithm costs 40 ms an image against delayed ACKs."""
    association_socket = event.assoc.dul.socket
    if association_socket is not None and association_socket.socket is not None:
        association_socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
