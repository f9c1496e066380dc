"""The receive leg when the database, the disk or the name service is slow or away."""

import shutil
import socket
import threading
from datetime import UTC, datetime

import pytest

from node.ledger.opening import open_ledger
from node.rules.admitting import Rejection
from node.rules.nouns import Caller, Peer
from node.spool import Spool
from node.stages.indexing import Writer
from node.stages.receive import Reception, Room
from node.stages.turning import Bell, Rooms
from tests.fakes.clock import FakeClock
from tests.ledger.making import Home, an_instance

CT1 = Peer("ct1", "CT1", "127.0.0.1", None, frozenset({"store"}))
CALLER = Caller("CT1", "RADNODE", "127.0.0.1")


@pytest.fixture
def rooms(tmp_path):
    clock = FakeClock(datetime.now(UTC))
    ledger = open_ledger(None, tmp_path, clock)
    yield Rooms(ledger, Spool(tmp_path / "spool"), clock, "test")
    ledger.close()


def reception(rooms, *peers):
    writer = Writer(rooms, Bell(), Bell())
    return Reception(rooms, "RADNODE", peers, writer, lambda _: None, Room(0.0))


def test_the_last_call_at_the_stop_waits_for_the_one_under_way(rooms, tmp_path, monkeypatch):
    """Both would take the same batch, and one would find it gone under its hands."""
    writer = Writer(rooms, Bell(), Bell())
    home = Home(None, tmp_path, rooms.clock)
    real, begun, go_on = rooms.ledger.instances_received, threading.Event(), threading.Event()
    batches = []

    def slow(batch):
        batches.append([one.sop_instance_uid for one in batch])
        begun.set()
        go_on.wait(10)
        return real(batch)

    monkeypatch.setattr(rooms.ledger, "instances_received", slow)
    writer.put(an_instance(home, 1))
    leg = threading.Thread(target=writer.step)
    leg.start()
    begun.wait(10)
    writer.put(an_instance(home, 2))
    threading.Timer(0.2, go_on.set).start()
    writer.step()
    leg.join(10)
    assert [len(one) for one in batches] == [1, 1]
    (evidence,) = rooms.ledger.open_series()
    assert evidence.instances == 2


def test_a_caller_waits_for_the_name_of_its_namesake_only(rooms, monkeypatch):
    real, asked = socket.getaddrinfo, []

    def watched(host, *rest, **more):
        asked.append(host)
        return real(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", watched)
    other = Peer("mr1", "MR1", "slow.invalid", None, frozenset({"store"}))
    assert reception(rooms, other, CT1).admit(CALLER).peer == CT1
    assert asked == ["127.0.0.1"]


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".invalid"])
def test_a_peer_whose_host_has_no_address_is_refused_and_nobody_else(rooms, host):
    lost = Peer("lost", "CT1", host, None, frozenset({"store"}))
    assert reception(rooms, lost).admit(CALLER).rejection is Rejection.CALLING_AE
    assert reception(rooms, lost, CT1).admit(CALLER).peer == CT1


def test_a_spool_that_is_gone_is_no_room(rooms):
    desk = reception(rooms, CT1)
    shutil.rmtree(rooms.spool.root)
    assert desk.admit(CALLER).rejection is Rejection.BUSY
