"""Nothing counts the images, and the sender splits them over associations: one run all the same."""

import pytest

from node.rules.settling import Patience
from tests.stages.ward import Ward


@pytest.fixture
def ward(tmp_path):
    """A ward with the patience that is shipped; nobody has sent to it."""
    made = Ward(tmp_path, patience=Patience())
    yield made
    made.home.close()


def in_parts(ward, uid, seconds, n=20):
    images = ward.series(uid, n)
    for name, some in (("one", images[: n // 2]), ("two", images[n // 2 :])):
        ward.open(f"{uid} {name}")
        ward.feed(some, f"{uid} {name}", uid=uid)
        ward.close(f"{uid} {name}")
        if name == "one":
            ward.wait(seconds)
            assert ward.jobs(uid) == []


def at_once(ward, uid):
    ward.open(uid)
    ward.feed(ward.series(uid, 4), uid, uid=uid)
    ward.close(uid)


@pytest.mark.parametrize("seconds", [6, 40])
def test_the_first_series_of_a_sender_may_come_in_parts(ward, seconds):
    in_parts(ward, "1.2.3", seconds)
    ward.wait(59)
    assert ward.jobs() == []
    ward.wait(2)
    assert ward.jobs() == [20]
    assert "not known yet" in ward.reasons()[0]


def test_who_sent_five_in_one_go_is_waited_for_shorter(ward):
    for number in range(5):
        at_once(ward, f"1.{number}")
    ward.wait(61)
    at_once(ward, "1.9")
    ward.wait(4.5)
    assert ward.jobs("1.9") == []
    ward.wait(1)
    assert ward.jobs("1.9") == [4]


@pytest.mark.parametrize("seconds", [0.5, 20])
def test_who_was_seen_to_send_in_parts_is_waited_for_longer(ward, seconds):
    """Half a second between two associations would not make the wait longer by itself."""
    for number in range(24):
        at_once(ward, f"1.{number}")
    in_parts(ward, "2.1", seconds)
    ward.wait(61)
    in_parts(ward, "2.2", 40)
    ward.wait(61)
    assert ward.jobs("2.2") == [20]
    assert "sent series in parts before" in ward.reasons()[-1]


def test_several_associations_at_once_are_no_parts(ward):
    for number in range(6):
        uid = f"1.{number}"
        images = ward.series(uid, 4)
        for name, some in (("a", images[:2]), ("b", images[2:])):
            ward.open(uid + name)
            ward.feed(some, uid + name, uid=uid)
        for name in "ab":
            ward.close(uid + name)
    ward.wait(61)
    at_once(ward, "1.9")
    ward.wait(6)
    assert ward.jobs("1.9") == [4]


def test_what_is_sent_again_after_an_abort_is_no_habit(ward):
    images = ward.series("a")
    ward.open("one")
    ward.feed(images[:10], "one", uid="1.1")
    ward.close("one", "aborted")
    ward.open("two")
    ward.feed(images[10:], "two", uid="1.1")
    ward.close("two")
    for number in range(5):
        at_once(ward, f"2.{number}")
    ward.wait(61)
    at_once(ward, "1.9")
    ward.wait(6)
    assert ward.jobs("1.9") == [4]


def test_a_phase_that_has_not_begun_is_waited_for(tmp_path):
    ward = Ward(tmp_path)  # whose senders are known
    said = {"NumberOfTemporalPositions": 2}
    first = ward.series("a", attributes={"TemporalPositionIdentifier": 1, **said})
    second = ward.series("b", attributes={"TemporalPositionIdentifier": 2, **said})
    ward.open("one")
    ward.feed(first, "one")
    ward.close("one")
    ward.wait(40)
    assert ward.jobs() == []
    ward.open("two")
    ward.feed(second, "two")
    ward.close("two")
    ward.wait(6)
    assert ward.jobs() == [40]
    ward.home.close()
