"""The rounds: every case to every writer in shuffled order, each run written down whole."""

import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.writing import table
from bench.writing.cases import CASES, QUICK, Case, prepare
from bench.writing.table import (
    DCMQI,
    GATE,
    MEASURING,
    OURS,
    OURS_WARM,
    REPORT,
    THEIR_REPORT,
    THEIRS,
    THEIRS_WARM,
    Record,
)

LAUNCHER = Path(__file__).with_name("launching.py")


def measure(rounds: int, folder: Path, *, quick: bool) -> dict[str, object]:
    """Measure, print the tables and what became of the expectations, give every raw figure."""
    shutil.rmtree(folder, ignore_errors=True)
    records: list[Record] = []
    cases = QUICK if quick else CASES
    for number, case in enumerate(cases):
        here = (folder / str(number)).resolve()
        prepare(case, here)
        records += _case(case, here, rounds)
        table.show(case, records)
        shutil.rmtree(here)
    judged = [] if quick else list(table.judged(cases, records))
    for one in judged:
        print(f"  {'met' if one.met else 'NOT MET':8} {one.what:76} {one.measured:.2f}")
    return {
        "expectations": [{**asdict(one), "met": one.met} for one in judged],
        "records": [asdict(one) for one in records],
    }


def _case(case: Case, folder: Path, rounds: int) -> Iterator[Record]:
    out = folder / "out"
    out.mkdir()
    writers = [OURS_WARM, THEIRS_WARM, OURS, THEIRS, DCMQI, GATE]
    if case.segments == 104:
        writers += [MEASURING, REPORT, THEIR_REPORT]
    if _dcmqi() is None:
        print("left out: dcmqi is not installed")
        writers.remove(DCMQI)
    with ExitStack() as stack:
        warm = {
            name: stack.enter_context(_Warm(name.removesuffix(", warm"), folder, out))
            for name in writers
            if name.endswith("warm")
        }
        for number in range(1, rounds + 1):
            for name in random.sample(writers, len(writers)):
                os.sync()
                if name in warm:
                    yield Record(number, case.title, name, **warm[name].again())
                else:
                    yield _once(number, case, name, folder, out)


class _Warm:
    """A worker that lives through all rounds of a case."""

    def __init__(self, maker: str, folder: Path, out: Path) -> None:
        worker = [sys.executable, "-m", "bench.writing.worker", maker]
        self._command = [*worker, str(folder), str(out)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answer()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def again(self) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write("again\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._answer())
        return found

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._command[3]} ended")
        return line


def _command(name: str, folder: Path, out: Path) -> list[str]:
    """Give what starts a writer that writes once."""
    program = _dcmqi()
    if name != DCMQI or program is None:
        maker = name.removesuffix(", process")
        worker = [sys.executable, "-m", "bench.writing.worker", maker]
        return [*worker, str(folder), str(out), "--once"]
    options = {
        "--inputDICOMDirectory": folder / "ct",
        "--inputImageList": folder / "mask.nrrd",
        "--inputMetadata": folder / "dcmqi.json",
        "--outputDICOM": out / "dcmqi.dcm",
        "--skip": 1,
    }
    return [str(program), *(str(part) for pair in options.items() for part in pair)]


def _once(number: int, case: Case, name: str, folder: Path, out: Path) -> Record:
    """Run a writer in a process of its own; the kernel says what it cost."""
    started = [sys.executable, "-I", "-S", str(LAUNCHER), *_command(name, folder, out)]
    said = subprocess.run(started, stdout=subprocess.PIPE, check=False, text=True)
    if said.returncode:
        raise RuntimeError(f"{name} ended with {said.returncode}")
    newest = max(out.glob("*.dcm"), key=lambda path: path.stat().st_mtime_ns)
    cost = json.loads(said.stdout)
    return Record(number, case.title, name, **cost, above_mb=None, size=newest.stat().st_size)


def _dcmqi() -> Path | None:
    """Find the program itself: the command of the package would start an interpreter first."""
    found = importlib.util.find_spec("dcmqi")
    if found is None or not found.submodule_search_locations:
        return None
    path = Path(found.submodule_search_locations[0]) / "bin" / "itkimage2segimage"
    return path if path.exists() else None
