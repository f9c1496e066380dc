"""The listener against real callers: what comes in is what is handed over, byte for byte."""

import io
import socket
import subprocess

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import generate_uid
from pynetdicom import AE
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import Verification

from node.dicom import services, status
from node.rules.admitting import Rejection
from node.rules.nouns import Peer
from node.wire import scu
from node.wire.scp import Answer, Limits, Listener
from tests.fakes.desk import Desk, wait_until
from tests.fakes.raw_peer import RawPeer


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def listener(desk):
    listener = Listener("RADNODE", desk, limits=Limits(maximum_associations=3))
    listener.port = listener.start("127.0.0.1", 0)
    yield listener
    listener.stop()


def instance(sop_class="1.2.840.10008.5.1.4.1.1.4", syntax="1.2.840.10008.1.2.1"):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID = generate_uid()
    dataset.SeriesInstanceUID = generate_uid()
    dataset.PatientID = "P1"
    return dataset


def call(listener, contexts):
    ae = AE(ae_title="CALLER")
    for sop_class, syntaxes in contexts:
        ae.add_requested_context(sop_class, syntaxes)
    return ae.associate("127.0.0.1", listener.port, ae_title="RADNODE")


def test_echo_is_answered(listener):
    peer = Peer("node", "RADNODE", "127.0.0.1", listener.port)
    assert scu.echo(peer, "CALLER") is None


@pytest.mark.parametrize("syntax", services.TRANSFER_SYNTAXES)
def test_every_transfer_syntax_is_accepted_and_kept_as_sent(listener, desk, syntax):
    association = call(listener, [("1.2.840.10008.5.1.4.1.1.4", [syntax])])
    assert [c.transfer_syntax[0] for c in association.accepted_contexts] == [syntax]
    dataset = instance(syntax=syntax)
    implicit, little = syntax == "1.2.840.10008.1.2", syntax != "1.2.840.10008.1.2.2"
    deflated = syntax == "1.2.840.10008.1.2.1.99"
    association.send_c_store(dataset)
    association.release()
    (kept,) = desk.kept
    assert kept.arrival.transfer_syntax_uid == syntax
    assert kept.data == encode(dataset, implicit, little, deflated)


def test_every_storage_class_is_accepted(listener):
    classes = list(services.STORAGE_CLASSES)
    for start in range(0, len(classes), 100):
        some = classes[start : start + 100]
        association = call(listener, [(uid, ["1.2.840.10008.1.2.1"]) for uid in some])
        assert {c.abstract_syntax for c in association.accepted_contexts} == set(some)
        association.release()


def test_a_failure_travels_with_its_comment(listener, desk):
    desk.answer = Answer(status.CANNOT_UNDERSTAND, "because of this and that" * 9)
    association = call(listener, [("1.2.840.10008.5.1.4.1.1.4", ["1.2.840.10008.1.2.1"])])
    answer = association.send_c_store(instance())
    assert answer.Status == status.CANNOT_UNDERSTAND
    assert answer.ErrorComment == ("because of this and that" * 9)[:64].strip()
    association.release()


def test_each_way_to_end_is_told_once(listener, desk):
    contexts = [(Verification, ["1.2.840.10008.1.2"])]
    call(listener, contexts).release()
    wait_until(lambda: desk.ended == [("released", 0)])
    call(listener, contexts).abort()
    wait_until(lambda: desk.ended[1:] == [("aborted", 0)])
    association = call(listener, contexts)
    association.dul.socket.socket.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: len(desk.ended) == 3)
    assert desk.ended[2][0] in ("lost", "aborted")


@pytest.mark.parametrize(
    ("rejection", "codes"),
    [
        (Rejection.CALLED_AE, (1, 1, 7)),
        (Rejection.CALLING_AE, (1, 1, 3)),
        (Rejection.BUSY, (2, 3, 1)),
    ],
)
def test_a_rejection_says_why_in_the_standards_codes(listener, desk, rejection, codes):
    desk.rejection = rejection
    with RawPeer(listener.port) as peer:
        peer.associate()
        assert (peer.end, peer.rejection) == ("rejected", codes)
    assert desk.ended == []


def test_too_many_associations_are_refused_and_told(listener, desk):
    contexts = [(Verification, ["1.2.840.10008.1.2"])]
    held = [call(listener, contexts) for _ in range(3)]
    assert all(a.is_established for a in held)
    assert call(listener, contexts).is_rejected
    wait_until(lambda: ("crowded", 0) in desk.ended)
    for association in held:
        association.release()
    wait_until(lambda: len(desk.ended) >= 5)
    again = call(listener, contexts)
    assert again.is_established
    again.release()


def test_titles_and_address_of_the_caller_are_known(listener, desk):
    call(listener, [(Verification, ["1.2.840.10008.1.2"])]).release()
    (caller,) = desk.callers
    assert (caller.calling_ae, caller.called_ae, caller.address) == (
        "CALLER",
        "RADNODE",
        "127.0.0.1",
    )


def test_a_hundred_health_checks_that_send_nothing_leave_nothing(listener, desk):
    import threading

    before = threading.active_count()
    for _ in range(100):
        socket.create_connection(("127.0.0.1", listener.port)).close()
    wait_until(lambda: threading.active_count() <= before + 4)
    assert desk.callers == desk.ended == []


def test_dcmtk_is_answered(listener, tool):
    subprocess.run(
        [tool("echoscu"), "127.0.0.1", str(listener.port), "-aec", "RADNODE"], check=True
    )


def test_an_empty_request_is_handed_over_as_empty(listener, desk):
    from pynetdicom.dimse_primitives import C_STORE

    association = call(listener, [("1.2.840.10008.5.1.4.1.1.4", ["1.2.840.10008.1.2.1"])])
    request = C_STORE()
    request.MessageID = 1
    request.AffectedSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    request.AffectedSOPInstanceUID = "1.2.3"
    request.DataSet = io.BytesIO(b"\x08\x00")
    association._reactor_checkpoint.clear()
    association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
    _, response = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    assert response.Status == status.SUCCESS
    assert desk.kept[0].data == b"\x08\x00"
    association.release()
