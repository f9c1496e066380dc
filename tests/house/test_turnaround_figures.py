"""The benchmark of turnaround does not flatter: what overlaps is counted once."""

import pytest

from bench.turnaround.records import Record
from bench.turnaround.scenarios import Counted
from bench.turnaround.table import judged


def journey(*steps, turnaround=3.0, waiting=0.0):
    return Record(1, "a condition", "someone", turnaround, waiting, steps=list(steps))


def test_overhead_is_what_is_left_of_the_turnaround():
    record = journey(("model", 0.5, 2.5), ("SEG", 2.5, 2.75), waiting=0.25)
    assert record.overhead == pytest.approx(0.25 + 0.25)


def test_a_model_that_runs_while_waiting_is_not_taken_off_twice():
    record = journey(("model", 0.5, 1.5), waiting=2.0)
    assert record.overhead == pytest.approx(1.0)


def test_what_went_on_before_the_last_slice_or_after_the_result_does_not_count():
    record = journey(("model", -4.0, 0.5), ("SEG", 2.5, 4.0))
    assert record.seconds("model") == pytest.approx(0.5)
    assert record.seconds("SEG") == pytest.approx(0.5)
    assert record.overhead == pytest.approx(2.0)


def test_other_steps_are_overhead():
    assert journey(("captures", 0.0, 3.0)).overhead == pytest.approx(3.0)


def test_the_wait_before_a_mask_is_not_the_masks():
    assert journey(("model", 0.5, 1.0), waiting=0.25).mask == pytest.approx(0.75)
    assert journey(("model", 0.5, 1.0), waiting=5.0).mask == pytest.approx(0.5)
    assert journey().mask is None


@pytest.mark.parametrize(
    ("images", "editions", "fragments", "doubles", "right"),
    [
        ([300], 1, 0, 0, True),
        ([150, 300], 1, 1, 0, False),
        ([300, 300], 1, 0, 1, False),
        ([150], 1, 1, 0, False),
        ([], 1, 0, 0, False),
        ([299, 300], 2, 0, 0, True),
        ([299], 2, 0, 0, False),
        ([299, 1], 2, 1, 0, False),
        ([299, 300, 300], 2, 0, 1, False),
    ],
)
def test_runs_on_fragments_and_runs_too_many_are_told_apart(
    images, editions, fragments, doubles, right
):
    counted = Counted("a scenario", "someone", 300, images, 1, 1, editions)
    assert (counted.fragments, counted.doubles, counted.is_right) == (fragments, doubles, right)


@pytest.mark.parametrize(
    ("images", "fragments", "doubles", "right"),
    [
        ([300, 300], 0, 0, True),
        ([300], 0, 0, False),
        ([150, 300, 300], 1, 0, False),
        ([300, 300, 300], 0, 1, False),
    ],
)
def test_two_series_at_once_are_two_runs(images, fragments, doubles, right):
    counted = Counted("a scenario", "someone", 300, images, 2, 2, 1, together=2)
    assert (counted.fragments, counted.doubles, counted.is_right) == (fragments, doubles, right)


def test_each_peer_is_expected_to_fail_one_and_radnode_none():
    def said(name, *images):
        return [Counted(str(n), name, 300, list(seen), 1, 1, 1) for n, seen in enumerate(images)]

    counted = [
        *said("radnode", [300], [300]),
        *said("better", [300], [150, 300]),
        *said("best", [300], [300]),
    ]
    met = {one.what.split(":")[0]: one.met for one in judged([], counted)}
    assert met == {"radnode": True, "better": True, "best": False}
