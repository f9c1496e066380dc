"""Who has no business here keeps nobody out, and whatever fails inside lets nobody in."""

import os
import resource
import socket
import time

import pytest

from node.wire.scp import Limits, Listener
from tests.fakes import raw_peer as raw
from tests.fakes.desk import Desk, wait_until
from tests.fakes.raw_peer import RawPeer


@pytest.fixture(params=["fast", "plain"])
def listener(request):
    desk = Desk()
    limits = Limits(maximum_associations=3, request_seconds=2.0)
    listener = Listener("RADNODE", desk, limits=limits, fast=request.param == "fast")
    listener.desk, listener.port = desk, listener.start("127.0.0.1", 0)
    yield listener
    listener.stop()


def broken(*_):
    raise RuntimeError("nobody foresaw this")


def test_a_caller_is_not_let_in_when_the_decision_fails(listener):
    listener.desk.admit = broken
    with RawPeer(listener.port) as peer:
        peer.associate()
        assert not peer.accepted
        assert peer.rejection == (2, 3, 1)


def test_a_release_is_not_answered_when_what_comes_before_it_fails(listener):
    listener.desk.releasing = broken
    with RawPeer(listener.port) as peer:
        peer.associate()
        assert peer.store("1.2.3", b"\x08\0\x05\0CS\x02\0a ").status == 0
        assert peer.release() != "released"


@pytest.mark.parametrize("listener", ["fast"], indirect=True)
@pytest.mark.parametrize(
    "head", [b"\x01\0\0\x10\0\0", b"\x04\0\0\0\xff\0", b"\x07\0\0\0\xff\0", b"GET / HTTP"]
)
def test_strangers_who_begin_to_speak_keep_no_place(listener, head):
    strangers = [RawPeer(listener.port) for _ in range(6)]
    for stranger in strangers:
        stranger.send(head)
    time.sleep(0.3)
    with RawPeer(listener.port) as peer:
        assert peer.associate().accepted
        assert peer.release() == "released"
    for stranger in strangers:
        assert stranger.read_all() in ("aborted", "closed")
        stranger.close()
    wait_until(lambda: listener.desk.idle)


def test_three_at_once_are_let_in_where_there_are_three_places(listener):
    peers = [RawPeer(listener.port) for _ in range(3)]
    for peer in peers:
        peer.send(raw.associate_rq())
    kinds = [peer.read() for peer in peers]
    assert kinds == [2, 2, 2]
    for peer in peers:
        peer.send(raw.abort())
        peer.close()


@pytest.mark.parametrize("listener", ["fast"], indirect=True)
def test_urgent_bytes_cost_no_more_than_others(listener):
    with RawPeer(listener.port) as peer:
        peer.socket.send(b"\x01\0")
        peer.socket.send(b"\0", socket.MSG_OOB)
        peer.socket.send(b"\0\0\x10\0\0")
        time.sleep(0.2)
        before = resource.getrusage(resource.RUSAGE_SELF)
        time.sleep(0.5)
        after = resource.getrusage(resource.RUSAGE_SELF)
        assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.2


@pytest.mark.parametrize("listener", ["fast"], indirect=True)
def test_without_descriptors_the_node_waits_and_comes_back(listener, capfd):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    caller = socket.socket()
    caller.setblocking(False)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (caller.fileno() + 1, hard))
        spare = []
        while True:
            try:
                spare.append(os.dup(0))
            except OSError:
                break
        caller.connect_ex(("127.0.0.1", listener.port))
        time.sleep(1.0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in spare:
            os.close(descriptor)
        caller.close()
    assert 1 <= capfd.readouterr().err.count("accept_failed") < 20
    with RawPeer(listener.port) as peer:
        assert peer.associate().accepted
        assert peer.release() == "released"
