"""models try: have a bundle look that is not on the shelf; models bench: time those that are."""

import argparse

from node.app.hosting import runner_of, shelf_of
from node.bundles.timing import time_ways
from node.cli.running import tell
from node.cli.saying import FailedError, UsageError, say, say_table
from node.clock import SystemClock
from node.config import Config
from node.rules.failures import Refusal


def try_bundle(options: argparse.Namespace, config: Config) -> int:
    """Run a bundle from anywhere over a folder with one series; results are marked as a trial."""
    from pathlib import Path

    from node.stages.once import run_once  # results take long to import

    if options.path is None or options.out is None:
        raise UsageError("say radnode models try BUNDLE --path SERIES_FOLDER --out FOLDER")
    if not options.path.is_dir():
        raise FailedError(f"{options.path} is not a folder; name one that holds one series")
    bundle = shelf_of(config).trial(Path(options.name))
    if isinstance(bundle, Refusal):
        raise FailedError(str(bundle))
    options.out.mkdir(parents=True, exist_ok=True)
    runner = runner_of(config)
    try:
        clock = SystemClock()
        tell(run_once(options.path, bundle, options.out, runner, clock))
    finally:
        runner.close()
    say("on trial; `radnode models add` puts it on the shelf")
    return 0


def bench(options: argparse.Namespace, config: Config) -> int:
    """Time a model by each way that it has here, on its golden case."""
    bundle = shelf_of(config).get(options.name)
    if isinstance(bundle, Refusal):
        raise FailedError(str(bundle))
    runner = runner_of(config)
    try:
        timed = time_ways(bundle, runner, SystemClock(), options.rounds)
    finally:
        runner.close()
    if isinstance(timed, Refusal):
        raise FailedError(str(timed))
    head = ["WAY", "MS FOR A WINDOW (LEAST / MEDIAN)", "S FOR THE VOLUME", "WINDOWS"]
    say_table([head, *(one.cells() for one in timed)])
    return 0
