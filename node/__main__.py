"""`python -m node` is the same as the command `radnode`."""

import sys

from node.cli import main

if __name__ == "__main__":
    sys.exit(main())
