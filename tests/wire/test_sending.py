"""What a destination takes decides what it is sent; and nothing large piles up on the way."""

import re
import socket
import subprocess
import sys
import threading
import time

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from node.dicom import services, status
from node.rules.nouns import Peer
from node.wire import scu
from node.wire.scp import Listener
from node.wire.scu import Parcel
from tests.fakes.desk import Desk
from tests.fakes.pacs import Pacs

SEG, LABELMAP = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
NEW_SR, OLD_SR = "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.88.22"
LITTLE = str(ExplicitVRLittleEndian)


def peer(pacs):
    return Peer("pacs", pacs.ae_title, "127.0.0.1", pacs.port)


@pytest.fixture
def parcel(tmp_path):
    """Makes a small object of a SOP class, ready to go."""

    def make(sop_class, **needs):
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = LITTLE
        dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, f"2.25.{abs(hash(sop_class))}"
        dataset.PatientID = "1"
        path = tmp_path / f"{sop_class}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        return Parcel(sop_class, dataset.SOPInstanceUID, LITTLE, path, **needs)

    return make


def fates(pacs, *parcels):
    """Say of each parcel's class what became of it."""
    return {
        one.parcel.sop_class_uid: "declined" if one.declined else one.refusal or one.status
        for one in scu.send(peer(pacs), "RADNODE", parcels)
    }


def test_what_is_optional_is_declined_by_who_does_not_take_it(parcel):
    with Pacs(accepts=(SEG,)) as pacs:
        sent = fates(pacs, parcel(SEG), parcel(LABELMAP, optional=True))
        assert sent == {SEG: status.SUCCESS, LABELMAP: "declined"}
        assert len(pacs.received) == 1


def test_what_must_be_taken_and_is_not_is_refused_with_its_kind_and_what_to_do(parcel):
    with Pacs(accepts=(SEG,)) as pacs:
        refusal = fates(pacs, parcel(SEG), parcel(NEW_SR))[NEW_SR]
    assert not refusal.again
    assert "does not accept Comprehensive 3D SR Storage in Explicit VR" in refusal.reason
    assert "radnode retry" in refusal.advice


def test_a_stand_in_is_declined_by_who_takes_what_it_stands_in_for(parcel):
    with Pacs() as pacs:
        assert fates(pacs, parcel(OLD_SR, instead_of=NEW_SR)) == {OLD_SR: "declined"}
        assert pacs.received == []
    with Pacs(accepts=(OLD_SR,)) as pacs:
        assert fates(pacs, parcel(OLD_SR, instead_of=NEW_SR)) == {OLD_SR: status.SUCCESS}


def test_who_takes_nothing_at_all_declines_what_is_optional(parcel):
    with Pacs(accepts=("1.2.840.10008.5.1.4.1.1.2",)) as pacs:
        sent = fates(pacs, parcel(SEG), parcel(LABELMAP, optional=True))
    assert sent[LABELMAP] == "declined"
    assert services.name(SEG) in sent[SEG].reason


def test_who_cannot_be_reached_declines_nothing(parcel):
    gone = Peer("gone", "GONE", "127.0.0.1", 1)
    parcels = [parcel(LABELMAP, optional=True), parcel(NEW_SR)]
    assert all(one.refusal.again for one in scu.send(gone, "RADNODE", parcels))


def test_nothing_to_send_opens_no_association():
    assert list(scu.send(Peer("gone", "GONE", "127.0.0.1", 1), "RADNODE", [])) == []


# -- large objects --------------------------------------------------------------------------

MEGABYTES = 300
SEND = """
import resource, sys
from pathlib import Path
from node.rules.nouns import Peer
from node.wire import scu
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
pacs = Peer("pacs", "PACS", "127.0.0.1", int(sys.argv[1]))
small, large = (
    scu.Parcel(sys.argv[3], f"1.2.3.{n}", sys.argv[4], Path(sys.argv[2]) / f"{n}.dcm")
    for n in (1, 2)
)
first = list(scu.send(pacs, "RADNODE", [small]))[0].status
before = peak()
second = list(scu.send(pacs, "RADNODE", [large]))[0].status
print(first, second, peak() - before)
"""


def write_object(path, number, size):
    """Write a Part 10 file with so many bytes of pixels, without having them in memory."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = LITTLE
    dataset.SOPClassUID, dataset.SOPInstanceUID = SEG, f"1.2.3.{number}"
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = "1.2.3"
    dataset.save_as(path, enforce_file_format=True)
    with path.open("ab") as file:
        file.write(b"\xe0\x7f\x10\x00OW\x00\x00" + size.to_bytes(4, "little"))
        file.truncate(file.tell() + size)


class Slow(Desk):
    """Takes its time over each piece, as a PACS with a slow disk does."""

    def begin(self, arrival):
        draft = super().begin(arrival)
        real = draft.add

        def add(piece):
            time.sleep(0.005)
            real(piece)

        draft.add = add
        return draft


def test_sending_a_large_object_does_not_take_it_into_memory(tmp_path):
    write_object(tmp_path / "1.dcm", 1, 1000)
    write_object(tmp_path / "2.dcm", 2, MEGABYTES * 1_000_000)
    desk = Slow()
    desk.remember = False
    listener = Listener("PACS", desk)
    port = listener.start("127.0.0.1", 0)
    try:
        command = [sys.executable, "-c", SEND, str(port), str(tmp_path), SEG, LITTLE]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    finally:
        listener.stop()
    first, second, grown = done.stdout.split()
    assert (first, second) == ("0", "0")
    assert desk.kept[-1].size > MEGABYTES * 1_000_000
    assert float(grown) < 60, f"it grew by {grown} MB"


def deaf(ready):
    """A peer that accepts an association, and then reads nothing more."""
    from pynetdicom import AE, evt

    ae = AE(ae_title="PACS")
    ae.add_supported_context(SEG, LITTLE)
    stop = threading.Event()

    def block(_):
        stop.wait(60)

    ae.acse_timeout = ae.network_timeout = 60
    handlers = [(evt.EVT_DATA_RECV, lambda e: ready.is_set() and block(e))]
    handlers += [(evt.EVT_ESTABLISHED, lambda _: ready.set())]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    return server, stop


def test_a_peer_that_stops_reading_holds_us_up_for_a_while_and_not_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(scu, "ANSWER_SECONDS", 2.0)
    write_object(tmp_path / "2.dcm", 2, 60_000_000)
    server, stop = deaf(threading.Event())
    try:
        where = Peer("pacs", "PACS", "127.0.0.1", server.server_address[1])
        parcels = [Parcel(SEG, "1.2.3.2", LITTLE, tmp_path / "2.dcm")] * 2
        began = time.monotonic()
        sent = list(scu.send(where, "RADNODE", parcels))
        assert time.monotonic() - began < 20
    finally:
        stop.set()
        server.shutdown()
    assert all(one.refusal.again for one in sent)
    assert re.search("broke|no answer", sent[0].refusal.reason)
    assert socket.getdefaulttimeout() is None
