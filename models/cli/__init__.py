"""The verbs of the workshop, `python -m models VERB`: one line of a table for each.

A verb is a function that takes the rest of the command line and gives an exit code: 0 done, 1
failed, 2 wrong usage or configuration (the last line says what to do). Its module is imported only
when the verb is called, so that asking for help does not wait for torch.
"""

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

DONE, FAILED, USAGE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Verb:
    """What a word of the command line does: `door` is module:function."""

    door: str
    sentence: str


VERBS = {
    "data": Verb("models.data.preparing:main", "Resample images and labels, and keep them."),
    "train": Verb("models.training.command:main", "Train a network as a configuration says."),
    "evaluate": Verb(
        "models.evaluation.verb:main", "Hold a bundle against cases, in four dimensions."
    ),
    "experiment": Verb("models.experiments.command:main", "Measure a claim again."),
    "shelve": Verb("models.export.trained:main", "Make a bundle of what was trained."),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one verb, and give its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(_help())
        return DONE if words else USAGE
    if words[0] not in VERBS:
        sys.stderr.write(f"there is no verb {words[0]}; there are {', '.join(VERBS)}\n")
        return USAGE
    module, _, function = VERBS[words[0]].door.partition(":")
    code: int = getattr(importlib.import_module(module), function)(words[1:])
    return code


def _help() -> str:
    lines = [f"  {word:<12} {verb.sentence}" for word, verb in VERBS.items()]
    return "\n".join(["usage: python -m models VERB [--help] ...", "", *lines, ""])
