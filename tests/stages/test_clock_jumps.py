"""The wall clock is set forwards or back at any moment, and no series is cut short or hangs."""

from datetime import timedelta

import pytest

from tests.stages.test_studies import FLAIR, T1, StudyWard

COUNTED = {"ImagesInAcquisition": 20}
JUMPS = [-3600, -3, 3, 3600]


@pytest.mark.parametrize("attributes", [COUNTED, {}], ids=["counted", "uncounted"])
@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("is_open", [True, False], ids=["open", "between"])
def test_a_jump_that_is_seen_while_images_come_makes_one_run_of_all(
    ward, attributes, is_open, jump
):
    images = ward.series(attributes=attributes)
    ward.open("one")
    ward.feed(images[:10], "one")
    if not is_open:
        ward.close("one")
    ward.wait(1)
    ward.clock.set_back(-jump)
    ward.wait(0.5)
    assert ward.jobs() == []
    now = "one"
    if not is_open:
        now = "two"
        ward.open(now)
    ward.feed(images[10:], now)
    ward.close(now)
    ward.wait(8)
    assert ward.jobs() == [20]


@pytest.mark.parametrize("jump", JUMPS)
def test_a_jump_while_nothing_comes_changes_no_wait(ward, jump):
    ward.open("one")
    ward.feed(ward.series(), "one")
    ward.close("one")
    ward.wait(2)
    ward.clock.set_back(-jump)
    ward.wait(2.8)
    assert ward.jobs() == []
    ward.wait(0.5)
    assert ward.jobs() == [20]


def test_after_a_restart_the_wait_begins_anew(ward):
    ward.open("one")
    ward.feed(ward.series(), "one")
    ward.close("one")
    ward.wait(4)
    ward.restart()
    ward.clock.set_back(-3600)
    ward.wait(4.8)
    assert ward.jobs() == []
    ward.wait(0.5)
    assert ward.jobs() == [20]


@pytest.mark.parametrize("jump", [-3600, 3600])
def test_a_jump_neither_forces_a_study_nor_holds_it(tmp_path, jump):
    here = StudyWard(tmp_path, force_after=timedelta(seconds=60), then="proceed")
    here.arrives(T1, "T1")
    assert here.states() == {"held": 1}
    here.clock.set_back(-jump)
    here.wait(40)
    assert here.states() == {"held": 1}
    here.arrives(FLAIR, "FLAIR")
    assert here.states() == {"waiting": 1}
    here.home.close()


@pytest.mark.parametrize("jump", [-3600, 3600])
def test_a_study_is_forced_when_its_time_is_up_all_the_same(tmp_path, jump):
    here = StudyWard(tmp_path, force_after=timedelta(seconds=60), then="proceed")
    here.arrives(T1, "T1")
    here.clock.set_back(-jump)
    here.wait(60)
    assert here.states() == {"waiting": 1}
    here.home.close()
