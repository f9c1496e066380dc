"""Many associations at once: what one of them does is never felt by another."""

import threading
import time

import pytest

from node.wire.scp import Limits, Listener
from tests.fakes import raw_peer as raw
from tests.fakes.desk import Desk, wait_until
from tests.fakes.raw_peer import COMMAND, LAST, RawPeer, p_data, pdv

SECONDS = 6.0


@pytest.fixture(params=["fast", "plain"])
def listener(request):
    desk = Desk()
    listener = Listener("RADNODE", desk, limits=Limits(64), fast=request.param == "fast")
    listener.desk, listener.port = desk, listener.start("127.0.0.1", 0)
    yield listener
    listener.stop()


def in_parallel(works, seconds=SECONDS):
    """Do each again and again for so long; raise what any of them raised."""
    until, failures = time.monotonic() + seconds, []

    def repeat(work):
        try:
            while time.monotonic() < until and not failures:
                work()
        except Exception as error:  # noqa: BLE001 - raised below, in the test's thread
            failures.append(error)

    threads = [threading.Thread(target=repeat, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_an_answer_that_comes_too_late_reaches_nobody_else(listener):
    """A commitment report is answered from another thread, maybe when its connection is gone.

    By then the descriptors of that association may be another one's.
    """
    more = {"x1000": raw.uid_value("1.2.840.10008.1.20.1.1"), "x1002": raw.short(1)}
    report = raw.simple_rq(raw.N_EVENT_REPORT, 2, raw.COMMITMENT, 1, **more)
    hasty = p_data(
        pdv(7, COMMAND | LAST, report), pdv(7, LAST, b"\x08\x00\x95\x11UI\x06\x001.2.3\0")
    )

    def report_and_leave():
        with RawPeer(listener.port) as peer:
            peer.associate()
            peer.send(hasty * 3, raw.abort())

    def echo_in_peace():
        with RawPeer(listener.port) as peer:
            peer.associate()
            assert peer.accepted
            peer.send(raw.echo())
            assert peer.reply().status == 0
            assert peer.release() == "released"

    in_parallel([report_and_leave] * 3 + [echo_in_peace] * 3)


def test_images_of_many_associations_are_not_mixed_up(listener):
    """Each sender has its own byte; four pieces make an image, and every sender aborts at times."""
    numbers = iter(range(1, 10**9))

    def send(own):
        with RawPeer(listener.port) as peer:
            peer.associate()
            for _ in range(5):
                assert peer.store(f"1.2.{own}.{next(numbers)}", bytes([own]) * 50_000).status == 0
            begun = raw.store(f"1.2.{own}.{next(numbers)}", bytes([own]) * 50_000)[:-100]
            peer.send(begun, raw.abort())

    in_parallel([lambda own=own: send(own) for own in range(1, 7)], seconds=3)
    desk = listener.desk
    wait_until(lambda: desk.idle)
    for kept in desk.kept:
        own = int(kept.arrival.sop_instance_uid.split(".")[2])
        assert kept.data == bytes([own]) * 50_000
    assert len(desk.kept) >= 6 * 5
    assert desk.misuses == []
    assert len({one for one, _, _ in desk.closings}) == len(desk.closings) == len(desk.opened_ids)
