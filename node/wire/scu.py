"""Call: C-ECHO, C-STORE, requests for storage commitment, and C-FIND to count a series."""

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Signal

from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext, build_context, build_role
from pynetdicom.sop_class import (
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

from node.dicom import services, status
from node.dicom.header import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from node.rules.failures import Fault, Refusal
from node.rules.nouns import Peer
from node.wire import outgoing
from node.wire.commitment import CommitmentReport, read_report
from node.wire.pausing import paused
from node.wire.scp import no_delay
from node.wire.security import Security, SecurityError

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
REPORT_SECONDS = 2.0
_ALLOW = "Have the SOP class and transfer syntax allowed on its side, then `radnode retry` it"
_LOOK = "Look at the disk; the audit trail has the sha256 that the file should have"
MAXIMUM_CONTEXTS = 128  # PS3.8: odd identifiers from 1 to 255


@dataclass(frozen=True, slots=True)
class Parcel:
    """A Part 10 file to be sent: what it is, where it lies, and whether the peer needs it.

    A peer that does not accept the class of an `optional` one does without. One with `instead_of`
    is only for peers that do not accept that SOP class.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    path: Path
    optional: bool = False
    instead_of: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one parcel: the peer's status and comment, or a refusal without an answer.

    With `declined` it was not stored, and need not be, for that reason. `broke` says that the
    association is of no more use.
    """

    parcel: Parcel
    status: int | None
    comment: str = ""
    refusal: Refusal | None = None
    broke: bool = False
    declined: str = ""


def echo(peer: Peer, own_ae: str, tls: Security | None = None) -> Refusal | None:
    """Ask a peer whether it is there (C-ECHO); None when it is."""
    with _association(peer, own_ae, tls, [build_context(Verification)]) as association:
        if isinstance(association, Refusal):
            return association
        with paused(association):
            answer = association.send_c_echo()
        if not _answered(answer):
            return Refusal(f"{peer.name} gave no answer to C-ECHO", Fault.PEER, again=True)
        return None


def send(
    peer: Peer, own_ae: str, parcels: Sequence[Parcel], tls: Security | None = None
) -> Iterator[Sent]:
    """Send files to a peer over one association, and yield what became of each, in order.

    The files go as they are (same transfer syntax), read piece by piece; the peer must accept it.
    When the association cannot be opened or breaks, every file left over is yielded with the
    refusal. A file that the peer need not have is declined when it does not accept its kind.
    """
    if not parcels:
        return
    with _association(peer, own_ae, tls, _contexts(parcels)) as association:
        if isinstance(association, Refusal):
            for parcel in parcels:
                yield _not_begun(parcel, peer, association)
            return
        outgoing.hold_little(association, ANSWER_SECONDS)
        broke = False
        with paused(association):
            for parcel in parcels:
                sent = _broken(parcel, peer) if broke else _offer(association, peer, parcel)
                broke = sent.broke
                yield sent


def _contexts(parcels: Sequence[Parcel]) -> list[PresentationContext]:
    """Propose what the parcels are, and then what tells whether they are needed."""
    wanted = dict.fromkeys((p.sop_class_uid, p.transfer_syntax_uid) for p in parcels)
    for parcel in parcels:
        if parcel.instead_of is not None:
            wanted.setdefault((parcel.instead_of, parcel.transfer_syntax_uid))
    contexts = [build_context(sop_class, [syntax]) for sop_class, syntax in wanted]
    return contexts[:MAXIMUM_CONTEXTS]


def _not_begun(parcel: Parcel, peer: Peer, refusal: Refusal) -> Sent:
    """Say what becomes of a parcel when there is no association."""
    if refusal.advice == _ALLOW:  # the peer is there, and takes nothing of what was proposed
        return _not_taken(parcel, peer)
    return Sent(parcel, None, refusal=refusal, broke=True)


def _offer(association: Association, peer: Peer, parcel: Parcel) -> Sent:
    """Send a parcel if the peer takes its kind, and if it does not take what it stands in for."""
    accepted = {
        (str(context.abstract_syntax), str(context.transfer_syntax[0]))
        for context in association.accepted_contexts
    }
    if parcel.instead_of in {sop_class for sop_class, _ in accepted}:
        why = f"{peer.name} accepts {services.name(parcel.instead_of)}, which says the same"
        return Sent(parcel, None, declined=why)
    if (parcel.sop_class_uid, parcel.transfer_syntax_uid) not in accepted:
        return _not_taken(parcel, peer)
    return _send_one(association, peer, parcel)


def _not_taken(parcel: Parcel, peer: Peer) -> Sent:
    """Say what becomes of a parcel whose kind the peer does not take."""
    kind = services.name(parcel.sop_class_uid)
    why = f"{peer.name} does not accept {kind} in {services.name(parcel.transfer_syntax_uid)}"
    if parcel.optional:
        return Sent(parcel, None, declined=f"{why}, and can do without")
    return Sent(parcel, None, refusal=Refusal(why, Fault.PEER, _ALLOW))


def request_commitment(
    peer: Peer,
    own_ae: str,
    transaction_uid: str,
    instances: Sequence[tuple[str, str]],
    tls: Security | None = None,
) -> Refusal | CommitmentReport | None:
    """Ask a peer to vouch for instances, pairs of (SOP class, SOP instance) (PS3.4 J.3.2).

    Gives the report when the peer sends it on the same association at once; otherwise None, and
    the report comes later to our listener. A refusal says why the question could not be put.
    """
    reports: list[CommitmentReport] = []
    arrived = Signal()

    def reported(event: Event) -> tuple[int, None]:
        reports.append(read_report(event.event_information))
        arrived.set()
        return status.SUCCESS, None

    context = build_context(StorageCommitmentPushModel)
    handlers: list[tuple[object, object]] = [(evt.EVT_N_EVENT_REPORT, reported)]
    with _association(peer, own_ae, tls, [context], handlers) as association:
        if isinstance(association, Refusal):
            return association
        with paused(association):
            answer, _ = association.send_n_action(
                _commitment_request(transaction_uid, instances),
                1,
                StorageCommitmentPushModel,
                StorageCommitmentPushModelInstance,
            )
        if not _answered(answer) or answer.Status != status.SUCCESS:
            said = status.describe(answer.Status) if _answered(answer) else "gave no answer"
            return Refusal(f"{peer.name} did not take the request: {said}", Fault.PEER, again=True)
        arrived.wait(REPORT_SECONDS)
    return reports[0] if reports else None


def count_images(
    peer: Peer, own_ae: str, study_uid: str, series_uid: str, tls: Security | None = None
) -> int | Refusal | None:
    """Ask a PACS how many images a series has there (C-FIND, PS3.4 C.6.2); None: it cannot say."""
    model = StudyRootQueryRetrieveInformationModelFind
    question = Dataset()
    question.QueryRetrieveLevel = "SERIES"
    question.StudyInstanceUID = study_uid
    question.SeriesInstanceUID = series_uid
    question.NumberOfSeriesRelatedInstances = None
    counts: list[int] = []
    with _association(peer, own_ae, tls, [build_context(model)]) as association:
        if isinstance(association, Refusal):
            return association
        with paused(association):
            for answer, found in association.send_c_find(question, model):
                if not _answered(answer):
                    return Refusal(f"{peer.name} gave no answer to C-FIND", Fault.PEER, again=True)
                if found is not None and str(found.get("SeriesInstanceUID", "")) == series_uid:
                    counts.append(_number(found.get("NumberOfSeriesRelatedInstances")))
    return max(counts, default=0) or None


def _number(value: object) -> int:
    """Read an integer string that a peer wrote; 0 for nothing and for nonsense."""
    try:
        return int(str(value))
    except ValueError:
        return 0


def _commitment_request(transaction_uid: str, instances: Sequence[tuple[str, str]]) -> Dataset:
    request = Dataset()
    request.TransactionUID = transaction_uid
    request.ReferencedSOPSequence = []
    for sop_class, sop_instance in instances:
        item = Dataset()
        item.ReferencedSOPClassUID = sop_class
        item.ReferencedSOPInstanceUID = sop_instance
        request.ReferencedSOPSequence.append(item)
    return request


def _send_one(association: Association, peer: Peer, parcel: Parcel) -> Sent:
    try:
        parcel.path.open("rb").close()
    except OSError:
        why = Refusal("the file could not be read from the spool", Fault.NODE, again=True)
        return Sent(parcel, None, refusal=why)
    try:
        answer = association.send_c_store(parcel.path)
    except (InvalidDicomError, AttributeError, EOFError, ValueError):  # before anything is sent
        why = Refusal("the file in the spool is no DICOM object any more", Fault.NODE, _LOOK)
        return Sent(parcel, None, refusal=why)
    except (OSError, RuntimeError):  # in the middle of it, or there is no association any more
        association.abort()
        return _broken(parcel, peer)
    if not _answered(answer):
        why = Refusal(f"{peer.name} gave no answer to C-STORE", Fault.PEER, again=True)
        return Sent(parcel, None, refusal=why, broke=True)
    return Sent(parcel, int(answer.Status), str(answer.get("ErrorComment", "")))


def _broken(parcel: Parcel, peer: Peer) -> Sent:
    why = Refusal(f"the association with {peer.name} broke", Fault.PEER, again=True)
    return Sent(parcel, None, refusal=why, broke=True)


def _answered(answer: Dataset) -> bool:
    return "Status" in answer


@contextmanager
def _association(
    peer: Peer,
    own_ae: str,
    tls: Security | None,
    contexts: list[PresentationContext],
    handlers: list[tuple[object, object]] | None = None,
) -> Iterator[Association | Refusal]:
    """Open an association, or say why not; release it at the end."""
    if peer.port is None:
        yield Refusal(f"{peer.name} has no port in the configuration", Fault.NODE)
        return
    try:
        secured = _secured(peer, tls)
    except SecurityError as error:
        yield Refusal(str(error), Fault.NODE)
        return
    ae = AE(ae_title=own_ae)
    ae.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    ae.connection_timeout = CONNECT_SECONDS
    ae.acse_timeout = CONNECT_SECONDS
    ae.dimse_timeout = ANSWER_SECONDS
    ae.network_timeout = ANSWER_SECONDS
    try:
        association = ae.associate(
            peer.host,
            peer.port,
            contexts=contexts,
            ae_title=peer.ae_title,
            ext_neg=[build_role(StorageCommitmentPushModel, scu_role=True)] if handlers else None,
            evt_handlers=[(evt.EVT_CONN_OPEN, no_delay), *(handlers or [])],
            tls_args=secured,
        )
    except (OSError, UnicodeError):  # the name service knows no such host, or is away itself
        association = None
    if association is None:
        why = f"{peer.name} cannot be reached: no address is known for its host {peer.host}"
        yield Refusal(why, Fault.PEER, again=True)
        return
    try:
        yield association if association.is_established else _why_not(association, peer)
    finally:
        if association.is_established:
            association.release()


def _secured(peer: Peer, tls: Security | None) -> tuple[ssl.SSLContext, str] | None:
    """Give what a call over TLS needs; None for a peer that is called without.

    Raises:
        SecurityError: it must be called with TLS, and we are not equipped for that.
    """
    if not peer.tls:
        return None
    if tls is None:
        raise SecurityError(
            f"{peer.name} must be called over TLS, and this node has no tls section"
        )
    return tls.client_context(peer)


def _why_not(association: Association, peer: Peer) -> Refusal:
    where = f"{peer.name} ({peer.ae_title} at {peer.host}:{peer.port})"
    if association.is_rejected:
        return Refusal(f"{where} rejected the association", Fault.PEER, again=True)
    if association.rejected_contexts:
        return Refusal(f"{where} accepts no such kind of object", Fault.PEER, _ALLOW)
    if association.is_aborted and association.acceptor.primitive is not None:
        return Refusal(f"{where} aborted the association", Fault.PEER, again=True)
    if peer.tls:
        why = f"{where} cannot be reached over TLS; the journal says if certificates are wrong"
        return Refusal(why, Fault.PEER, again=True)
    return Refusal(f"{where} cannot be reached", Fault.PEER, again=True)
