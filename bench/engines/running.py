"""Runs the engines in turns, network by network, and says what came of it."""

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.engines.worker import ENGINES

FASTER_THAN_TORCH, FASTER_THAN_F32, START_SECONDS = 6.0, 1.4, 1.5
THREADS = 2
Figures = dict[str, Any]


class Worker:
    """One engine's process; it is ready when it has run once."""

    def __init__(self, name: str, folder: Path, engine: str, *, quick: bool) -> None:
        """Start it, and time that from the start of the process to its first result."""
        started = time.perf_counter()
        command = [sys.executable, "-m", "bench.engines.worker", name, str(folder), engine]
        self._process = subprocess.Popen(
            [*command, str(THREADS), *(["--quick"] if quick else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.works = self._answer().get("ready", False)
        self.start_seconds = time.perf_counter() - started

    def ask(self, request: str) -> Figures:
        """Ask something; an empty answer when it is gone."""
        assert self._process.stdin is not None
        self._process.stdin.write(request + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Figures:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return dict(json.loads(line)) if line else {}

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def measure(rounds: int, folder: Path, *, quick: bool = False) -> dict[str, object]:
    """Measure, print a table for each network, and give every raw figure."""
    folder = folder / ("quick" if quick else "full")
    command = [sys.executable, "-m", "bench.engines.preparing", str(folder)]
    subprocess.run([*command, *(["--quick"] if quick else [])], check=True)
    found: dict[str, dict[str, Figures]] = {}
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        name = path.name.replace("_", " ")
        found[name] = _network(name, path, rounds, quick=quick)
        _show(name, found[name])
    return {"networks": found, "expectations": [_judged(n, one) for n, one in found.items()]}


def _network(name: str, folder: Path, rounds: int, *, quick: bool) -> dict[str, Figures]:
    workers: dict[str, Worker] = {}
    figures: dict[str, Figures] = {}
    try:
        for engine in ENGINES:
            worker = Worker(name, folder, engine, quick=quick)
            figures[engine] = {"start_seconds": worker.start_seconds, "ms": [], "cpu_ms": []}
            if worker.works:
                workers[engine] = worker
        order = random.Random(1)
        for number in range(rounds + 1):
            for engine in order.sample(list(workers), len(workers)):
                took = workers[engine].ask(f"run {number}")
                if number:  # the first round warms up
                    figures[engine]["ms"].append(took["ms"])
                    figures[engine]["cpu_ms"].append(took["cpu_ms"])
        for engine, worker in workers.items():
            figures[engine].update(_exactness(worker, folder))
    finally:
        for worker in workers.values():
            worker.end()
    return figures


def _exactness(worker: Worker, folder: Path) -> Figures:
    """Hold its scores against PyTorch's in f32."""
    expected = np.load(folder / "reference.npy")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "scores.npy"
        peak = worker.ask(f"out {path}")["peak_mb"]
        scores = np.load(path)
    error = float(np.sqrt(np.mean((scores - expected) ** 2)) / expected.std())
    differ = float((scores.argmax(1) != expected.argmax(1)).mean())
    return {"peak_mb": peak, "error": error, "differ": differ, **_shift(scores, expected)}


def _shift(scores: np.ndarray, expected: np.ndarray) -> Figures:
    """Give Dice of the found against the reference's, or the largest shift of a probability."""
    if scores.ndim > 2:
        one, other = scores.argmax(1) == 1, expected.argmax(1) == 1
        total = int(one.sum()) + int(other.sum())
        return {"dice": 2.0 * int((one & other).sum()) / total if total else 1.0}
    return {"probability_shift": float(np.abs(_softmax(scores) - _softmax(expected)).max())}


def _softmax(scores: np.ndarray) -> np.ndarray:
    raised = np.exp(scores - scores.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))


def _show(name: str, figures: Mapping[str, Figures]) -> None:
    print(f"\n{name}")
    print(
        f"  {'':20}{'ms min':>8}{'median':>8}{'cpu':>8}{'start s':>9}{'peak MB':>9}"
        f"{'error':>8}{'differ':>9}{'agrees':>9}   x torch f32   x OpenVINO f32"
    )
    for engine, one in figures.items():
        if not one["ms"]:
            print(f"  {engine:20}  failed")
            continue
        agrees = one.get("dice", 1 - one.get("probability_shift", 0.0))
        print(
            f"  {engine:20}{min(one['ms']):>8.1f}{statistics.median(one['ms']):>8.1f}"
            f"{statistics.median(one['cpu_ms']):>8.0f}{one['start_seconds']:>9.2f}"
            f"{one['peak_mb']:>9.0f}{one['error']:>8.4f}{one['differ']:>9.5f}{agrees:>9.4f}"
            f"{_times(figures, 'torch f32', engine):>14.2f}"
            f"{_times(figures, 'OpenVINO f32', engine):>17.2f}"
        )


def _times(figures: Mapping[str, Figures], slow: str, fast: str) -> float:
    """Give how many times as fast one is, the median of ratios inside a round."""
    pairs: Sequence[tuple[float, float]] = list(
        zip(figures[slow]["ms"], figures[fast]["ms"], strict=False)
    )
    return statistics.median(a / b for a, b in pairs) if pairs else 0.0


def _judged(name: str, figures: Mapping[str, Figures]) -> Figures:
    fastest = max(("OpenVINO bf16", "OpenVINO int8"), key=lambda e: _times(figures, "torch f32", e))
    torch = _times(figures, "torch f32", fastest)
    f32 = _times(figures, "OpenVINO f32", "OpenVINO int8")
    bf16 = _times(figures, "OpenVINO bf16", "OpenVINO int8")
    start = figures[fastest]["start_seconds"]
    met = torch >= FASTER_THAN_TORCH and f32 >= FASTER_THAN_F32 and start < START_SECONDS
    print(
        f"{name}: {fastest} {torch:.1f} times torch f32 (expected {FASTER_THAN_TORCH:.0f}); int8 "
        f"{f32:.2f} times OpenVINO f32 (expected {FASTER_THAN_F32}), {bf16:.2f} times its bf16; "
        f"first result after {start:.2f} s (expected {START_SECONDS}): "
        f"{'met' if met else 'NOT MET'}"
    )
    return {
        "network": name,
        "fastest": fastest,
        "times_torch_f32": torch,
        "int8_times_openvino_f32": f32,
        "int8_times_openvino_bf16": bf16,
        "start_seconds": start,
        "met": met,
    }
