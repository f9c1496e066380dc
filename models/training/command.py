"""The verb `train`: reads the command line, trains, and says where the weights are."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from models.cli import DONE, FAILED, USAGE
from models.training.config import Config, ConfigError, read_config

INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Train as a configuration says; gives 0 when the run is over, 130 when it was told to stop."""
    options = _parser().parse_args(arguments)
    try:
        config = read_config(options.config, options.set, options.output)
        return _train(config)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    except OSError as error:
        sys.stderr.write(f"{error.filename or 'the system'}: {error.strerror}\n")
        return FAILED


def _train(config: Config) -> int:
    from models.training.learning import DivergedError
    from models.training.running import train
    from models.training.watching import StoppedError

    try:
        outcome = train(config)
    except StoppedError:
        sys.stderr.write("Stopped; the same command goes on from here.\n")
        return INTERRUPTED
    except DivergedError as error:
        sys.stderr.write(f"{error}: lower optimiser.learning_rate, and name another --output\n")
        return FAILED
    score = "" if outcome.best_score is None else f", best score {outcome.best_score:.4f}"
    sys.stdout.write(f"Over ({outcome.reason}){score}. Weights: {outcome.folder}/best.pt\n")
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models train",
        description="Train a network. The same command again goes on from the last checkpoint.",
    )
    parser.add_argument("config", type=Path, help="a YAML file, for example of models/configs")
    parser.add_argument("--output", type=Path, help="folder instead of the configured one")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="replace a value of the configuration, for example training.epochs=3",
    )
    return parser
