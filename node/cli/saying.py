"""How the verbs speak: tables and JSON on stdout, and the one error that they raise."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PORTS = 65536


class FailedError(Exception):
    """The verb could not do it; the text says what happened and what a person can do."""


class UsageError(FailedError):
    """The verb was called without something that it needs."""


def count(text: str) -> int:
    """Read a number of things from the command line, 0 or more."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a number of things")
    return int(text)


def port(text: str) -> int:
    """Read a TCP port from the command line."""
    if not text.isdecimal() or not 0 < int(text) < PORTS:
        raise argparse.ArgumentTypeError(f"{text} is not a port: 1 to {PORTS - 1}")
    return int(text)


def add_verb(
    verbs: Any,  # noqa: ANN401 - argparse keeps the type private
    name: str,
    what: str,
    verb: Callable[..., int | None],
    *,
    needs_config: bool = True,
) -> argparse.ArgumentParser:
    """Add a verb with its sentence and, if it needs one, the option --config."""
    sub: argparse.ArgumentParser = verbs.add_parser(name, help=what, description=what)
    sub.set_defaults(verb=verb, needs_config=needs_config)
    if needs_config:
        sub.add_argument(
            "--config",
            type=Path,
            metavar="FILE",
            help="default: ./config.yaml, then /etc/radnode/config.yaml",
        )
    return sub


def say(text: str = "") -> None:
    """Write a line to stdout."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def say_json(value: object) -> None:
    """Write a value as JSON, times in ISO 8601."""
    say(json.dumps(value, indent=1, default=str, ensure_ascii=False))


def say_table(rows: Sequence[Sequence[object]]) -> None:
    """Write rows in aligned columns."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max((len(row[i]) for row in texts if i < len(row)), default=0) for i in range(20)]
    for row in texts:
        say("  ".join(cell.ljust(widths[i]) for i, cell in enumerate(row)).rstrip())
