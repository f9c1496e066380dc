"""When memory runs out a model is asked for less, step by step, and every step is on record."""

import json
from pathlib import Path

import numpy as np
import pytest

from node.bundles.allowing import Allowance, Allowances
from node.bundles.ladder import Rung, on_card, smaller, ways_of, windows_at_once
from node.bundles.machine import Machine
from node.bundles.pool import machine_mb
from node.bundles.runner import Runner
from node.bundles.shelf import Shelf
from node.dicom.findings import Findings
from node.rules.failures import Fault, Refusal
from tests.bundles.making import Block, describe
from tests.bundles.networks import hungry

ROI, CHANNELS, AT_ONCE = 64, 96, 8
WINDOW_MB = CHANNELS * ROI**3 * 4 / 2**20


@pytest.fixture
def bundle(tmp_path):
    """A bundle that hands eight windows at once to a network with 96 MB of each."""
    folder = tmp_path / "made" / "hungry"
    hungry(folder / "models/model.onnx", CHANNELS, ROI)
    describe(folder, "models/model.onnx")
    path = folder / "configs/inference.json"
    inference = json.loads(path.read_text())
    inference["inferer"] = {
        "_target_": "SlidingWindowInferer",
        "roi_size": [ROI, ROI, ROI],
        "sw_batch_size": AT_ONCE,
        "overlap": 0.0,
    }
    path.write_text(json.dumps(inference))
    recorded = Shelf(folder.parent).record("hungry")
    assert not isinstance(recorded, Refusal), recorded
    return recorded


@pytest.fixture
def volume() -> Block:
    voxels = np.zeros((2 * ROI, 2 * ROI, 2 * ROI), dtype=np.int16)
    voxels[:, ROI:] = 100
    return Block(voxels, np.eye(4))


def runner_with(megabytes: float) -> Runner:
    return Runner(threads=1, allowances=Allowances(of_each=Allowance(memory_mb=megabytes)))


def asked_for(bundle, tmp_path) -> float:
    """Measure what the process asks for besides windows: loaded, and one small look."""
    runner = runner_with(0)
    try:
        small = Block(np.zeros((8, 8, 8), dtype=np.int16), np.eye(4))
        assert isinstance(runner.predict(bundle, small, tmp_path, 60), Findings)
        status = Path(f"/proc/{runner.process_id}/status").read_text()
    finally:
        runner.close()
    return next(int(line.split()[1]) for line in status.splitlines() if "VmData" in line) / 1024


def test_fewer_windows_at_once_are_tried_and_told(bundle, volume, tmp_path):
    runner = runner_with(asked_for(bundle, tmp_path) + WINDOW_MB)
    try:
        found = runner.predict(bundle, volume, tmp_path, 120)
        assert isinstance(found, Findings), found
        np.testing.assert_array_equal(found.labels, volume.voxels > 50)
        assert found.facts["fallback"].startswith("openvino f32 ran out of memory")
        assert found.facts["windows"] == "8"
    finally:
        runner.close()


def test_a_model_for_which_no_step_is_small_enough_is_refused(bundle, volume, tmp_path):
    runner = runner_with(asked_for(bundle, tmp_path) - 1.5 * WINDOW_MB)
    try:
        refusal = runner.predict(bundle, volume, tmp_path, 120)
        assert isinstance(refusal, Refusal)
        assert (refusal.fault, refusal.again) == (Fault.NODE, True)
        assert "hungry has not enough memory" in refusal.reason
    finally:
        runner.close()


def test_without_a_bound_nothing_falls_back(bundle, volume, runner, tmp_path):
    found = runner.predict(bundle, volume, tmp_path, 120)
    assert isinstance(found, Findings)
    assert "fallback" not in found.facts


class TestTheLadder:
    card = Machine("x86_64", frozenset(), "NVIDIA L4, 8.9, 580.10")

    def test_halves_the_windows_down_to_one(self, bundle):
        way = bundle.reference
        assert windows_at_once(bundle, way) == AT_ONCE
        assert [rung.batch for rung in smaller(bundle, Rung(way))] == [4, 2, 1]
        assert [rung.batch for rung in smaller(bundle, Rung(way, 2))] == [1]

    def test_ends_on_the_processor_where_that_is_allowed(self, bundle):
        from dataclasses import replace

        torch = replace(bundle, engine="torchscript")
        assert [way.device for way in ways_of(torch, self.card, cpu=True)] == ["", "cpu"]
        assert [way.device for way in ways_of(torch, self.card, cpu=False)] == [""]

    def test_has_no_card_on_a_machine_without_one(self, bundle):
        plain = Machine("x86_64", frozenset())
        assert not on_card(bundle.reference, plain)
        assert ways_of(bundle, plain, cpu=False) == [bundle.reference]


def test_the_machine_says_how_much_memory_there_is():
    assert 500 < machine_mb() < 4e6
