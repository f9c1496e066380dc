"""Figures and their intervals against numbers worked out by hand or by theory."""

import math

import numpy as np
import pytest

pytest.importorskip("dcurves")

from models.evaluation import scoring
from models.evaluation.agreement import bland_altman
from models.evaluation.cases import Costs
from models.evaluation.deciding import decision_curve, expected_cost, operating_point
from models.evaluation.intervals import Draws, interval, mean_interval

DRAWS = Draws(seed=1, count=400)


class TestIntervals:
    def test_the_mean_of_many_patients_is_as_sure_as_theory_says(self):
        values = np.random.default_rng(0).normal(10.0, 2.0, 200)
        found = mean_interval(list(values), [f"p{n}" for n in range(200)], DRAWS)
        assert found["value"] == pytest.approx(values.mean(), abs=1e-5)
        assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * 2 / math.sqrt(200), rel=0.2)
        assert found["by"] == "patient"
        assert found["note"] == ""

    def test_copies_of_a_patient_do_not_make_it_surer(self):
        values = list(np.random.default_rng(0).normal(10.0, 2.0, 12))
        patients = [f"p{n}" for n in range(12)]
        once = mean_interval(values, patients, DRAWS)
        often = mean_interval(values * 10, patients * 10, DRAWS)
        width, same = once["high"] - once["low"], often["high"] - often["low"]
        assert same == pytest.approx(width, rel=0.1)
        assert often["units"] == 12

    def test_one_patient_is_drawn_by_case_and_the_note_says_so(self):
        found = mean_interval([0.8, 0.9, 0.85], ["p"] * 3, DRAWS)
        assert found["by"] == "case"
        assert "says nothing of other patients" in found["note"]

    def test_few_patients_are_called_few(self):
        found = mean_interval([0.8, 0.9], ["a", "b"], DRAWS)
        assert "only 2 patients" in found["note"]
        assert (found["low"], found["high"]) == (0.8, 0.9)

    def test_one_case_has_no_interval(self):
        found = mean_interval([0.8], ["p"], DRAWS)
        assert (found["value"], found["low"]) == (0.8, None)

    def test_values_that_are_undefined_do_not_count(self):
        assert mean_interval([0.5, math.nan], ["a", "b"], DRAWS)["value"] == 0.5
        assert "absent" in mean_interval([math.nan], ["a"], DRAWS)

    def test_the_same_seed_gives_the_same_interval(self):
        values, patients = [0.1, 0.5, 0.9, 0.4], list("abcd")
        assert mean_interval(values, patients, DRAWS) == mean_interval(values, patients, DRAWS)

    def test_draws_of_one_class_are_left_out_and_counted(self):
        p, y = np.array([0.1, 0.2, 0.9]), np.array([False, False, True])
        found = interval(lambda n: scoring.auc(p[n], y[n]), list("abc"), DRAWS)
        assert found["undefined"] == pytest.approx((2 / 3) ** 3 + (1 / 3) ** 3, abs=0.08)
        assert found["low"] == found["high"] == 1.0


class TestScores:
    P = np.array([0.1, 0.4, 0.35, 0.8])
    Y = np.array([False, False, True, True])

    def test_area_sensitivity_and_specificity(self):
        assert scoring.auc(self.P, self.Y) == 0.75
        assert scoring.sensitivity(self.P, self.Y, 0.5) == 0.5
        assert scoring.sensitivity(self.P, self.Y, 0.35) == 1.0
        assert scoring.specificity(self.P, self.Y, 0.4) == 0.5

    def test_one_kind_only_is_undefined(self):
        assert math.isnan(scoring.auc(self.P, np.ones(4, bool)))
        assert math.isnan(scoring.specificity(self.P, np.ones(4, bool), 0.5))

    def test_calibration_of_who_is_always_too_sure(self):
        p, y = np.array([0.95] * 10), np.array([True] * 7 + [False] * 3)
        assert scoring.expected_calibration_error(p, y) == pytest.approx(0.25)
        assert scoring.brier(p, y) == pytest.approx(0.7 * 0.05**2 + 0.3 * 0.95**2)
        assert scoring.reliability(p, y) == [
            {"probability": pytest.approx(0.95), "observed": pytest.approx(0.7), "cases": 10}
        ]

    def test_who_is_right_as_often_as_it_says_is_calibrated(self):
        p = np.repeat([0.25, 0.75], 4)
        y = np.array([1, 0, 0, 0, 1, 1, 1, 0], bool)
        assert scoring.expected_calibration_error(p, y) == pytest.approx(0.0)


class TestAgreement:
    def test_bias_and_limits(self):
        found = bland_altman([11, 22, 33], [10, 20, 30])
        assert (found["bias"], found["sd"]) == (2.0, 1.0)
        assert (found["lower"], found["upper"]) == (pytest.approx(0.04), pytest.approx(3.96))
        half = 4.302653 / math.sqrt(3)  # Student's t, two degrees of freedom
        assert found["bias_interval"] == [pytest.approx(2 - half), pytest.approx(2 + half)]
        assert found["points"][0] == [10.5, 1.0]

    def test_two_pairs_are_no_agreement(self):
        assert "2 pairs" in bland_altman([1, 2], [1, 2])["absent"]


class TestDeciding:
    P = np.array([0.05, 0.2, 0.3, 0.6, 0.7, 0.9])
    Y = np.array([False, False, True, False, True, True])

    def test_net_benefit_is_that_of_the_formula(self):
        found = decision_curve(self.P, self.Y, None)
        for threshold in (0.1, 0.5, 0.65):
            acted = threshold <= self.P
            true, false = (acted & self.Y).sum() / 6, (acted & ~self.Y).sum() / 6
            place = found["threshold"].index(threshold)
            expected = true - false * threshold / (1 - threshold)
            assert found["model"][place] == pytest.approx(expected, abs=1e-5)
            assert found["none"][place] == 0

    def test_a_stated_prevalence_moves_it(self):
        rare = decision_curve(self.P, self.Y, 0.01)
        assert rare["all"][49] < decision_curve(self.P, self.Y, None)["all"][49]

    def test_the_cheapest_threshold_follows_the_costs(self):
        dear_miss = operating_point(self.P, self.Y, 0.5, Costs(miss=100, false_alarm=1), 0.5)
        dear_alarm = operating_point(self.P, self.Y, 0.5, Costs(miss=1, false_alarm=100), 0.5)
        assert dear_miss["threshold"] == 0.3
        assert dear_miss["sensitivity"] == 1.0
        assert dear_alarm["threshold"] == 0.7
        assert dear_alarm["specificity"] == 1.0
        assert dear_miss["threshold_if_calibrated"] == pytest.approx(1 / 101, abs=1e-6)

    def test_the_cost_of_one_patient(self):
        costs = Costs(miss=9, false_alarm=3)
        found = expected_cost(self.P, self.Y, 0.65, costs, 0.1)
        assert found == pytest.approx(0.1 * (1 / 3) * 9)

    def test_without_costs_nothing_is_chosen(self):
        assert "costs" in operating_point(self.P, self.Y, 0.5, None, 0.5)["absent"]

    def test_a_prevalence_that_nobody_stated_is_called_so(self):
        found = operating_point(self.P, self.Y, 0.5, Costs(miss=1, false_alarm=1), None)
        assert "of the cases" in found["prevalence_is"]
