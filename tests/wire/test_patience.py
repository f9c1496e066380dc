"""How long a caller may take, and that one who takes too long harms nobody but himself."""

import os
import time

import pytest

from node.dicom import status
from node.wire.scp import Limits, Listener
from tests.fakes import raw_peer as raw
from tests.fakes.desk import Desk, belongings, wait_until
from tests.fakes.inventory import vitals
from tests.fakes.raw_peer import COMMAND, DATA, LAST, RawPeer, p_data, pdv

REQUEST, IDLE = 1.0, 1.5
IMAGE = bytes(range(256)) * 1000


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture(params=["fast", "plain"])
def listener(request, desk):
    limits = Limits(maximum_associations=5, request_seconds=REQUEST, idle_seconds=IDLE)
    listener = Listener("RADNODE", desk, limits=limits, fast=request.param == "fast")
    listener.port = listener.start("127.0.0.1", 0)
    with RawPeer(listener.port) as peer:
        peer.associate().release()
    wait_until(lambda: desk.idle)
    desk.reset()
    listener.stopped = False
    yield listener
    if not listener.stopped:
        listener.stop()


def echoed(listener):
    with RawPeer(listener.port) as peer:
        peer.associate()
        peer.send(raw.echo())
        peer.reply()
        return peer.release()


def seconds_until_closed(peer, drip=b"", every=0.2, longest=8.0):
    """Send a byte now and then until the other side has had enough; give how long that took."""
    begun = time.monotonic()
    peer.socket.settimeout(every)
    for at in range(int(longest / every)):
        peer.send(drip[at : at + 1])
        try:
            if not peer.socket.recv(4096):
                return time.monotonic() - begun
        except TimeoutError:
            continue
        except OSError:
            return time.monotonic() - begun
    raise AssertionError("it never ended")


@pytest.mark.parametrize("listener", ["fast"], indirect=True)
def test_a_request_that_drips_in_is_cut_off_in_time(listener, desk):
    with RawPeer(listener.port) as peer:
        assert seconds_until_closed(peer, raw.associate_rq()) < REQUEST + 2
    assert desk.callers == []


def test_a_caller_who_says_nothing_is_shown_out_in_time(listener, desk):
    with RawPeer(listener.port) as peer:
        assert REQUEST * 0.8 < seconds_until_closed(peer) < REQUEST + 2
    assert desk.callers == []


def test_an_association_on_which_nothing_comes_ends(listener, desk):
    with RawPeer(listener.port) as peer:
        peer.associate()
        assert IDLE * 0.8 < seconds_until_closed(peer) < IDLE + 3
    wait_until(lambda: desk.idle)
    assert [count for _, _, count in desk.closings] == [0]


def test_an_image_that_stalls_is_given_up(listener, desk):
    before = belongings()
    with RawPeer(listener.port) as peer:
        peer.associate()
        peer.send(p_data(pdv(1, COMMAND | LAST, raw.c_store_rq("1.2.3"))))
        peer.send(p_data(pdv(1, DATA, IMAGE)), p_data(pdv(1, DATA | LAST, IMAGE))[:1000])
        assert seconds_until_closed(peer) < IDLE + 3
    wait_until(lambda: desk.idle)
    assert desk.kept == []
    assert len(desk.abandoned) == desk.drafts
    assert len(desk.closings) == 1
    wait_until(lambda: all(now <= then for now, then in zip(belongings(), before, strict=True)))


@pytest.mark.parametrize("listener", ["fast"], indirect=True)
def test_an_image_that_drips_in_is_given_up(listener, desk):
    """A byte now and then within a PDU does not count as life."""
    with RawPeer(listener.port) as peer:
        peer.associate()
        peer.send(p_data(pdv(1, COMMAND | LAST, raw.c_store_rq("1.2.3"))))
        dripped = p_data(pdv(1, DATA | LAST, IMAGE))  # all of it would take half a day
        assert seconds_until_closed(peer, dripped, longest=60.0) < 2 * IDLE + 30
    wait_until(lambda: desk.idle)
    assert desk.kept == []


def test_a_slow_image_that_keeps_coming_is_kept(listener, desk):
    with RawPeer(listener.port) as peer:
        peer.associate()
        peer.send(p_data(pdv(1, COMMAND | LAST, raw.c_store_rq("1.2.3"))))
        for start in range(10):
            time.sleep(IDLE / 4)
            peer.send(p_data(pdv(1, DATA | (LAST if start == 9 else 0), IMAGE[:100])))
        assert peer.reply().status == status.SUCCESS
        assert peer.release() == "released"
    assert [one.data for one in desk.kept] == [IMAGE[:100] * 10]


@pytest.mark.parametrize("listener", ["fast"], indirect=True)
def test_two_hundred_silent_callers_cost_no_thread_and_keep_nobody_out(listener, desk):
    """The plain path has a thread and a place for each, until their time is over."""
    before = belongings()
    silent = [RawPeer(listener.port) for _ in range(200)]
    assert belongings()[0] <= before[0]
    assert echoed(listener) == "released"
    wait_until(lambda: desk.idle)
    assert len(desk.callers) == 1
    for peer in silent:
        assert seconds_until_closed(peer) < REQUEST + 3
        peer.close()
    wait_until(lambda: all(now <= then for now, then in zip(belongings(), before, strict=True)))


def test_more_associations_than_there_are_places_are_refused_as_transient(listener, desk):
    held = [RawPeer(listener.port).associate() for _ in range(5)]
    assert all(peer.accepted for peer in held)
    with RawPeer(listener.port) as peer:
        peer.associate()
        assert peer.rejection == (2, 3, 2)  # transient, presentation, local limit (PS3.8 9.3.4)
    for peer in held:
        peer.release()
    wait_until(lambda: desk.idle)
    assert echoed(listener) == "released"


def test_stopping_ends_what_is_open_and_keeps_what_was_answered(listener, desk):
    with RawPeer(listener.port) as idle, RawPeer(listener.port) as busy:
        idle.associate()
        busy.associate()
        assert busy.store("1.2.3", IMAGE).status == status.SUCCESS
        busy.send(p_data(pdv(1, COMMAND | LAST, raw.c_store_rq("1.2.4"))))
        busy.send(p_data(pdv(1, DATA, IMAGE)))
        time.sleep(0.1)
        begun = time.monotonic()
        listener.stop()
        listener.stopped = True
        assert time.monotonic() - begun < 5
        assert idle.read_all() in ("aborted", "closed")
        assert busy.read_all() in ("aborted", "closed")
    wait_until(lambda: desk.idle)
    assert len(desk.kept) == 1
    assert sorted(count for _, _, count in desk.closings) == [0, 1]


@pytest.mark.parametrize("context", [1, 7])
def test_a_length_that_is_only_announced_takes_no_memory(listener, context):
    """A fragment of 2 GB, of a command or of a data set that is no image's, of which none comes."""
    more = {"x1000": raw.uid_value("1.2.3"), "x1002": raw.short(1)}
    report = raw.simple_rq(raw.N_EVENT_REPORT, 2, raw.COMMITMENT, 1, **more)
    before = vitals(os.getpid()).resident
    with RawPeer(listener.port) as peer:
        peer.associate()
        if context == 7:
            peer.send(p_data(pdv(7, COMMAND | LAST, report)))
        kind = DATA if context == 7 else COMMAND
        peer.send(raw.pdu(raw.P_DATA, pdv(context, kind, b"", length=(2 << 30) - 4), 2 << 30))
        time.sleep(REQUEST / 2)
        assert vitals(os.getpid()).resident - before < 100
