"""Runs the contenders in turns, and says what came of it."""

import json
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.pipeline.contenders import (
    BEST,
    BOXED,
    CONTENDERS,
    EXACT_MONAI,
    EXACT_OURS,
    NEAREST,
    OURS,
    SAME_ENGINE,
    STREAMED,
    USUAL,
)

OVERLAPS = (0.25, 0.5)
Figures = dict[str, Any]
Runs = dict[str, list[Figures]]


def measure(rounds: int, folder: Path, *, quick: bool) -> dict[str, object]:
    """Measure, print a table for each overlap and what became of the expectations."""
    folder.mkdir(parents=True, exist_ok=True)
    flags = ["--quick"] if quick else []
    making = [sys.executable, "-m", "bench.pipeline.inputs", str(folder), *flags]
    subprocess.run(making, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    overlaps = OVERLAPS[:1] if quick else OVERLAPS
    runs: dict[float, Runs] = {o: {name: [] for name in CONTENDERS} for o in overlaps}
    order = random.Random(1)
    for number in range(rounds):
        for overlap in overlaps:
            print(f"round {number + 1} of {rounds}, overlap {overlap}", file=sys.stderr)
            for name in order.sample(list(CONTENDERS), len(CONTENDERS)):
                runs[overlap][name].append(_run(name, folder, overlap, flags))
    equality = {overlap: _equality(folder, overlap, flags) for overlap in overlaps}
    judged = []
    for overlap in overlaps:
        _show(overlap, runs[overlap], equality[overlap])
        judged += list(_judged(overlap, runs[overlap], equality[overlap]))
    for what, measured, met in judged if not quick else []:
        print(f"  {'met' if met else 'NOT MET':8} {what:66} {measured:.2f}")
    kept = [{"what": what, "measured": value, "met": met} for what, value, met in judged]
    return {"runs": runs, "equality": equality, "expectations": [] if quick else kept}


def _answer(folder: Path, name: str) -> Path:
    return folder / f"{name.replace(' ', '_').replace(',', '')}.npy"


def _run(name: str, folder: Path, overlap: float, flags: list[str]) -> Figures:
    command = [sys.executable, "-m", "bench.pipeline.contenders", name, str(folder), str(overlap)]
    ran = subprocess.run(
        [*command, str(_answer(folder, name)), *flags],
        check=False,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    if ran.returncode:
        raise RuntimeError(f"{name} failed: {ran.stderr.strip().splitlines()[-1][:300]}")
    return dict(json.loads(ran.stdout.splitlines()[-1]))


# ---- the same labels? ------------------------------------------------------------------------


def _equality(folder: Path, overlap: float, flags: list[str]) -> dict[str, int]:
    """Count the voxels whose labels differ, of what each contender made of the same volume."""
    # the label maps of the last round are those of the last overlap only
    for name in (SAME_ENGINE, OURS, STREAMED, USUAL, NEAREST, EXACT_MONAI, EXACT_OURS):
        _run(name, folder, overlap, flags)
    maps = {
        name: np.load(_answer(folder, name))
        for name in (SAME_ENGINE, OURS, STREAMED, USUAL, NEAREST, EXACT_MONAI, EXACT_OURS)
    }
    pairs = {
        "radnode f32 and MONAI on OpenVINO f32": (EXACT_OURS, EXACT_MONAI),
        "radnode and MONAI on OpenVINO bf16": (OURS, SAME_ENGINE),
        "radnode streamed and not": (STREAMED, OURS),
        "radnode and torch fp32": (OURS, USUAL),
        "radnode with nearest labels and with scores": (NEAREST, OURS),
    }
    return {
        what: int(np.count_nonzero(maps[one] != maps[other]))
        for what, (one, other) in pairs.items()
    }


# ---- tables ----------------------------------------------------------------------------------


def _ratios(runs: Runs, slow: str, fast: str) -> list[float]:
    pairs = zip(runs[slow], runs[fast], strict=True)
    return [one["seconds"] / other["seconds"] for one, other in pairs]


def _median(runs: Runs, name: str, key: str) -> float:
    return float(statistics.median(run[key] for run in runs[name]))


def _show(overlap: float, runs: Runs, equality: dict[str, int]) -> None:
    print(f"\noverlap {overlap}: from the last slice to the mask")
    print(f"  {'':34}{'s':>8}{'least':>8}{'peak MB':>9}   the usual way takes [range]")
    for name in runs:
        ratios = _ratios(runs, USUAL, name)
        least = min(run["seconds"] for run in runs[name])
        spread = f"{statistics.median(ratios):.1f} times [{min(ratios):.1f} to {max(ratios):.1f}]"
        print(
            f"  {name:34}{_median(runs, name, 'seconds'):>8.2f}{least:>8.2f}"
            f"{_median(runs, name, 'peak_mb'):>9.0f}   {spread}"
        )
    for what, count in equality.items():
        print(f"  {what}: {count} voxels differ")


def _judged(
    overlap: float, runs: Runs, equality: dict[str, int]
) -> Iterator[tuple[str, float, bool]]:
    """Hold what was measured against what was expected."""
    at = f"at overlap {overlap}"
    for slow, least in ((USUAL, 8.0), (BEST, 2.0)):
        ratio = statistics.median(_ratios(runs, slow, OURS))
        yield f"{least:.0f} times as fast as {slow} {at}", ratio, ratio >= least
    count = equality["radnode f32 and MONAI on OpenVINO f32"]
    yield f"voxels that differ from MONAI's on the same engine {at}", count, count <= 100
    count = equality["radnode streamed and not"]
    yield f"voxels that differ when streamed {at}", count, count == 0
    peak = max(_median(runs, name, "peak_mb") for name in (OURS, NEAREST, STREAMED, BOXED))
    yield f"peak MB below 2500 {at}", peak, peak < 2500
    if overlap == OVERLAPS[0]:
        after = _median(runs, STREAMED, "seconds")
        yield f"streamed, seconds after the last slice at most 0.8 {at}", after, after <= 0.8
