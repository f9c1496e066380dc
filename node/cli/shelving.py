"""Verbs of the shelf: which models are there, are they fit to run, and why not."""

import argparse
import os
from pathlib import Path
from typing import Any

from node.bundles.shelf import Shelf
from node.cli.saying import FailedError, UsageError, add_verb, say, say_table
from node.config import Config
from node.rules.failures import Refusal


def add_verbs(verbs: Any) -> None:  # noqa: ANN401 - argparse keeps the type private
    """Add models."""
    sub = add_verb(verbs, "models", "the shelf: list, check, add", _models)
    sub.add_argument("what", nargs="?", choices=["list", "check", "add"], default="list")
    sub.add_argument("path", nargs="?", type=Path, help="the bundle's folder, for add")


def _models(options: argparse.Namespace, config: Config) -> int:
    shelf = Shelf(config.models.dir)
    if options.what == "add":
        return _add(shelf, options.path)
    names = shelf.names()
    if not names:
        raise FailedError(f"no bundle lies in {config.models.dir}; see models/README.md")
    if options.what == "check":
        return _check(shelf, names)
    rows = [["MODEL", "VERSION", "FOR", "HASH", "FIT"]]
    for name in names:
        bundle = shelf.get(name)
        if isinstance(bundle, Refusal):
            rows.append([name, "?", "?", "?", "no"])
        else:
            who = bundle.manifest.identity
            rows.append([name, who.version, who.intended_use, who.bundle_hash[:12], "yes"])
    say_table(rows)
    return 0


def _check(shelf: Shelf, names: list[str]) -> int:
    unfit = 0
    for name in names:
        problems = shelf.fitness(name) or shelf.check_golden(name, os.cpu_count() or 1)
        unfit += bool(problems)
        say(f"{name}: {'NOT fit to run' if problems else 'fit to run, its golden case comes out'}")
        for problem in problems:
            say(f"  {problem}")
    return 1 if unfit else 0


def _add(shelf: Shelf, path: Path | None) -> int:
    if path is None:
        raise UsageError("say which: radnode models add FOLDER")
    added = shelf.add(path)
    if isinstance(added, Refusal):
        raise FailedError(f"not added: {added}")
    who = added.manifest.identity
    say(f"{who.name} {who.version} is on the shelf, sha256 {who.bundle_hash}")
    return 0
