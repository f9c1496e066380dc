"""Runs the engines in turns, network by network, and says what came of it."""

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.engines.worker import ENGINES

FASTER_THAN_TORCH, FASTER_THAN_F32, START_SECONDS = 6.0, 1.4, 1.5
LEAST_DICE, MOST_SHIFT, MOST_MB = 0.988, 0.012, 2500.0
"""The gate's own bounds where a bundle says nothing, and what a model's process may hold."""
CREDIBLE = 0.8
"""What the reference must reach on its own pictures (Dice, or the part that is told right)."""
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
    truths = {name: _truth(folder / name.replace(" ", "_")) for name in found}
    return {
        "networks": found,
        "expectations": [judged(name, one, truths[name]) for name, one in found.items()],
    }


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


def stands_the_gate(one: Figures) -> bool:
    """Say whether an engine's scores are close enough to the reference's; none are not."""
    if "dice" in one:
        return bool(one["dice"] >= LEAST_DICE)
    return bool(one.get("probability_shift", 1.0) <= MOST_SHIFT)


def judged(name: str, figures: Mapping[str, Figures], truth: float) -> Figures:
    """Hold the figures of one network against what is expected.

    Args:
        name: the network's.
        figures: of each engine.
        truth: how often the reference itself is right on its pictures.
    """
    fit = [e for e in ("OpenVINO bf16", "OpenVINO int8") if stands_the_gate(figures[e])]
    fastest = max(fit or ["OpenVINO f32"], key=lambda e: _times(figures, "torch f32", e))
    int8 = figures["OpenVINO int8"]
    found: Figures = {
        "network": name,
        "fastest": fastest,
        "times_torch_f32": _times(figures, "torch f32", fastest),
        "int8_times_openvino_f32": _times(figures, "OpenVINO f32", "OpenVINO int8"),
        "int8_times_openvino_bf16": _times(figures, "OpenVINO bf16", "OpenVINO int8"),
        "start_seconds": figures[fastest]["start_seconds"],
        "peak_mb": max(figures[fastest].get("peak_mb", 0.0), int8.get("peak_mb", 0.0)),
        "int8_agrees": int8.get("dice", 1 - int8.get("probability_shift", 1.0)),
        "int8_stands_the_gate": stands_the_gate(int8),
        "reference_is_right": truth,
    }
    lacking = list(_lacking(found))
    print(
        f"{name}: {fastest} {found['times_torch_f32']:.1f} times torch f32; int8 "
        f"{found['int8_times_openvino_f32']:.2f} times OpenVINO f32, "
        f"{found['int8_times_openvino_bf16']:.2f} times its bf16, "
        f"agrees {found['int8_agrees']:.4f}; first result after {found['start_seconds']:.2f} s, "
        f"peak {found['peak_mb']:.0f} MB; "
        f"the reference is right in {truth:.3f}: "
        f"{'NOT MET, ' + '; '.join(lacking) if lacking else 'met'}"
    )
    return {**found, "lacking": lacking, "met": not lacking}


def _lacking(found: Figures) -> Iterator[str]:
    if found["times_torch_f32"] < FASTER_THAN_TORCH:
        yield f"expected {FASTER_THAN_TORCH:.0f} times torch f32"
    if found["int8_times_openvino_f32"] < FASTER_THAN_F32:
        yield f"expected int8 {FASTER_THAN_F32} times OpenVINO f32"
    if not found["int8_stands_the_gate"]:
        yield f"int8 does not stand the gate (Dice {LEAST_DICE} or shift {MOST_SHIFT})"
    if found["start_seconds"] >= START_SECONDS:
        yield f"expected a first result within {START_SECONDS} s"
    if found["peak_mb"] >= MOST_MB:
        yield f"expected less than {MOST_MB:.0f} MB"
    if found["reference_is_right"] < CREDIBLE:
        yield f"the reference itself is right in less than {CREDIBLE}"


def _truth(folder: Path) -> float:
    """Give what the reference reaches on its own pictures: Dice, or the part that is told right."""
    said = json.loads((folder / "trained.json").read_text())
    return float(said["reference_is_right"])
