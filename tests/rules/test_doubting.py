"""Scores above their bounds are marked, held or withheld; the stricter of bundle and route."""

import pytest

from node.rules import doubting
from node.rules.doubting import HELD, Bound, doubts, reason

MARK, HOLD, WITHHOLD = doubting.ACTIONS


@pytest.mark.parametrize(
    ("above", "route", "expected"),
    [
        (MARK, None, MARK),
        (HOLD, None, HOLD),
        (MARK, HOLD, HOLD),
        (WITHHOLD, MARK, WITHHOLD),
        (HOLD, WITHHOLD, WITHHOLD),
    ],
)
def test_the_stricter_of_bundle_and_route_holds(above, route, expected):
    (doubt,) = doubts({"uncertainty": 0.9}, {"uncertainty": Bound(0.5, above)}, route)
    assert doubt.action == expected
    assert doubt.what == "the model's uncertainty is 0.9, above 0.5"


def test_within_its_bound_nothing_is_said():
    assert doubts({"uncertainty": 0.5}, {"uncertainty": Bound(0.5)}, WITHHOLD) == []
    assert doubts({"uncertainty": 0.9}, {}) == []


@pytest.mark.parametrize("scores", [{}, {"uncertainty": float("nan")}])
def test_a_score_that_nobody_gave_is_above_any_bound(scores):
    (doubt,) = doubts(scores, {"uncertainty": Bound(0.5)})
    assert "nan, above 0.5" in doubt.what


def test_the_strictest_of_several_says_what_becomes_of_the_result():
    bounds = {"uncertainty": Bound(0.5, MARK), "out_of_distribution": Bound(1.0, HOLD)}
    found = doubts({"uncertainty": 0.9, "out_of_distribution": 2.0}, bounds)
    assert reason(found).startswith(HELD)
    assert "uncertainty is 0.9" in reason(found)
    assert "the distance from what the model was made with is 2, above 1" in reason(found)
    assert reason(found[:1]) == ""
    assert reason(doubts({"uncertainty": 0.9}, bounds, WITHHOLD)).startswith(
        "the model is not sure"
    )
