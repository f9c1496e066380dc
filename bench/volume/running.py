"""Runs the readers in turns, and says what came of it."""

import json
import random
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.volume.inputs import SYNTAXES, series
from bench.volume.readers import READERS

PEERS = ("SimpleITK, files in order", "SimpleITK, sorting", "pydicom + NumPy")
EXPECTED = {"explicit": 5.0, "implicit": 5.0, "rle": 4.0}
"""How many times as fast as SimpleITK's reader (files in order) radnode is expected to be."""
LAST_SLICE = "radnode, last slice to volume"
HIDDEN = {"jpeg_ls": 0.1}
"""What part of the work may be left after the last slice where slices are decoded as they come."""
Figures = dict[str, Any]


def measure(
    rounds: int, folder: Path, wanted: Iterable[str] = tuple(SYNTAXES), *, quick: bool = False
) -> dict[str, object]:
    """Measure, print a block for each transfer syntax, and give every raw figure."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: paths for name in wanted if (paths := series(folder, name, quick=quick))}
    runs: dict[str, dict[str, list[Figures]]] = {
        syntax: {reader: [] for reader in READERS} for syntax in files
    }
    order = random.Random(1)
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        for syntax, paths in files.items():
            for reader in order.sample(list(READERS), len(READERS)):
                runs[syntax][reader].append(_read(reader, paths, repeats=1 if quick else 3))
    for syntax, readers in runs.items():
        _show(syntax, readers)
    kept = [_judged(syntax, runs[syntax]) for syntax in EXPECTED if syntax in runs]
    kept += [_hidden(syntax, runs[syntax]) for syntax in HIDDEN if syntax in runs]
    return {"runs": runs, "expectations": kept}


def _read(reader: str, paths: Sequence[Path], repeats: int) -> Figures:
    command = [sys.executable, "-m", "bench.volume.readers", reader, str(repeats)]
    ran = subprocess.run(
        [*command, *map(str, paths)], check=False, capture_output=True, text=True, timeout=600
    )
    if ran.returncode:
        return {"error": ran.stderr.strip().splitlines()[-1][:100]}
    return dict(json.loads(ran.stdout.splitlines()[-1]))


def _show(syntax: str, readers: dict[str, list[Figures]]) -> None:
    ours = readers["radnode"]
    print(f"\n{syntax}: {ours[0].get('slices', 0)} slices of 512 x 512")
    print(f"  {'':32}{'ms/slice':>10}{'MB/s':>8}{'peak MB':>9}   radnode is faster [range]")
    for reader, runs in readers.items():
        went = [run for run in runs if "error" not in run]
        if not went:
            print(f"  {reader:32}  failed: {runs[0]['error']}")
            continue
        seconds = statistics.median(run["cpu_seconds"] for run in went)
        peak = statistics.median(run["peak_kb"] for run in went) / 1024
        each = seconds / went[0]["slices"] * 1000
        rate = went[0]["bytes"] / seconds / 1e6
        said = f"  {reader:32}{each:>10.2f}{rate:>8.0f}{peak:>9.0f}   "
        if reader in PEERS:
            said += _ranged(_ratios(runs, ours))
        if {run["digest"] for run in went} != {run["digest"] for run in ours if "digest" in run}:
            said += "  OTHER VOXELS"
        print(said)


def _ratios(theirs: Sequence[Figures], ours: Sequence[Figures]) -> list[float]:
    return [
        one["cpu_seconds"] / other["cpu_seconds"]
        for one, other in zip(theirs, ours, strict=True)
        if "error" not in one and "error" not in other
    ]


def _ranged(ratios: Sequence[float]) -> str:
    if not ratios:
        return ""
    return f"{statistics.median(ratios):.1f} times [{min(ratios):.1f} to {max(ratios):.1f}]"


def _judged(syntax: str, readers: dict[str, list[Figures]]) -> dict[str, object]:
    ratio = statistics.median(_ratios(readers[PEERS[0]], readers["radnode"]) or [0.0])
    met = ratio >= EXPECTED[syntax]
    print(
        f"{syntax}: expected at least {EXPECTED[syntax]:.0f} times SimpleITK, "
        f"is {ratio:.1f}: {'met' if met else 'NOT MET'}"
    )
    return {"syntax": syntax, "expected": EXPECTED[syntax], "ratio": ratio, "met": met}


def _hidden(syntax: str, readers: dict[str, list[Figures]]) -> dict[str, object]:
    """Judge how much of the reading is left to do when the last slice has come."""
    left, whole = readers[LAST_SLICE], readers["radnode"]
    part = statistics.median(_ratios(left, whole) or [1.0])
    went = [run["cpu_seconds"] / run["slices"] * 1000 for run in left if "error" not in run]
    each = statistics.median(went or [float("inf")])
    met = part <= HIDDEN[syntax]
    print(
        f"{syntax}: expected at most {HIDDEN[syntax]:.0%} of the work after the last slice, "
        f"is {part:.1%} ({each:.2f} ms a slice): {'met' if met else 'NOT MET'}"
    )
    return {"syntax": syntax, "hidden": HIDDEN[syntax], "part": part, "ms": each, "met": met}
