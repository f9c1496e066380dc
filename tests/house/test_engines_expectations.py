"""The benchmark of engines calls nothing met that is wrong, large, or made of a network that is."""

import pytest

from bench.engines.running import judged

FINE = {"ms": [10.0, 10.0], "start_seconds": 1.0, "peak_mb": 800.0, "dice": 0.995}


def figures(**changes):
    found = {
        "torch f32": {**FINE, "ms": [100.0, 100.0]},
        "OpenVINO f32": {**FINE, "ms": [20.0, 20.0]},
        "OpenVINO bf16": {**FINE, "ms": [12.0, 12.0]},
        "OpenVINO int8": dict(FINE),
    }
    for engine, change in changes.items():
        found[engine.replace("_", " ")].update(change)
    return found


def test_what_is_fast_right_and_small_is_met():
    assert judged("net", figures(), 0.9)["met"]


@pytest.mark.parametrize(
    ("changes", "truth", "words"),
    [
        ({"OpenVINO_int8": {"dice": 0.98}}, 0.9, "does not stand the gate"),
        ({"OpenVINO_int8": {"peak_mb": 2600.0}}, 0.9, "less than 2500 MB"),
        ({"OpenVINO_int8": {"start_seconds": 2.0}}, 0.9, "within 1.5 s"),
        ({"OpenVINO_f32": {"ms": [12.0, 12.0]}}, 0.9, "1.4 times OpenVINO f32"),
        ({"torch_f32": {"ms": [50.0, 50.0]}}, 0.9, "6 times torch f32"),
        ({}, 0.4, "the reference itself is right in less"),
    ],
)
def test_what_is_not_says_why(changes, truth, words):
    found = judged("net", figures(**changes), truth)
    assert not found["met"]
    assert any(words in one for one in found["lacking"])


def test_a_classifier_is_held_to_the_shift_of_a_probability():
    shifted = figures()
    for one in shifted.values():
        del one["dice"]
        one["probability_shift"] = 0.011
    assert judged("net", shifted, 0.9)["met"]
    shifted["OpenVINO int8"]["probability_shift"] = 0.013
    assert not judged("net", shifted, 0.9)["met"]


def test_what_does_not_stand_the_gate_is_not_called_the_fastest():
    found = judged("net", figures(OpenVINO_int8={"dice": 0.5}), 0.9)
    assert found["fastest"] == "OpenVINO bf16"
