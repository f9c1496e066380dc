"""A part of the benchmark, or one reading of it.

python -m bench.volume --rounds 3 --syntaxes rle,jpeg_ls
python -m bench.volume --decoders
"""

import argparse
import json
import sys
from pathlib import Path

from bench.volume.decoders import measure_decoders
from bench.volume.inputs import SYNTAXES
from bench.volume.running import measure


def main() -> int:
    """Measure what the command line names; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.volume", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--syntaxes", default=",".join(SYNTAXES))
    parser.add_argument("--decoders", action="store_true", help="every installed one, by syntax")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, help="a file for every raw figure, as JSON")
    options = parser.parse_args()
    wanted = options.syntaxes.split(",")
    folder = Path(".demo/bench/volume")
    figures: object
    if options.decoders:
        figures = measure_decoders(options.rounds, folder, wanted)
    else:
        figures = measure(options.rounds, folder, wanted, quick=options.quick)
    if options.out is not None:
        options.out.write_text(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
