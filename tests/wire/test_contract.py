"""The fast path and the plain path are one listener: nobody who calls can tell them apart."""

import functools
from dataclasses import dataclass

import pytest

from node.wire.scp import Limits, Listener
from tests.fakes.desk import Desk, belongings, wait_until
from tests.fakes.raw_peer import RawPeer
from tests.wire import trespasses  # noqa: F401 - they register themselves
from tests.wire.scenarios import ENDED, SCENARIOS

PATHS = {"fast": True, "plain": False}
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


@dataclass(frozen=True)
class Outcome:
    """All that can be seen of a conversation, from both sides.

    Drafts that are abandoned are counted on neither side: the plain path has the image in memory
    until it is whole, and so begins none.
    """

    answers: tuple
    end: str
    announced: tuple
    kept: tuple
    closings: tuple
    reports: int


@functools.cache
def listening(path):
    """One listener per path for all scenarios: none may leave anything behind for the next."""
    desk = Desk()
    listener = Listener("RADNODE", desk, limits=Limits(idle_seconds=20), fast=PATHS[path])
    assert listener.fast == PATHS[path]
    listener.port = listener.start("127.0.0.1", 0)
    with RawPeer(listener.port) as peer:  # what is made once is made now
        peer.associate().release()
    wait_until(lambda: desk.idle)
    return listener, desk


@functools.cache
def held(name, path):
    """Hold a conversation and give its outcome, when nothing of it is left."""
    scenario = BY_NAME[name]
    listener, desk = listening(path)
    desk.reset()
    scenario.prepare(desk)
    before = belongings()
    with RawPeer(listener.port, seconds=4, **(scenario.request or {})) as peer:
        peer.associate()
        scenario.talk(peer)
    wait_until(lambda: desk.opened_ids and desk.idle)
    wait_until(
        lambda: all(now <= then for now, then in zip(belongings(), before, strict=True)),
        what=lambda: f"{before}, now {belongings()}",
    )
    assert [one for one, _, _ in desk.closings] == desk.opened_ids, "closed once, and all"
    assert desk.misuses == []
    assert len(desk.kept) + len(desk.abandoned) == desk.drafts
    return Outcome(
        tuple(peer.replies),
        ENDED if peer.end in ("aborted", "closed") else peer.end,
        (tuple(peer.accepted.items()), peer.maximum),
        tuple(
            (one.data, one.arrival.sop_instance_uid, one.arrival.transfer_syntax_uid)
            for one in desk.kept
        ),
        tuple((outcome, count) for _, outcome, count in desk.closings),
        len(desk.reports),
    )


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", BY_NAME)
def test_each_conversation_comes_to_its_end(name, path):
    scenario = BY_NAME[name]
    seen = held(name, path)
    answers = [(one.status, one.message_id, one.context) for one in seen.answers]
    assert answers == list(scenario.answers)
    assert seen.end == scenario.end
    assert [data for data, _, _ in seen.kept] == list(scenario.kept)
    assert seen.reports == scenario.reports
    ((outcome, count),) = seen.closings
    assert count == scenario.counted
    assert (outcome == "released") == (scenario.end == "released")


@pytest.mark.parametrize("name", BY_NAME)
def test_nobody_can_tell_the_two_paths_apart(name):
    """Answers byte for byte, what was kept, and how the association's end is written down."""
    assert held(name, "fast") == held(name, "plain")
