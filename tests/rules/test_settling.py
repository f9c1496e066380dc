"""When a series counts as complete."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from node.rules.completing import Contents
from node.rules.nouns import Habit, SeriesEvidence, Signal
from node.rules.settling import Patience, settle

NOON = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)
PATIENCE = Patience(quiet=5, open_quiet=60, aborted_quiet=30, unknown=5)


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


def test_a_clock_that_is_set_forwards_cuts_no_series_short():
    tomorrow = at(86_400)
    assert not settle(evidence(closed=0), tomorrow, PATIENCE, watched=4.9).settled
    assert settle(evidence(closed=0), tomorrow, PATIENCE, watched=5.0).settled


SURE = Contents(images=20, announced=20, announced_by="Images in Acquisition", whole=True)


@pytest.mark.parametrize(
    ("open_associations", "aborted", "seconds"), [(0, False, 0.2), (1, False, 5), (0, True, 5)]
)
def test_a_reached_count_shortens_each_wait(open_associations, aborted, seconds):
    known = evidence(closed=0, open_associations=open_associations, aborted=aborted)
    assert not settle(known, at(seconds - 0.1), PATIENCE, contents=SURE).settled
    assert settle(known, at(seconds), PATIENCE, contents=SURE).settled


def test_a_count_over_other_images_than_are_there_says_nothing():
    known = replace(evidence(closed=0), instances=21)
    assert not settle(known, at(4.9), PATIENCE, contents=SURE).settled
    assert settle(known, at(5), PATIENCE, contents=SURE).settled


def test_one_voice_that_misses_images_outweighs_the_others():
    known = replace(evidence(closed=0), signals=(Signal("MPPS", 22),))
    verdict = settle(known, at(30), PATIENCE, contents=SURE)
    assert not verdict.settled
    assert "2 of 22 images that MPPS counts are missing" in verdict.reason
    assert settle(known, at(60), PATIENCE, contents=SURE).settled


def test_what_a_pacs_counts_so_far_is_trusted_less_and_only_after_the_release():
    counted = replace(evidence(closed=0), signals=(Signal("the PACS a", 20, firm=False),))
    assert not settle(counted, at(1.9), PATIENCE).settled
    assert settle(counted, at(2.0), PATIENCE).settled
    is_open = replace(counted, open_associations=1)
    assert not settle(is_open, at(59), PATIENCE).settled


def test_a_pacs_that_has_fewer_says_nothing():
    counted = replace(evidence(closed=0), signals=(Signal("the PACS a", 3, firm=False),))
    assert not settle(counted, at(4.9), PATIENCE).settled
    assert settle(counted, at(5.0), PATIENCE).settled


@pytest.mark.parametrize(
    ("habit", "seconds"),
    [
        (Habit(500, 0.1), 1.0),
        (Habit(500, 0.9), 2.7),
        (Habit(19, 0.1), 5.0),
        (Habit(3, 8.0), 24.0),
        (Habit(3, 300.0), 60.0),
    ],
)
def test_a_sender_s_habits_make_the_wait_shorter_or_longer(habit, seconds):
    known = replace(evidence(closed=0), habit=habit)
    assert not settle(known, at(seconds - 0.1), PATIENCE).settled
    assert settle(known, at(seconds), PATIENCE).settled


STRANGER = replace(PATIENCE, unknown=60)


@pytest.mark.parametrize(
    ("habit", "seconds", "why"),
    [
        (None, 60, "not known yet"),
        (Habit(4, 0.1), 60, "not known yet"),
        (Habit(5, 0.1), 5, "released"),
        (Habit(30, 0.1), 1, "never paused"),
        (Habit(30, 0.1, 1), 60, "in parts before"),
        (Habit(49, 0.1, 1), 60, "in parts before"),
        (Habit(50, 0.1, 1), 1, "never paused"),
        (Habit(60, 4.0, 3), 60, "paused for 4.0 s before"),
    ],
)
def test_who_is_not_known_or_sends_in_parts_is_waited_for_longer(habit, seconds, why):
    known = replace(evidence(closed=0), habit=habit)
    assert not settle(known, at(seconds - 0.1), STRANGER).settled
    verdict = settle(known, at(seconds), STRANGER)
    assert verdict.settled
    assert why in verdict.reason


def test_a_count_spares_a_stranger_the_wait():
    assert settle(evidence(closed=0), at(0.2), STRANGER, contents=SURE).settled


def test_a_stranger_with_one_image_of_many_frames_is_not_waited_for_longer():
    known = replace(evidence(closed=0), instances=1)
    one = Contents(images=1, whole=True, one_for_all=True)
    assert not settle(known, at(4.9), STRANGER, contents=one).settled
    assert settle(known, at(5), STRANGER, contents=one).settled


def test_habits_shorten_no_wait_for_images_that_do_not_look_whole():
    known = replace(evidence(closed=0), habit=Habit(500, 0.1))
    assert settle(known, at(1), STRANGER, contents=Contents(images=20, whole=True)).settled
    uneven = Contents(images=20)
    assert not settle(known, at(4.9), STRANGER, contents=uneven).settled
    assert settle(known, at(5), STRANGER, contents=uneven).settled
