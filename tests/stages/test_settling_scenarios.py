"""The ways in which series really come, on simulated time: one run each, and none on a fragment."""

from dataclasses import replace

import pytest

from tests.stages.ward import ROUTE, Ward

COUNTED = {"ImagesInAcquisition": 20}


def test_a_counted_series_settles_a_moment_after_the_release(ward):
    ward.open("one")
    ward.feed(ward.series(attributes=COUNTED), "one")
    ward.close("one")
    ward.wait(0.4)
    assert ward.jobs() == [20]
    assert "all 20 images are there, by Images in Acquisition" in ward.reasons()[0]


def test_an_uncounted_series_settles_after_the_quiet_time(ward):
    ward.open("one")
    ward.feed(ward.series(), "one")
    ward.close("one")
    ward.wait(4.8)
    assert ward.jobs() == []
    ward.wait(0.5)
    assert ward.jobs() == [20]


@pytest.mark.parametrize("attributes", [COUNTED, {}], ids=["counted", "uncounted"])
@pytest.mark.parametrize("seconds", [6, 40])
def test_a_stall_with_the_association_open_makes_one_run(ward, seconds, attributes):
    images = ward.series(attributes=attributes)
    ward.open("one")
    ward.feed(images[:9], "one")
    ward.wait(seconds)
    assert ward.jobs() == []
    ward.feed(images[9:], "one")
    ward.close("one")
    ward.wait(6)
    assert ward.jobs() == [20]


@pytest.mark.parametrize("seconds", [3, 6, 40])
def test_a_stall_between_associations_makes_one_run_if_something_tells(ward, seconds):
    """Six seconds are more than the quiet time: the count tells that images are missing."""
    images = ward.series(attributes=COUNTED)
    ward.open("one")
    ward.feed(images[:9], "one")
    ward.close("one")
    ward.wait(seconds)
    assert ward.jobs() == []
    ward.open("two")
    ward.feed(images[9:], "two")
    ward.close("two")
    ward.wait(1)
    assert ward.jobs() == [20]


def test_a_hole_inside_the_stack_tells_too(ward):
    """Two senders share an uncounted series; one of them is slow."""
    images = ward.series()
    ward.open("one")
    ward.feed(images[::2], "one")
    ward.feed(images[1:10:2], "one")
    ward.close("one")
    ward.wait(30)
    assert ward.jobs() == []
    ward.open("two")
    ward.feed(images[11::2], "two")
    ward.close("two")
    ward.wait(6)
    assert ward.jobs() == [20]


def test_what_stays_incomplete_is_settled_in_the_end_and_the_reason_says_so(ward):
    ward.open("one")
    ward.feed(ward.series(attributes=COUNTED)[:17], "one")
    ward.close("one")
    ward.wait(61)
    assert ward.jobs() == [17]
    assert "3 of 20 images that Images in Acquisition counts are missing" in ward.reasons()[0]


def test_an_abort_in_the_middle_and_the_rest_sent_again_make_one_run(ward):
    images = ward.series()
    ward.open("one")
    ward.feed(images[:11], "one")
    ward.close("one", "aborted")
    ward.wait(40)
    ward.open("two")
    ward.feed(images, "two")  # from the first one on
    ward.close("two")
    ward.wait(6)
    assert ward.jobs() == [20]


@pytest.mark.parametrize("turn", [lambda i: i[::-1], lambda i: i[1::2] + i[::2]])
def test_images_out_of_order_make_one_run(ward, turn):
    ward.open("one")
    ward.feed(turn(ward.series(attributes=COUNTED)), "one")
    ward.close("one")
    ward.wait(0.4)
    assert ward.jobs() == [20]


def test_two_series_interleaved_on_one_association_make_one_run_each(ward):
    first, second = ward.series("a", attributes=COUNTED), ward.series("b", 12)
    ward.open("one")
    for at in range(20):
        ward.image(first[at], "one", "1.2.3")
        if at < 12:
            ward.image(second[at], "one", "1.2.4")
        ward.wait(0.03)
    ward.close("one")
    ward.wait(6)
    assert (ward.jobs("1.2.3"), ward.jobs("1.2.4")) == ([20], [12])


def test_a_second_echo_that_is_shorter_so_far_is_waited_for(ward):
    first = ward.series("a", attributes={"EchoTime": "10"})
    second = ward.series("b", attributes={"EchoTime": "80"})
    ward.open("one")
    ward.feed(first, "one")
    ward.feed(second[:8], "one")
    ward.close("one")
    ward.wait(20)
    assert ward.jobs() == []
    ward.open("two")
    ward.feed(second[8:], "two")
    ward.close("two")
    ward.wait(6)
    assert ward.jobs() == [40]


def test_duplicates_from_two_sources_make_one_run(ward):
    images = ward.series()
    ward.open("one")
    ward.open("two", "ARCHIVE")
    for image in images:
        ward.image(image, "one")
        ward.image(image, "two")
        ward.wait(0.03)
    ward.close("one")
    ward.close("two")
    ward.wait(6)
    ward.open("three")
    ward.feed(images, "three")  # and once more when all is over
    ward.close("three")
    ward.wait(10)
    assert ward.jobs() == [20]


def test_a_late_slice_makes_another_edition_and_not_another_run_of_the_first(ward):
    images = ward.series()
    ward.open("one")
    ward.feed(images[:19], "one")
    ward.close("one")
    ward.wait(30)
    assert ward.jobs() == [19]
    ward.open("two")
    ward.feed(images[19:], "two")
    ward.close("two")
    ward.wait(31 * 3)
    assert ward.jobs() == [19, 20]


def test_who_was_late_once_is_waited_for_longer(ward):
    images = ward.series("a")
    ward.open("one")
    ward.feed(images[:19], "one")
    ward.close("one")
    ward.wait(12)
    ward.open("two")
    ward.feed(images[19:], "two")
    ward.close("two")
    ward.wait(6)
    assert ward.jobs() == [19, 20]
    ward.open("three")
    others = ward.series("b")
    ward.feed(others[:19], "three", uid="1.2.4")
    ward.close("three")
    ward.wait(12)
    ward.open("four")
    ward.feed(others[19:], "four", uid="1.2.4")
    ward.close("four")
    ward.wait(61)
    assert ward.jobs("1.2.4") == [20]
    assert "paused for 12.0 s before" in ward.reasons()[-1]


def test_who_never_paused_in_many_series_is_waited_for_shorter(ward):
    for number in range(20):
        ward.open(f"a{number}")
        ward.feed(ward.series(f"s{number}", 4), f"a{number}", uid=f"1.2.{number}")
        ward.close(f"a{number}")
    ward.wait(6)
    ward.open("one")
    ward.feed(ward.series("last", 20), "one", uid="1.9")
    ward.close("one")
    ward.wait(1.3)
    assert ward.jobs("1.9") == [20]
    assert "never paused" in ward.reasons()[-1]


def test_a_signal_from_elsewhere_settles_and_holds_up(ward):
    ward.open("one")
    ward.feed(ward.series(), "one")
    ward.home.ledger.series_announced("MPPS", {"1.2.3": 21})
    ward.close("one")
    ward.wait(30)
    assert ward.jobs() == []
    ward.home.ledger.series_announced("MPPS", {"1.2.3": 20})
    ward.wait(0.4)
    assert ward.jobs() == [20]
    assert "by MPPS" in ward.reasons()[0]


@pytest.mark.parametrize("when", ["coming", "open", "released"])
def test_a_restart_makes_no_second_run_and_loses_none(ward, when):
    images = ward.series()
    ward.open("one")
    ward.feed(images[:10], "one")
    if when == "coming":
        ward.restart()
    ward.feed(images[10:], "one")
    if when == "open":
        ward.restart()
        ward.home.ledger.associations_lost()
        ward.wait(61)
        assert ward.jobs() == [20]
        return
    ward.close("one")
    ward.restart()
    ward.wait(6)
    assert ward.jobs() == [20]


def test_fifty_series_at_once_make_fifty_runs(ward):
    series = [ward.series(f"s{number}", 6) for number in range(50)]
    for number in range(50):
        ward.open(f"a{number}", f"SENDER{number % 7}")
    for at in range(6):
        for number, images in enumerate(series):
            ward.image(images[at], f"a{number}", f"1.2.{number}")
        ward.wait(0.2)
    for number in range(50):
        ward.close(f"a{number}")
    ward.wait(6)
    assert [ward.jobs(f"1.2.{number}") for number in range(50)] == [[6]] * 50


def test_a_slice_that_contradicts_the_geometry_changes_no_wait_and_is_for_the_model_to_refuse(ward):
    images = [*ward.series("a"), *ward.series("b", 1, slice_spacing=3.7)]
    ward.open("one")
    ward.feed(images, "one")
    ward.close("one")
    ward.wait(6)
    assert ward.jobs() == [21]


def test_an_emergency_goes_before_others_but_starves_nobody(tmp_path):
    ward = Ward(tmp_path)
    stat = replace(ROUTE, name="stat", when={"Modality": "CT", "SeriesDescription": "STAT"})
    ward.leg._routes = [replace(stat, stat=True), ROUTE]

    def one(uid, description):
        ward.open(uid)
        for image in ward.series(uid, 4, attributes={"SeriesDescription": description}):
            ward.image(image, uid, uid)
        ward.close(uid)
        ward.wait(6)

    one("1.1", "usual")
    ward.clock.advance(500)
    one("1.2", "usual")
    one("1.3", "STAT")
    ward.clock.advance(200)
    one("1.4", "STAT")
    order = [ward.home.ledger.claim_job("w", 1e9).series_instance_uid for _ in range(4)]
    ward.home.close()
    assert order == ["1.3", "1.1", "1.4", "1.2"]
