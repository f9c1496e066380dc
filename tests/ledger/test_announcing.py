"""Fear: what others say of a series ends its wait too early, or never."""

import pytest

from node.rules.nouns import Signal, Source
from tests.ledger.making import SERIES, an_instance, evidence

OTHER = f"{SERIES}.7"


def receive(home, numbers, series=SERIES):
    home.ledger.instances_received(
        [
            an_instance(home, number, series_instance_uid=series, sop_instance_uid=f"{number}.1")
            for number in numbers
        ]
    )


def test_the_last_word_of_each_counts(home):
    receive(home, [1])
    for images in (5, 3):
        home.ledger.series_announced(Source.MPPS, {SERIES: images})
    home.ledger.series_announced(Source.AVAILABILITY, {SERIES: 4})
    assert evidence(home).signals == (
        Signal("MPPS", 3),
        Signal("an availability notification", 4),
    )


def test_what_is_said_before_the_first_image_is_known_with_it(home):
    home.ledger.series_announced(Source.MPPS, {SERIES: 2})
    receive(home, [1])
    assert evidence(home).signals == (Signal("MPPS", 2),)


def test_a_request_to_commit_counts_by_series_and_is_not_the_last_word(home):
    receive(home, [1, 2, 3])
    receive(home, [4, 5], OTHER)
    home.ledger.instances_announced(Source.COMMITMENT, [f"{n}.1" for n in range(1, 6)])
    assert evidence(home).signals == (Signal("a commitment request", 3, firm=False),)
    assert evidence(home, OTHER).signals == (Signal("a commitment request", 2, firm=False),)


@pytest.mark.parametrize(("series", "counts"), [([SERIES], [5]), ([SERIES, OTHER], [])])
def test_what_we_do_not_have_counts_only_where_it_can_belong_to_one_series(home, series, counts):
    for number, uid in enumerate(series):
        receive(home, [3 * number + 1, 3 * number + 2], uid)
    named = [f"{n}.1" for n in (1, 2, 4, 5)][: 2 * len(series)]
    home.ledger.instances_announced(Source.COMMITMENT, [*named, "90.1", "91.1", "92.1"])
    assert [one.images for one in evidence(home).signals] == counts


def test_a_request_about_nothing_that_we_know_says_nothing(home):
    receive(home, [1])
    home.ledger.instances_announced(Source.COMMITMENT, ["90.1"])
    home.ledger.instances_announced(Source.COMMITMENT, [])
    assert evidence(home).signals == ()
