"""Calling peers that refuse, abort, stall and answer badly."""

import subprocess
import threading
import time
import types
from dataclasses import replace

import pydicom
import pytest
from pynetdicom.dimse import DIMSEServiceProvider

from bench.orthanc import free_port
from node.dicom import status
from node.rules.nouns import Peer
from node.wire import scu
from tests.fakes.desk import wait_until
from tests.fakes.pacs import Pacs
from tests.fakes.process import parcels
from tests.fakes.scanner import Scanner


@pytest.fixture
def files(tmp_path):
    from pydicom import examples

    made = []
    for number in range(3):
        dataset = examples.mr
        dataset.SOPInstanceUID = f"1.2.3.{number + 1}"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        made.append(tmp_path / f"{number}.dcm")
        dataset.save_as(made[-1])
    return parcels(made)


def peer(pacs):
    return Peer("pacs", pacs.ae_title, "127.0.0.1", pacs.port)


def test_echo_tells_a_peer_that_is_there_from_one_that_is_not():
    with Pacs() as pacs:
        assert scu.echo(peer(pacs), "RADNODE") is None
        assert pacs.echoes == 1
    refusal = scu.echo(Peer("gone", "GONE", "127.0.0.1", free_port()), "RADNODE")
    assert refusal.again
    assert "cannot be reached" in refusal.reason


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".invalid"])
def test_a_host_without_an_address_is_a_peer_that_cannot_be_reached(host, files):
    nowhere = Peer("gone", "GONE", host, 104)
    assert "no address" in scu.echo(nowhere, "RADNODE").reason
    sent = list(scu.send(nowhere, "RADNODE", files))
    assert all(one.refusal.again for one in sent)
    assert len(sent) == len(files)


def test_files_go_over_one_association_in_order(files):
    with Pacs() as pacs:
        sent = list(scu.send(peer(pacs), "RADNODE", files))
        assert [s.status for s in sent] == [status.SUCCESS] * 3
        assert pacs.received == [p.sop_instance_uid for p in files]


def test_each_answer_is_told_with_its_file(files):
    with Pacs(answers=[0xA700, 0xB000, 0xC123]) as pacs:
        sent = list(scu.send(peer(pacs), "RADNODE", files))
    refusals = [status.refusal(s.status, "pacs", s.comment) for s in sent]
    assert refusals[0].again
    assert refusals[1] is None
    assert not refusals[2].again


def test_an_abort_in_the_middle_leaves_the_rest_to_be_tried_again(files):
    with Pacs(abort_at=1) as pacs:
        sent = list(scu.send(peer(pacs), "RADNODE", files))
    assert sent[0].status == status.SUCCESS
    assert all(s.refusal is not None and s.refusal.again for s in sent[1:])


def test_a_file_that_was_damaged_is_told_and_the_others_go_on(files):
    files[1].path.write_bytes(b"not DICOM")
    with Pacs() as pacs:
        sent = list(scu.send(peer(pacs), "RADNODE", files))
    assert [s.status for s in sent] == [status.SUCCESS, None, status.SUCCESS]
    assert "no DICOM object any more" in sent[1].refusal.reason
    assert not sent[1].refusal.again


def test_a_peer_that_rejects_us_is_tried_again_later(files):
    with Pacs(rejects=True) as pacs:
        sent = list(scu.send(peer(pacs), "RADNODE", files))
    assert len(sent) == 3
    assert all("rejected" in s.refusal.reason and s.refusal.again for s in sent)


def test_a_class_that_the_peer_does_not_take_is_final_and_says_what_to_do(files):
    with Pacs(accepts=("1.2.840.10008.5.1.4.1.1.2",)) as pacs:
        sent = list(scu.send(peer(pacs), "RADNODE", files))
    assert all(s.refusal is not None and not s.refusal.again for s in sent)
    assert "SOP class" in sent[0].refusal.advice


@pytest.mark.parametrize("behaviour", ["at once", "refuses", "never"])
def test_commitment_is_asked_and_the_report_read(behaviour):
    with Pacs(commits=behaviour) as pacs:
        answer = scu.request_commitment(peer(pacs), "RADNODE", "1.2.9", [("1.2.1", "1.2.3")])
    assert pacs.asked == ["1.2.9"]
    if behaviour == "at once":
        assert answer.committed == ("1.2.3",)
    elif behaviour == "refuses":
        assert "0112" in answer.refused["1.2.3"]
    else:
        assert answer is None


def test_an_answer_is_not_taken_away_by_pynetdicoms_reactor(files, monkeypatch):
    """The reactor is held up in the gap between passing its checkpoint and saying so."""

    class Slow(threading.Event):
        def wait(self, timeout=None):
            passed = super().wait(timeout)
            time.sleep(0.02)
            return passed

    real = DIMSEServiceProvider.send_msg

    def send_and_dawdle(provider, *arguments):
        real(provider, *arguments)
        if provider.assoc.is_requestor:
            time.sleep(0.05)  # the answer is there before anybody waits for it

    slowed = types.SimpleNamespace(**{**vars(threading), "Event": Slow})
    monkeypatch.setattr("pynetdicom.association.threading", slowed)
    monkeypatch.setattr(DIMSEServiceProvider, "send_msg", send_and_dawdle)
    monkeypatch.setattr(scu, "ANSWER_SECONDS", 2.0)
    with Pacs() as pacs:
        sent = list(scu.send(peer(pacs), "RADNODE", files))
    assert [s.status for s in sent] == [status.SUCCESS] * 3


MR, CT = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.2"


def test_an_optional_object_is_declined_by_who_does_not_take_its_class(files):
    wanted = [replace(files[0], optional=True), files[1]]
    with Pacs(accepts=(CT,)) as pacs:
        sent = list(scu.send(peer(pacs), "RADNODE", wanted))
    assert [bool(s.declined) for s in sent] == [True, False]
    with Pacs() as pacs:
        sent = list(scu.send(peer(pacs), "RADNODE", wanted))
    assert [s.status for s in sent] == [status.SUCCESS] * 2


@pytest.mark.parametrize(
    ("accepts", "said"),
    [
        ((CT, MR), ["stored", "declined"]),
        ((CT,), ["stored", "declined"]),
        ((MR,), ["declined", "stored"]),
        (("1.2.840.10008.5.1.4.1.1.128",), ["declined", "failed"]),
    ],
)
def test_of_two_that_say_the_same_the_peer_gets_the_one_that_it_takes(tmp_path, accepts, said):
    """The second is for who does not take CT; even alone, it is known what the peer takes."""
    one = parcels(Scanner(modality="CT").save(tmp_path / "ct", 1))[0]
    other = parcels(Scanner().save(tmp_path / "mr", 1))[0]
    pair = [replace(one, optional=True), replace(other, instead_of=CT)]
    for wanted, expected in ((pair, said), (pair[1:], said[1:])):
        with Pacs(accepts=accepts) as pacs:
            sent = list(scu.send(peer(pacs), "RADNODE", wanted))
        told = {None: "failed", status.SUCCESS: "stored"}
        assert ["declined" if s.declined else told[s.status] for s in sent] == expected


def test_a_file_goes_as_it_lies(files, tmp_path):
    """What stands in it is not read and written anew: not every name would survive that."""
    name = str(pydicom.dcmread(files[0].path).PatientName).encode()
    odd = b"\xff\xfe\xe4^caf\xe9".ljust(len(name))
    files[0].path.write_bytes(files[0].path.read_bytes().replace(name, odd))
    port = free_port()
    keeping = ["storescp", "+B", "-od", str(tmp_path), "-fe", ".kept", str(port)]
    with subprocess.Popen(keeping) as storescp:
        there = Peer("pacs", "ANY", "127.0.0.1", port)
        wait_until(lambda: scu.echo(there, "RADNODE") is None)
        (sent,) = scu.send(there, "RADNODE", files[:1])
        storescp.terminate()
    assert sent.status == status.SUCCESS
    (kept,) = tmp_path.glob("*.kept")
    content = files[0].path.read_bytes()
    assert content.count(odd) == kept.read_bytes().count(odd) == 1
    assert kept.read_bytes().endswith(content[content.index(odd) :])
