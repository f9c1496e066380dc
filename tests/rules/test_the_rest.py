"""Names, retries, states."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.rules import naming, retrying, states
from node.rules.events import Event
from node.rules.retrying import Persistence
from node.rules.states import ForbiddenTransitionError

NOON = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)


@given(st.lists(st.text(max_size=80), max_size=5))
def test_a_derived_uid_is_a_uid_and_always_the_same(parts):
    uid = naming.derived_uid(*parts)
    assert uid == naming.derived_uid(*parts)
    assert len(uid) <= 64
    assert all(piece == "0" or not piece.startswith("0") for piece in uid.split("."))


def test_the_evidence_digest_knows_no_order_but_knows_content():
    pairs = [("1.2", "aa"), ("1.3", "bb")]
    assert naming.evidence_digest(pairs) == naming.evidence_digest(pairs[::-1])
    assert naming.evidence_digest(pairs) != naming.evidence_digest([("1.2", "aa"), ("1.3", "bc")])


def test_more_evidence_makes_another_job_and_other_uids():
    one = naming.job_id("1.2", naming.evidence_digest([("1", "a")]), "hash")
    two = naming.job_id("1.2", naming.evidence_digest([("1", "a"), ("2", "b")]), "hash")
    assert one != two
    assert naming.result_uid(one, "SEG", "instance") != naming.result_uid(two, "SEG", "instance")
    assert naming.result_uid(one, "SEG", "instance") != naming.result_uid(one, "SR", "instance")


def test_another_engine_or_precision_makes_other_results():
    facts = [
        {},
        {"engine": "OpenVINO 1", "precision": "f32"},
        {"engine": "OpenVINO 1", "precision": "bf16"},
        {"engine": "PyTorch 1", "precision": "f32"},
        {"artefact": "OpenVINO 1", "engine": "f32"},
    ]
    names = {naming.run("hash", one) for one in facts}
    assert len(names) == len(facts)
    told = {"engine": "PyTorch 1", "precision": "f32", "memory_mb": "517"}
    assert naming.run("hash", told) in names, "what is of no consequence changes nothing"


def test_pauses_double_up_to_the_longest():
    stubborn = Persistence(first=5, longest=300, give_up=3600)
    assert [retrying.pause(n, stubborn) for n in (1, 2, 3, 7, 1000)] == [5, 10, 20, 300, 300]


def test_it_gives_up_only_when_the_time_is_up():
    stubborn = Persistence(first=5, longest=300, give_up=3600)
    assert retrying.next_try(3, NOON, NOON + timedelta(minutes=59), stubborn) is not None
    assert retrying.next_try(3, NOON, NOON + timedelta(minutes=60), stubborn) is None


@pytest.mark.parametrize("machine", states.TRANSITIONS)
def test_every_state_can_be_reached_and_is_described(machine):
    described = getattr(states, machine.upper())
    assert set(states.TRANSITIONS[machine].values()) == set(described)


def test_what_the_table_does_not_allow_is_refused():
    with pytest.raises(ForbiddenTransitionError):
        states.after("job", "done", Event.JOB_CLAIMED)


def test_nothing_is_put_off_for_longer_than_the_longest_wait():
    """The ledger takes what waits longer for the work of a clock that was set back."""
    assert Persistence(longest=2.0).longest_wait >= retrying.REFUSED_PAUSE_SECONDS
    assert Persistence(longest=600.0).longest_wait == 600.0
