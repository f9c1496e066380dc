"""The verb `experiment`: runs one, keeps what it found, and writes the page anew."""

import argparse
import logging
import sys
import tempfile
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from time import monotonic

from models.cli import DONE, FAILED, USAGE
from models.experiments import EXPERIMENTS

DOCS, QUICK_OUT = Path("docs/experiments"), Path("var/experiments/quick")
PAGE, PICTURE = "page", "picture"


def main(arguments: Sequence[str]) -> int:
    """Run one experiment, or write the page or the picture anew."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    except OSError as error:
        sys.stderr.write(f"{error.filename or 'the system'}: {error.strerror or error}\n")
        return FAILED


def _run(options: argparse.Namespace) -> int:
    out = options.out or (QUICK_OUT if options.quick else DOCS)
    if options.name == PICTURE:
        from models.experiments.picture import draw

        sys.stdout.write(f"{draw(out, options.cache)}\n")
        return DONE
    if options.name != PAGE:
        _experiment(options, out)
    from models.experiments.page import write

    sys.stdout.write(f"{write(out)}\n")
    return DONE


def _experiment(options: argparse.Namespace, out: Path) -> None:
    import torch

    from models.experiments.results import Given, keep, plain
    from models.experiments.settings import read_settings

    began = monotonic()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(options.threads)
    experiment = import_module(EXPERIMENTS[options.name])
    settings = read_settings(
        options.name, experiment.Settings, quick=options.quick, seeds=options.seeds
    )
    with tempfile.TemporaryDirectory() as work:
        given = Given(settings.seeds, options.cache, Path(work), options.threads, options.quick)
        found = experiment.run(settings, given)
    told = plain(options.name, found, settings.model_dump(mode="json"), given, monotonic() - began)
    keep(out, told)
    for one in found.comparisons:
        given.say(f"{one.what}: {one.value} [{one.low}, {one.high}] {one.verdict}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models experiment",
        description="Measure a claim again. 'page' and 'picture' write the documents anew.",
    )
    parser.add_argument("name", choices=[*EXPERIMENTS, PAGE, PICTURE])
    parser.add_argument(
        "--quick", action="store_true", help="see that it works; figures mean nothing"
    )
    parser.add_argument("--seeds", type=int, help="instead of the configured number")
    parser.add_argument("--out", type=Path, help=f"folder; default {DOCS}, {QUICK_OUT} if quick")
    parser.add_argument("--cache", type=Path, default=Path("var/training"), help="of volumes")
    parser.add_argument("--threads", type=int, default=1)
    return parser
