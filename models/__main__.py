"""Runs the workshop from the command line: `python -m models VERB`."""

import sys

from models.cli import main

if __name__ == "__main__":
    sys.exit(main())
