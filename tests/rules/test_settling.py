"""When a series counts as complete."""

from datetime import UTC, datetime, timedelta

import pytest

from node.rules.nouns import SeriesEvidence
from node.rules.settling import Patience, settle

NOON = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)
PATIENCE = Patience(quiet=5, open_quiet=60, aborted_quiet=30)


def evidence(*, last=0.0, closed=None, open_associations=0, aborted=False):
    return SeriesEvidence(
        series_instance_uid="1.2.3",
        study_instance_uid="1.2",
        edition=1,
        instances=20,
        first_received=NOON - timedelta(seconds=100),
        last_received=NOON + timedelta(seconds=last),
        open_associations=open_associations,
        last_closed=None if closed is None else NOON + timedelta(seconds=closed),
        aborted=aborted,
        attributes={},
    )


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def test_a_released_and_quiet_series_is_settled_with_the_reason_in_words():
    verdict = settle(evidence(closed=0.1), at(5.2), PATIENCE)
    assert verdict.settled
    assert "released" in verdict.reason
    assert "5 s" in verdict.reason


def test_release_alone_does_not_settle():
    verdict = settle(evidence(closed=0.1), at(1.1), PATIENCE)
    assert not verdict.settled
    assert verdict.again_in == pytest.approx(4.0)


def test_quiet_time_counts_from_the_release_when_that_came_later():
    assert not settle(evidence(closed=4.0), at(6.0), PATIENCE).settled


@pytest.mark.parametrize("stall", [6, 20])
def test_a_stall_with_the_association_open_does_not_settle(stall):
    assert not settle(evidence(open_associations=1), at(stall), PATIENCE).settled


def test_a_sender_that_never_releases_is_settled_in_the_end():
    assert settle(evidence(open_associations=1), at(60), PATIENCE).settled


def test_an_abort_is_not_taken_for_an_end():
    assert not settle(evidence(closed=0.1, aborted=True), at(20), PATIENCE).settled
    assert settle(evidence(closed=0.1, aborted=True), at(31), PATIENCE).settled


def test_a_clock_set_back_does_not_hang_a_series():
    yesterday = at(-86_400)
    assert not settle(evidence(closed=0), yesterday, PATIENCE, watched=4.0).settled
    assert settle(evidence(closed=0), yesterday, PATIENCE, watched=5.0).settled
