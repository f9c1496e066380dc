"""Runs the contenders in turns, and says what came of it."""

import json
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.pipeline import nnunet
from bench.pipeline.contenders import (
    BEST,
    BOXED,
    CONTENDERS,
    EXACT_MONAI,
    EXACT_OURS,
    NEAREST,
    NNUNET,
    OURS,
    SAME_ENGINE,
    STREAMED,
    USUAL,
)

Figures = dict[str, Any]
Runs = dict[str, list[Figures]]


@dataclass(frozen=True, slots=True)
class Condition:
    """Which series, how much windows overlap, and by what interpreter nnU-Net runs (None: not)."""

    overlap: float
    real: bool
    quick: bool
    nnunet: Path | None

    @property
    def title(self) -> str:
        """Name it for the tables."""
        what = "the real chest CT" if self.real else "300 slices"
        return f"{what}, overlap {self.overlap}"

    @property
    def flags(self) -> list[str]:
        """Give it to a contender."""
        said = (("--quick", self.quick), ("--real", self.real))
        return [flag for flag, wanted in said if wanted]


def measure(rounds: int, folder: Path, *, quick: bool) -> dict[str, object]:
    """Measure, print a table for each condition and what became of the expectations."""
    folder.mkdir(parents=True, exist_ok=True)
    conditions, missing = _conditions(folder, quick=quick)
    names = [*CONTENDERS, *([NNUNET] if conditions[0].nnunet else [])]
    runs: dict[Condition, Runs] = {one: {name: [] for name in names} for one in conditions}
    order = random.Random(1)
    for number in range(rounds):
        for condition in conditions:
            print(f"round {number + 1} of {rounds}, {condition.title}", file=sys.stderr)
            for name in order.sample(names, len(names)):
                runs[condition][name].append(_run(name, folder, condition))
    equality = {one: _equality(folder, one) for one in conditions}
    judged = []
    for line in missing:
        print(f"not run: {line}")
    for condition in conditions:
        _show(condition.title, runs[condition], equality[condition])
        judged += list(_judged(condition, runs[condition], equality[condition]))
    for what, measured, met in judged if not quick else []:
        print(f"  {'met' if met else 'NOT MET':8} {what:78} {measured:.2f}")
    kept = [{"what": what, "measured": value, "met": met} for what, value, met in judged]
    return {
        "runs": {one.title: found for one, found in runs.items()},
        "equality": {one.title: found for one, found in equality.items()},
        "expectations": [] if quick else kept,
        "not_run": missing,
    }


def _conditions(folder: Path, *, quick: bool) -> tuple[list[Condition], list[str]]:
    """Make what is to be read; give the conditions, and what cannot be had."""
    installed, missing = _nnunet(folder) if not quick else (None, [])
    made = Condition(0.25, real=False, quick=quick, nnunet=installed)
    _make(folder, made.flags)
    if quick:
        return [made], missing
    conditions, real = [made, replace(made, overlap=0.5)], replace(made, real=True)
    try:
        _make(folder, real.flags)
    except subprocess.CalledProcessError:
        return conditions, [*missing, "the real chest CT: it cannot be had here"]
    return [*conditions, real], missing


def _make(folder: Path, flags: list[str]) -> None:
    making = [sys.executable, "-m", "bench.pipeline.inputs", str(folder), *flags]
    subprocess.run(making, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _nnunet(folder: Path) -> tuple[Path | None, list[str]]:
    try:
        return nnunet.install(folder.parent), []
    except RuntimeError as error:
        return None, [f"{NNUNET}: {error}"]


def _answer(folder: Path, name: str) -> Path:
    return folder / f"{name.replace(' ', '_').replace(',', '')}.npy"


def _run(name: str, folder: Path, condition: Condition) -> Figures:
    python, module = sys.executable, "bench.pipeline.contenders"
    if name == NNUNET:
        python, module = str(condition.nnunet), "bench.pipeline.nnunet"
    command = [python, "-m", module, name, str(folder), str(condition.overlap)]
    ran = subprocess.run(
        [*command, str(_answer(folder, name)), *condition.flags],
        check=False,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    if ran.returncode:
        raise RuntimeError(f"{name} failed: {ran.stderr.strip().splitlines()[-1][:300]}")
    return dict(json.loads(ran.stdout.splitlines()[-1]))


# ---- the same labels? ------------------------------------------------------------------------


def _equality(folder: Path, condition: Condition) -> dict[str, int]:
    """Count the voxels whose labels differ, of what each contender made of the same volume."""
    # the label maps of the last round are those of the last condition only
    names = [SAME_ENGINE, OURS, STREAMED, USUAL, NEAREST, EXACT_MONAI, EXACT_OURS]
    names += [NNUNET] if condition.nnunet else []
    for name in names:
        _run(name, folder, condition)
    maps = {name: np.load(_answer(folder, name)) for name in names}
    pairs = {
        "radnode f32 and MONAI on OpenVINO f32": (EXACT_OURS, EXACT_MONAI),
        "radnode and MONAI on OpenVINO bf16": (OURS, SAME_ENGINE),
        "radnode streamed and not": (STREAMED, OURS),
        "radnode and torch fp32": (OURS, USUAL),
        "radnode with nearest labels and with scores": (NEAREST, OURS),
    }
    if condition.nnunet:
        pairs["nnU-Net's predictor and torch fp32"] = (NNUNET, USUAL)
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


def _show(title: str, runs: Runs, equality: dict[str, int]) -> None:
    print(f"\n{title}: from the last slice to the mask")
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
    condition: Condition, runs: Runs, equality: dict[str, int]
) -> Iterator[tuple[str, float, bool]]:
    """Hold what was measured against what was expected."""
    at = f"({condition.title})"
    for slow, least in ((USUAL, 8.0), (BEST, 2.0)):
        ratio = statistics.median(_ratios(runs, slow, OURS))
        yield f"{least:.0f} times as fast as {slow} {at}", ratio, ratio >= least
    count = equality["radnode f32 and MONAI on OpenVINO f32"]
    yield f"voxels that differ from MONAI's on the same engine {at}", count, count <= 100
    count = equality["radnode streamed and not"]
    yield f"voxels that differ when streamed {at}", count, count == 0
    peak = max(_median(runs, name, "peak_mb") for name in (OURS, NEAREST, STREAMED, BOXED))
    yield f"peak MB below 2500 {at}", peak, peak < 2500
    if condition.overlap == 0.25 and not condition.real:
        share = statistics.median(_ratios(runs, BOXED, OURS))
        yield f"streamed with a body box at most 0.25 of the batch run {at}", share, share <= 0.25
        after = _median(runs, STREAMED, "seconds")
        yield f"streamed, seconds after the last slice at most 0.8 {at}", after, after <= 0.8
