"""Listen: C-ECHO, C-STORE, and the reports of storage commitment.

What is said here is a promise, so this file promises nothing itself: it asks its handler, who
answers when the image is safe, and passes the answer on.
"""

import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock, Timer
from typing import Protocol

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import (
    StorageCommitmentPushModel,
    Verification,
)

from node.dicom import services, status
from node.rules.admitting import Admission, Rejection
from node.rules.nouns import Caller

# (result, source, diagnostic) of A-ASSOCIATE-RJ, PS3.8 9.3.4
_REJECTIONS = {
    Rejection.CALLED_AE: (1, 1, 7),
    Rejection.CALLING_AE: (1, 1, 3),
    Rejection.BUSY: (2, 3, 1),
}
COMMENT_LENGTH = 64  # (0000,0902) is LO
LAST_WORD_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """One C-STORE request: what the command said, and the data set as it came, undecoded."""

    association: str
    caller: Caller
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer: a status from `dicom.status`, and a comment for the sender's log."""

    status: int
    comment: str = ""


@dataclass(frozen=True, slots=True)
class CommitmentReport:
    """What an N-EVENT-REPORT says: which instances the peer vouches for, and which not, why."""

    transaction_uid: str
    committed: tuple[str, ...]
    refused: dict[str, str]


class Handler(Protocol):
    """Who decides and keeps; called from the association's own thread."""

    def admit(self, caller: Caller) -> Admission:
        """Decide on an association request, and write a refusal down."""
        ...

    def opened(self, association: str, peer: str, caller: Caller) -> None:
        """Note that an association was accepted."""
        ...

    def closed(self, association: str, outcome: str, instances: int) -> None:
        """Note that it ended: released, aborted or lost."""
        ...

    def store(self, arrival: Arrival) -> Answer:
        """Keep an image, and answer only then."""
        ...

    def crowded(self, caller: Caller) -> None:
        """Note that a caller was refused because too many associations are open."""
        ...

    def commitment_reported(self, report: CommitmentReport) -> None:
        """Note what a peer says of instances that we asked it to commit to."""
        ...


@dataclass(slots=True)
class _Conversation:
    association: str
    caller: Caller
    instances: int = 0


class Listener:
    """A DICOM server on one port."""

    def __init__(
        self,
        own_ae: str,
        handler: Handler,
        *,
        maximum_associations: int = 50,
        maximum_pdu: int = 131072,
        storage_classes: Sequence[str] = services.STORAGE_CLASSES,
    ) -> None:
        """Prepare; nothing listens before `start`."""
        self._handler = handler
        self._open: dict[Association, _Conversation] = {}
        self._lock = Lock()
        self._ae = AE(ae_title=own_ae)
        self._ae.maximum_associations = maximum_associations
        self._ae.maximum_pdu_size = maximum_pdu
        self._contexts = [build_context(Verification)]
        for uid in storage_classes:
            self._contexts.append(build_context(uid, list(services.TRANSFER_SYNTAXES)))
        commitment = build_context(StorageCommitmentPushModel)
        commitment.scu_role, commitment.scp_role = False, True
        self._contexts.append(commitment)

    def start(self, host: str, port: int) -> int:
        """Listen, and give the port (the one that the system chose when `port` is 0).

        Raises:
            OSError: the port is taken, or not ours to take.
        """
        handlers = [
            (evt.EVT_CONN_OPEN, no_delay),
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_REJECTED, self._rejected),
            (evt.EVT_C_STORE, self._stored),
            (evt.EVT_N_EVENT_REPORT, self._reported),
            (evt.EVT_RELEASED, self._ended, ["released"]),
            (evt.EVT_ABORTED, self._ended, ["aborted"]),
            (evt.EVT_CONN_CLOSE, self._hung_up),
            (evt.EVT_CONN_CLOSE, _dismiss),
        ]
        server = self._ae.start_server(
            (host, port), block=False, evt_handlers=handlers, contexts=self._contexts
        )
        assert server is not None  # noqa: S101 - only a blocking server gives none
        return int(server.server_address[1])

    def stop(self) -> None:
        """Stop listening and abort what is still open; what was answered is kept."""
        self._ae.shutdown()
        for association in list(self._open):
            self._end(association, "aborted")

    def _requested(self, event: Event) -> None:
        caller = _caller(event)
        admission = self._handler.admit(caller)
        if admission.rejection is not None:
            event.assoc.acse.send_reject(*_REJECTIONS[admission.rejection])
            event.assoc.kill()
            return
        conversation = _Conversation(uuid.uuid4().hex, caller)
        assert admission.peer is not None  # noqa: S101 - no rejection means a peer
        self._open[event.assoc] = conversation
        self._handler.opened(conversation.association, admission.peer.name, caller)

    def _rejected(self, event: Event) -> None:
        conversation = self._open.pop(event.assoc, None)
        if conversation is not None:  # admitted by the rules, refused for their number
            self._handler.crowded(conversation.caller)
            self._handler.closed(conversation.association, "aborted", 0)

    def _stored(self, event: Event) -> Dataset:
        conversation = self._open[event.assoc]
        request = event.request
        answer = self._handler.store(
            Arrival(
                conversation.association,
                conversation.caller,
                str(request.AffectedSOPClassUID),
                str(request.AffectedSOPInstanceUID),
                str(event.context.transfer_syntax),
                request.DataSet.getvalue() if request.DataSet else b"",
            )
        )
        conversation.instances += status.is_stored(answer.status)
        response = Dataset()
        response.Status = answer.status
        if answer.comment:
            response.ErrorComment = answer.comment[:COMMENT_LENGTH]
        return response

    def _reported(self, event: Event) -> tuple[int, None]:
        self._handler.commitment_reported(read_report(event.event_information))
        return status.SUCCESS, None

    def _ended(self, event: Event, outcome: str) -> None:
        self._end(event.assoc, outcome)

    def _hung_up(self, event: Event) -> None:
        """Take a closed connection for lost, unless it turns out to be released or aborted.

        The socket's thread sees the end of the connection before the association's thread has
        dealt with what came last, so the latter gets a moment.
        """
        if event.assoc in self._open:
            timer = Timer(LAST_WORD_SECONDS, self._end, [event.assoc, "lost"])
            timer.daemon = True
            timer.start()

    def _end(self, association: Association, outcome: str) -> None:
        with self._lock:
            conversation = self._open.pop(association, None)
        if conversation is not None:
            self._handler.closed(conversation.association, outcome, conversation.instances)


def read_report(information: Dataset) -> CommitmentReport:
    """Read the event information of a storage commitment report (PS3.4 J.3.3)."""
    committed = tuple(
        str(item.ReferencedSOPInstanceUID) for item in information.get("ReferencedSOPSequence", [])
    )
    refused = {
        str(item.ReferencedSOPInstanceUID): status.commitment_failure(int(item.FailureReason))
        for item in information.get("FailedSOPSequence", [])
    }
    return CommitmentReport(str(information.TransactionUID), committed, refused)


def _caller(event: Event) -> Caller:
    request = event.assoc.requestor.primitive
    return Caller(
        calling_ae=request.calling_ae_title.strip(),
        called_ae=request.called_ae_title.strip(),
        address=_plain_address(event.assoc.requestor.address),
    )


def _plain_address(address: str) -> str:
    """Write an IPv4 address that came through an IPv6 socket as IPv4."""
    return address.removeprefix("::ffff:")


def _dismiss(event: Event) -> None:
    """End at once the threads of a caller that hung up without a request (a health check).

    pynetdicom would keep them until the ACSE time-out; an empty entry is what that time-out gives.
    """
    if event.assoc.requestor.primitive is None:
        event.assoc.dul.to_user_queue.put(None)


def no_delay(event: Event) -> None:
    """Send answers at once: Nagle's algorithm costs 40 ms an image against delayed ACKs."""
    association_socket = event.assoc.dul.socket
    if association_socket is not None and association_socket.socket is not None:
        association_socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
