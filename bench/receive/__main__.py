"""A part of the benchmark, for a question about a few receivers or conditions.

    python -m bench.receive --rounds 5 --receivers 'radnode; storescp +B' --conditions 'CT 512x512'

Names may be begun only. Raw figures are written where --out says; `make bench ONLY=receive` runs
it all.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from bench.receive.conditions import CONDITIONS
from bench.receive.receivers import PROMISES
from bench.receive.running import Plan, measure


def main() -> int:
    """Measure what the command line names; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.receive", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--share", type=float, default=1.0, help="part of the instances that is sent"
    )
    parser.add_argument("--receivers", default="", help=f"separated by ;: {'; '.join(PROMISES)}")
    parser.add_argument("--conditions", default="", help="separated by ;, as the table calls them")
    parser.add_argument("--out", type=Path, help="a file for every raw figure, as JSON")
    options = parser.parse_args()
    receivers = _begun(options.receivers, PROMISES)
    conditions = _begun(options.conditions, [one.title for one in CONDITIONS])
    folder = Path(".demo/bench/receive-part")
    figures = measure(Plan(options.rounds, folder, options.share, conditions, receivers))
    if options.out is not None:
        options.out.write_text(json.dumps(figures))
    return 0


def _begun(given: str, names: Iterable[str]) -> list[str]:
    """Give the names that equal one that is given, or else begin with it."""
    wished = [one.strip() for one in given.split(";") if one.strip()]
    known = list(names)
    found = []
    for wish in wished:
        found += [wish] if wish in known else [name for name in known if name.startswith(wish)]
    return found


if __name__ == "__main__":
    sys.exit(main())
