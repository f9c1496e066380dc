"""A model runs in a process of its own, and whatever becomes of that process, the node goes on."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from node.bundles import label_maps
from node.bundles.allowing import Allowances
from node.bundles.runner import Runner
from node.dicom.findings import Findings
from node.rules.failures import Fault, Refusal
from tests.bundles.making import Block

LIBRARIES = ("pydicom", "pynetdicom", "highdicom", "sqlalchemy", "torch")


def wait_until_gone(pid: int, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def bright(make_bundle, put):
    return put(make_bundle())


def test_a_model_finds_what_is_there_on_the_grid_of_the_volume(bright, block, runner, tmp_path):
    found = runner.predict(bright, block, tmp_path, 60)
    assert isinstance(found, Findings), found
    assert found.labels.dtype == np.uint8
    np.testing.assert_array_equal(found.labels, block.voxels > 50)
    assert set(found.seconds) >= {"load", "preprocessing", "network", "postprocessing"}
    assert found.facts["engine"].startswith("OpenVINO")
    assert found.facts["precision"] == "f32"
    assert not list(tmp_path.glob("*.npy"))


def test_the_child_stays_warm_for_the_same_bundle(bright, block, runner, tmp_path):
    runner.predict(bright, block, tmp_path, 60)
    first = runner.process_id
    again = runner.predict(bright, block, tmp_path, 60)
    assert runner.process_id == first
    assert "load" not in again.seconds


def test_two_models_stay_warm_side_by_side(make_bundle, put, block, runner, tmp_path):
    one, other = put(make_bundle()), put(make_bundle("brighter", (0.0, 0.6)))
    runner.predict(one, block, tmp_path, 60)
    first = runner.process_id
    assert isinstance(runner.predict(other, block, tmp_path, 60), Findings)
    assert runner.process_id != first
    assert "load" not in runner.predict(one, block, tmp_path, 60).seconds
    assert runner.process_id == first


def test_the_model_asked_longest_ago_goes_when_memory_is_short(make_bundle, put, block, tmp_path):
    factors = {"one": (0.0, 1.0), "two": (0.0, 0.9), "three": (0.0, 0.8)}
    models = {name: put(make_bundle(name, factors[name])) for name in factors}
    runner = Runner(threads=1)
    try:
        runner.predict(models["one"], block, tmp_path, 60)
        each = runner.held_mb
    finally:
        runner.close()
    assert each > 10
    runner = Runner(threads=1, allowances=Allowances(together_mb=max(each * 2.5, each + 320)))
    try:
        for name in ("one", "two"):
            runner.predict(models[name], block, tmp_path, 60)
        one, two = runner.process_ids
        runner.predict(models["one"], block, tmp_path, 60)
        runner.predict(models["three"], block, tmp_path, 60)
        assert wait_until_gone(two)
        assert runner.process_ids[0] == one
        assert len(runner.process_ids) == 2
        assert runner.held_mb < each * 2.5
    finally:
        runner.close()


def test_the_child_knows_no_dicom_no_network_and_no_settings(bright, block, tmp_path, monkeypatch):
    monkeypatch.setenv("RADNODE_SECRET", "do not pass on")
    runner = Runner()
    runner.predict(bright, block, tmp_path, 60)
    environment = Path(f"/proc/{runner.process_id}/environ").read_text()
    mapped = Path(f"/proc/{runner.process_id}/maps").read_text()
    runner.close()
    assert "do not pass on" not in environment
    assert "openvino" in mapped
    assert "gdcm" not in mapped
    code = "import sys, node.bundles.child; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not [name for name in LIBRARIES if name in loaded]


def test_the_child_starts_no_process_of_its_own(bright, block, runner, tmp_path):
    runner.predict(bright, block, tmp_path, 60)
    tasks = Path(f"/proc/{runner.process_id}/task").iterdir()
    assert [pid for task in tasks for pid in (task / "children").read_text().split()] == []


def test_what_a_dead_child_left_behind_is_ended_too(bright, block, tmp_path):
    python = tmp_path / "python-that-forks"
    python.write_text(f'#!/bin/sh\nsleep 1000 &\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    runner = Runner(python=str(python))
    try:
        assert isinstance(runner.predict(bright, block, tmp_path, 60), Findings)
        pid = runner.process_id
        left = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        assert len(left) == 1
        os.kill(pid, signal.SIGKILL)
        assert wait_until_gone(int(left[0]))
        assert isinstance(runner.predict(bright, block, tmp_path, 20), Findings)
    finally:
        runner.close()


def test_a_child_that_hangs_is_ended_when_the_time_is_up(bright, block, runner, tmp_path):
    runner.predict(bright, block, tmp_path, 60)
    pid = runner.process_id
    os.kill(pid, signal.SIGSTOP)
    started = time.monotonic()
    refusal = runner.predict(bright, block, tmp_path, 0.5)
    assert isinstance(refusal, Refusal)
    assert (refusal.fault, refusal.again) == (Fault.NODE, True)
    assert "time was up" in refusal.reason
    assert time.monotonic() - started < 5
    assert wait_until_gone(pid)
    assert isinstance(runner.predict(bright, block, tmp_path, 60), Findings)


def test_a_model_that_computes_too_long_is_ended(bright, runner, tmp_path):
    large = Block(np.zeros((400, 700, 700), dtype=np.int16), np.eye(4))
    runner.predict(bright, Block(large.voxels[:2, :2, :2], np.eye(4)), tmp_path, 60)
    pid = runner.process_id
    refusal = runner.predict(bright, large, tmp_path, 0.6)
    assert isinstance(refusal, Refusal)
    assert "looking at the volume when its time was up" in refusal.reason
    assert wait_until_gone(pid)


def test_a_load_that_takes_too_long_is_ended(bright, block, runner, tmp_path):
    refusal = runner.predict(bright, block, tmp_path, 0.05)
    assert isinstance(refusal, Refusal)
    assert "still loading" in refusal.reason
    assert runner.process_id is None


def test_a_crash_is_told_and_the_next_try_works(bright, block, runner, tmp_path):
    runner.predict(bright, block, tmp_path, 60)
    pid = runner.process_id
    os.kill(pid, signal.SIGSTOP)
    threading.Timer(0.3, os.kill, (pid, signal.SIGKILL)).start()
    refusal = runner.predict(bright, block, tmp_path, 60)
    assert isinstance(refusal, Refusal)
    assert (refusal.fault, refusal.again) == (Fault.NODE, True)
    assert "SIGKILL" in refusal.reason
    assert isinstance(runner.predict(bright, block, tmp_path, 60), Findings)


def test_a_child_that_died_while_nobody_looked_is_replaced(bright, block, runner, tmp_path):
    runner.predict(bright, block, tmp_path, 60)
    pid = runner.process_id
    os.kill(pid, signal.SIGKILL)
    for _ in range(250):  # until it is reaped, not only marked: its threads take a moment to end
        if not Path(f"/proc/{pid}").exists():
            break
        time.sleep(0.02)
    assert isinstance(runner.predict(bright, block, tmp_path, 60), Findings)


def test_closing_ends_a_prediction_under_way(bright, block, runner, tmp_path):
    runner.predict(bright, block, tmp_path, 60)
    os.kill(runner.process_id, signal.SIGSTOP)
    threading.Timer(0.3, runner.close).start()
    started = time.monotonic()
    assert isinstance(runner.predict(bright, block, tmp_path, 60), Refusal)
    assert time.monotonic() - started < 5


def test_a_model_that_fails_says_its_last_words(make_bundle, block, runner, tmp_path):
    from node.bundles.shelf import Shelf

    folder = make_bundle("two", channels=2)
    bundle = Shelf(folder.parent).record("two")
    refusal = runner.predict(bundle, block, tmp_path, 60)
    assert isinstance(refusal, Refusal)
    assert (refusal.fault, refusal.again) == (Fault.MODEL, True)
    assert refusal.reason.startswith("the model's process ended by itself: ")
    assert len(refusal.reason) > 60


def test_labels_that_were_not_announced_are_refused(make_bundle, block, runner, tmp_path):
    from node.bundles.shelf import Shelf

    folder = make_bundle("three", factors=(0.0, 1.0, 2.0))
    bundle = Shelf(folder.parent).record("three")
    refusal = runner.predict(bundle, block, tmp_path, 60)
    assert isinstance(refusal, Refusal)
    assert refusal.fault is Fault.MODEL
    assert not refusal.again
    assert "labels that its metadata does not have: [2]" in refusal.reason


def test_a_label_map_is_written_as_it_is_however_it_lies_in_memory(tmp_path):
    labels = np.random.default_rng(1).integers(0, 300, (7, 11, 13), np.uint16)
    views = (labels, labels[::-1, ::-1, ::-1], labels.transpose(2, 0, 1), labels[:1])
    for at, view in enumerate(views):
        path = tmp_path / f"{at}.npy"
        label_maps.write(path, view)
        read = np.load(path, mmap_mode="r", allow_pickle=False)
        assert (read.dtype, read.shape) == (np.uint16, view.shape)
        np.testing.assert_array_equal(read, view)


def test_scores_that_are_no_numbers_are_refused_and_not_taken_for_nothing_found(
    make_bundle, block, runner, tmp_path
):
    from node.bundles.shelf import Shelf

    folder = make_bundle("lost", factors=(0.0, float("nan")))
    bundle = Shelf(folder.parent).record("lost")
    refusal = runner.predict(bundle, block, tmp_path, 60)
    assert isinstance(refusal, Refusal), refusal
    assert (refusal.fault, refusal.again) == (Fault.MODEL, False)
    assert "NaN" in refusal.reason


def test_the_kernel_ends_the_model_before_the_node_when_memory_runs_out(
    bright, block, runner, tmp_path
):
    runner.predict(bright, block, tmp_path, 60)
    assert Path(f"/proc/{runner.process_id}/oom_score_adj").read_text().strip() == "1000"


def test_a_bundle_that_changed_since_the_shelf_looked_is_not_started(
    bright, block, runner, tmp_path
):
    readme = bright.path / "docs/README.md"
    readme.write_text("another text\n")
    refusal = runner.predict(bright, block, tmp_path, 60)
    assert isinstance(refusal, Refusal)
    assert refusal.fault is Fault.MODEL
    assert "not what the shelf recorded" in refusal.reason
    assert runner.process_id is None


def test_the_child_dies_with_its_parent(bright, tmp_path):
    program = f"""
import os, signal
from pathlib import Path
import numpy as np
from node.bundles.runner import Runner
from node.bundles.shelf import Shelf
from tests.bundles.making import Block
runner = Runner()
bundle = Shelf(Path({str(bright.path.parent)!r})).get("bright")
found = runner.predict(bundle, Block(np.zeros((4, 4, 4), np.int16), np.eye(4)),
                       Path({str(tmp_path)!r}), 60)
assert found.labels is not None
print(runner.process_id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert wait_until_gone(int(done.stdout))
