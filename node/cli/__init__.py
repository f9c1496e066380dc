"""The verbs of the command `radnode`: one file for running, one for asking, one for handing over.

Exit codes: 0 done, 1 failed (the last line says what to do), 2 usage, 78 wrong configuration.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from node import __version__
from node.cli import asking, handing, running, shelving
from node.cli.saying import FailedError, UsageError
from node.config import Config, ConfigError, find, load

DONE, FAILED, USAGE, WRONG_CONFIG = 0, 1, 2, 78


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one verb, and give its exit code."""
    options = parser().parse_args(arguments)
    try:
        config = _config(options) if options.needs_config else None
        return int(options.verb(options, config) or DONE)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_CONFIG
    except FailedError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE if isinstance(error, UsageError) else FAILED
    except BrokenPipeError:
        return FAILED
    except OSError as error:
        what = error.filename or "the system"
        sys.stderr.write(f"{what}: {error.strerror}; name another one, or see to its rights\n")
        return FAILED


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    top = argparse.ArgumentParser(prog="radnode", description="A DICOM node for a department's AI.")
    top.add_argument("--version", action="version", version=f"radnode {__version__}")
    verbs = top.add_subparsers(metavar="VERB", required=True)
    for room in (running, asking, handing, shelving):
        room.add_verbs(verbs)
    return top


def _config(options: argparse.Namespace) -> Config:
    path: Path | None = options.config
    return load(find(path))
