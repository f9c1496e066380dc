"""Intervals and verdicts on numbers whose answer is known."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from models.experiments.comparing import Claim, auc, compared, student, verdict

SIZE = Claim(7.0, "points")


@pytest.mark.parametrize(
    ("low", "high", "claim", "says"),
    [
        (-1.0, 1.0, SIZE, "not shown"),
        (0.5, 2.0, SIZE, "shown, but smaller than claimed"),
        (5.0, 9.0, SIZE, "shown; the claimed size is within the interval"),
        (8.0, 9.0, SIZE, "shown, and larger than claimed"),
        (-3.0, -1.0, SIZE, "contradicted"),
        (None, None, SIZE, "one seed: no verdict"),
        (-50.0, -45.0, Claim(-40.0, "%"), "shown, and larger than claimed"),
        (-30.0, -10.0, Claim(-40.0, "%"), "shown, but smaller than claimed"),
        (-45.0, -30.0, Claim(-40.0, "%"), "shown; the claimed size is within the interval"),
        (5.0, 9.0, Claim(-40.0, "%"), "contradicted"),
        (0.8, 1.2, Claim(2.69, "times", null=1.0), "not shown"),
        (0.3, 0.8, Claim(2.69, "times", null=1.0), "contradicted"),
        (1.2, 2.0, Claim(2.69, "times", null=1.0), "shown, but smaller than claimed"),
        (-0.5, 1.0, Claim(1.2, "points", kind="at most"), "shown: not more than claimed"),
        (-0.5, 1.5, Claim(1.2, "points", kind="at most"), "not shown"),
        (1.5, 2.5, Claim(1.2, "points", kind="at most"), "contradicted"),
        (0.1, 0.2, Claim(1.0, "", kind="direction"), "shown"),
        (-0.2, -0.1, Claim(1.0, "", kind="direction"), "contradicted"),
        (-0.2, -0.1, Claim(-1.0, "", kind="direction"), "shown"),
        (-0.2, 0.1, Claim(-1.0, "", kind="direction"), "not shown"),
    ],
)
def test_a_verdict_goes_by_the_interval(low, high, claim, says):
    assert verdict(low, high, claim) == says


def test_students_interval_is_the_textbooks():
    low, high = student([1.0, 2.0, 3.0, 4.0, 5.0])
    reach = 2.7764 * math.sqrt(2.5) / math.sqrt(5)  # t of 4 degrees of freedom
    assert (low, high) == (pytest.approx(3 - reach, abs=1e-3), pytest.approx(3 + reach, abs=1e-3))
    assert student([1.0]) == (None, None)


def test_arms_are_compared_within_a_seed():
    """Seeds differ by far more than the arms do, and it does not matter."""
    chance = np.random.default_rng(0)
    base = [chance.normal(100 * seed, 1, 50) for seed in range(5)]
    better = [one + 2 + chance.normal(0, 0.1, 50) for one in base]
    found = compared(
        "better minus base", lambda s, c: float((better[s][c] - base[s][c]).mean()), [50] * 5, SIZE
    )
    assert found.value == pytest.approx(2, abs=0.05)
    assert 1.9 < found.low < 2 < found.high < 2.1
    assert 1.9 < found.drawn_low < 2 < found.drawn_high < 2.1
    assert found.verdict == "shown, but smaller than claimed"
    assert len(found.per_seed) == 5


def test_intervals_hold_the_truth_as_often_as_they_say():
    chance = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        low, high = student(list(chance.normal(0.3, 1, 5)))
        held += low <= 0.3 <= high
    assert 0.92 < held / 400 < 0.98


def test_auc_is_scikit_learns():
    chance = np.random.default_rng(2)
    positive = chance.random(200) < 0.3
    scores = np.round(chance.normal(positive, 1), 1)  # with ties
    assert auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores))
    assert math.isnan(auc(scores, np.ones(200, bool)))


def test_a_draw_of_one_class_is_left_out():
    truth, scores = [np.array([True, False])] * 2, [np.array([1.0, 0.0])] * 2
    found = compared("AUC", lambda s, c: auc(scores[s][c], truth[s][c]), [2, 2])
    assert (found.value, found.drawn_low, found.drawn_high) == (1.0, 1.0, 1.0)
    assert found.verdict == ""
