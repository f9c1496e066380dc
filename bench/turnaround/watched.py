"""Runs radnode with a stopwatch at some of its doors: who went through, from when to when.

    python -m bench.turnaround.watched FILE run --config CONFIG

Nothing of radnode is changed but that each of these functions, once it returns, leaves a line of
JSON in FILE: its name here, and two moments of the clock that all processes of a machine share.
"""

import functools
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from node.stages.scope import CHECK

EARLY = "while it arrived"
"""What `node.bundles.child` calls the time of a model before it was asked for the rest."""

Tell = Callable[[tuple[Any, ...], Any], Mapping[str, object]]
"""From a call's arguments and what came of it to what else the line says."""


def _nothing(_arguments: tuple[Any, ...], _outcome: object) -> Mapping[str, object]:
    return {}


def _looked(arguments: tuple[Any, ...], outcome: Any) -> Mapping[str, object]:
    if arguments[1].manifest.identity.name == CHECK:
        return {"name": "modality check"}
    return _told(len(arguments[2].voxels), outcome)


def _followed(arguments: tuple[Any, ...], outcome: Any) -> Mapping[str, object]:
    """Tell of a series at which the model looked while it arrived; None came if it could not.

    It is still at work for what arrived when it is asked for the rest, so all of that is its time.
    """
    if outcome is None:
        return {}
    return {**_told(arguments[2][0], outcome), "model": None}


def _told(images: int, outcome: Any) -> Mapping[str, object]:
    seconds = dict(getattr(outcome, "seconds", {}))
    model = sum(value for step, value in seconds.items() if step not in ("load", EARLY))
    return {"images": images, "model": model, "steps": seconds}


DOORS: tuple[tuple[str, str, str, Tell], ...] = (
    ("node.stages.indexing", "Writer._write_batch", "rows of images", _nothing),
    ("node.stages.prepare", "Prepare._look_at", "early reading", _nothing),
    ("node.stages.settle", "Settle._settle", "settling", _nothing),
    ("node.stages.infer", "Infer._carry", "job", _nothing),
    ("node.stages.infer", "Infer._prepared", "volume", _nothing),
    ("node.bundles.runner", "Runner.predict", "asking the model", _looked),
    ("node.bundles.following", "Following.finish", "asking for the rest", _followed),
    ("node.dicom.results", "measure", "measuring", _nothing),
    ("node.dicom.results.seg", "write_seg", "SEG", _nothing),
    ("node.dicom.results.sr", "write_report", "SR", _nothing),
    ("node.dicom.results.captures", "write_captures", "captures", _nothing),
    (
        "node.dicom.results.presentation_state",
        "write_presentation_state",
        "presentation state",
        _nothing,
    ),
    ("node.dicom.results.key_objects", "write_key_objects", "key objects", _nothing),
    ("node.dicom.results.validation", "mask_problems", "gate", _nothing),
    ("node.dicom.results.validation", "report_problems", "gate", _nothing),
    ("node.dicom.results.validation", "rest_problems", "gate", _nothing),
    ("node.dicom.results.preview", "write_picture", "preview picture", _nothing),
    ("node.stages.handover", "keep", "results kept", _nothing),
    ("node.stages.deliver", "Deliver._send_due", "sending", _nothing),
    ("node.stages.deliver", "Deliver._note_surely", "answer noted", _nothing),
)
"""Module, function, its name in the tables, and what else is told of it."""


def main() -> int:
    """Put the stopwatches on, and be radnode."""
    file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for module, path, name, tell in DOORS:
        _watch(importlib.import_module(module), path, name, tell, file)
    from node.cli import main as radnode

    return radnode(sys.argv[2:])


def lines(file: Path, since: float) -> list[dict[str, Any]]:
    """Read what went on since a moment of the monotonic clock, in the order of its ends."""
    told = [json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")]
    return [one for one in told if one["ended"] >= since]


def _watch(module: Any, path: str, name: str, tell: Tell, file: int) -> None:
    *owners, last = path.split(".")
    owner = functools.reduce(getattr, owners, module)
    real = getattr(owner, last)

    @functools.wraps(real)
    def timed(*arguments: Any, **more: Any) -> Any:
        began = time.monotonic()
        outcome = real(*arguments, **more)
        line = {"name": name, "began": began, "ended": time.monotonic()}
        line |= tell(arguments, outcome)
        os.write(file, json.dumps(line).encode() + b"\n")  # one write, so lines never mix
        return outcome

    setattr(owner, last, timed)


if __name__ == "__main__":
    sys.exit(main())
