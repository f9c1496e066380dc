"""A process that writes results: once, or again whenever it is told to.

    python -m bench.writing.worker MAKER FOLDER OUT --once
    python -m bench.writing.worker MAKER FOLDER OUT

Without --once it does its work once unmeasured, then again for every line that comes in, and
answers each with a line of JSON: seconds, CPU seconds, megabytes at most, and above those before.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

MAKERS = ("radnode", "highdicom", "gate", "measuring", "report", "highdicom report")
Work = Callable[[Path, np.ndarray, Path], Path | None]


def main() -> int:
    """Do what the command line says; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.writing.worker", description=__doc__)
    parser.add_argument("maker", choices=MAKERS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--once", action="store_true")
    options = parser.parse_args()
    work = _work(options.maker)
    mask = np.load(options.folder / "mask.npy")
    written = work(options.folder, mask, options.out)
    if options.once:
        return 0
    print("ready", flush=True)
    for _ in sys.stdin:
        before = _memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew (proc(5))
        began, spent = time.perf_counter(), time.process_time()
        written = work(options.folder, mask, options.out)
        seconds, cpu = time.perf_counter() - began, time.process_time() - spent
        peak = _memory("VmHWM")
        size = written.stat().st_size if written is not None else 0
        said = {"seconds": seconds, "cpu": cpu, "peak_mb": peak, "above_mb": peak - before}
        print(json.dumps({**said, "size": size}), flush=True)
    return 0


def _work(maker: str) -> Work:
    """Import what a maker needs, and only that: the import counts in a process that lives once."""
    if maker.startswith("highdicom"):
        from bench.writing import theirs

        return theirs.report if maker.endswith("report") else theirs.segmentation
    from bench.writing import ours

    makers: dict[str, Callable[[], Work]] = {
        "radnode": lambda: ours.segmentation,
        "gate": ours.Checked,
        "measuring": ours.Measuring,
        "report": ours.Reporting,
    }
    return makers[maker]()


def _memory(what: str) -> float:
    """Give a figure of /proc/self/status in megabytes (10^6 bytes)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"/proc/self/status does not say {what}")


if __name__ == "__main__":
    sys.exit(main())
