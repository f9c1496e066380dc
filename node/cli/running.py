"""Verbs that run: the node itself, the small archive, one folder without a node."""

import argparse
import signal
from pathlib import Path
from threading import Event as Signal
from typing import TYPE_CHECKING, Any

from node import app
from node.cli.saying import FailedError, add_verb, port, say
from node.clock import SystemClock
from node.config import Config
from node.ledger.opening import LedgerNotReadyError
from node.rules.failures import Refusal
from node.rules.nouns import STANDARD_OUTPUTS, Output

if TYPE_CHECKING:
    from node.stages.once import Written


def add_verbs(verbs: Any) -> None:  # noqa: ANN401 - argparse keeps the type private
    """Add run, archive and run-once."""
    sub = add_verb(verbs, "run", "run the node, or only the named legs", _run)
    sub.add_argument("leg", nargs="*", type=_leg, metavar="LEG", help=f"of {', '.join(app.LEGS)}")
    sub = add_verb(
        verbs,
        "archive",
        "a small archive (C-STORE, C-ECHO) to send to",
        _archive,
        needs_config=False,
    )
    sub.add_argument("folder", type=Path, help="where objects are kept")
    sub.add_argument("--ae-title", default="ARCHIVE", help="its AE title (%(default)s)")
    sub.add_argument("--host", default="127.0.0.1", help="where to listen (%(default)s)")
    sub.add_argument("--port", type=port, default=4242, help="where to listen (%(default)s)")
    sub = add_verb(verbs, "run-once", "a folder of DICOM in, results out: no network", _run_once)
    sub.add_argument("path", type=Path, help="a folder that holds one series")
    sub.add_argument("--model", required=True, help="its name on the shelf")
    sub.add_argument("--out", type=Path, required=True, help="a folder for what is made")
    words = ",".join(Output)
    sub.add_argument(
        "--results", type=_outputs, help=f"what to make, of {words}; default: as a route"
    )


def _leg(name: str) -> str:
    if name not in app.LEGS:
        raise argparse.ArgumentTypeError(f"{name} is no leg; there are {', '.join(app.LEGS)}")
    return name


def _outputs(text: str) -> frozenset[Output]:
    unknown = [word for word in text.split(",") if word not in set(Output)]
    if unknown:
        words = ", ".join(Output)
        raise argparse.ArgumentTypeError(f"{unknown[0]} is nothing to make; there are {words}")
    return frozenset(map(Output, text.split(",")))


def _run(options: argparse.Namespace, config: Config) -> int:
    try:
        return app.run(config, options.leg, say)
    except LedgerNotReadyError as error:
        raise FailedError(str(error)) from error
    except OSError as error:
        if error.filename is not None:
            raise
        where = f"port {config.node.port} of {config.node.host}"
        advice = "choose another node.port, or end the program that has it"
        raise FailedError(f"{where} cannot be opened ({error.strerror}); {advice}") from error


def _archive(options: argparse.Namespace, _: None) -> None:
    from node.wire.archive import Archive

    stop = Signal()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    options.folder.mkdir(parents=True, exist_ok=True)
    try:
        listener, opened = Archive(options.folder).listen(
            options.ae_title, options.host, options.port
        )
    except OSError as error:
        raise FailedError(f"cannot listen on {options.port}: {error.strerror}") from error
    say(f"radnode archive ready ae={options.ae_title} port={opened}")
    stop.wait()
    listener.stop()


def _run_once(options: argparse.Namespace, config: Config) -> None:
    from node.app.hosting import runner_of, shelf_of
    from node.stages.once import run_once

    if not options.path.is_dir():
        raise FailedError(f"{options.path} is not a folder; name one that holds one series")
    bundle = shelf_of(config).get(options.model)
    if isinstance(bundle, Refusal):
        raise FailedError(str(bundle))
    options.out.mkdir(parents=True, exist_ok=True)
    runner = runner_of(config)
    wanted = options.results or STANDARD_OUTPUTS
    try:
        written = run_once(options.path, bundle, options.out, runner, SystemClock(), wanted)
    finally:
        runner.close()
    tell(written)


def tell(written: "Written | Refusal") -> None:
    """Say what was written where, and what was found; a refusal ends the verb."""
    if isinstance(written, Refusal):
        raise FailedError(str(written))
    for path in written.paths:
        say(str(path))
    for key in ("volumes_ml", "probabilities", "scores", "marks", "repairs", "fallback"):
        if written.facts.get(key):
            say(f"{key}: {written.facts[key]}")
