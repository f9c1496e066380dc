"""`make bench`: the benchmarks, each peer interleaved with radnode in one run; medians and ratios.

    python -m bench [--only receive,turnaround] [--rounds N] [--quick]

Figures of one run are to be compared with each other, not with those of another day: machines are
noisy. Each benchmark prints a table and writes `bench/results/NAME.json`.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from bench import engines, pipeline, receive, turnaround, volume, writing

RESULTS = Path("bench/results")
Bench = Callable[..., dict[str, object]]
BENCHES: dict[str, Bench] = {
    "engines": engines.run,
    "pipeline": pipeline.run,
    "receive": receive.run,
    "results": writing.run,
    "turnaround": turnaround.run,
    "volume": volume.run,
}


def main() -> int:
    """Run the benchmarks that the command line names; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", default="", help=f"comma-separated: {', '.join(BENCHES)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="see that all works; measures little")
    options = parser.parse_args()
    wanted = [name.strip() for name in options.only.split(",") if name.strip()] or list(BENCHES)
    unknown = [name for name in wanted if name not in BENCHES]
    if unknown:
        print(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(BENCHES)}")
        return 2
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name in wanted:
        print(f"\n== {name}, {options.rounds} rounds")
        folder = Path(".demo/bench") / name
        figures = BENCHES[name](options.rounds, folder, quick=options.quick)
        (RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=1))
        print(f"written to {RESULTS / name}.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
