"""The model's own process: it loads one network and answers requests, one JSON line each.

Run as `python -m node.bundles.child`. It sees numbers only: voxels and geometry, no header, no
patient, no network, no database. It ends when its parent does.

Requests on stdin, answers on stdout:

    {"verb": "load", "engine": …, "weights": …, "preprocessing": […], …}  -> {"ready": {facts}}
    {"verb": "predict", "voxels": PATH, "affine": …, "answer": PATH}      -> {"done": {…}}

What goes wrong ends the process with a traceback on stderr, and the parent tells the rest.
"""

import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TextIO

import numpy as np

from node.clock import Clock, SystemClock
from node.engines.engine import Engine, open_engine
from node.engines.pipeline import Pipeline

LARGEST_WARM_UP = 256**3
"""Voxels; a network that takes more is not run on zeros first."""


class Loaded:
    """The bundle that this process serves."""

    def __init__(self, request: Mapping[str, Any], clock: Clock) -> None:
        """Load the network and run it once on nothing."""
        self._clock = clock
        started = clock.monotonic()
        self._pipeline = Pipeline(
            request["preprocessing"], request["inferer"], request["postprocessing"]
        )
        self._makes_labels: bool = request["makes_labels"]
        self._engine: Engine = open_engine(
            request["engine"],
            Path(request["weights"]),
            threads=request["threads"],
            precision=request["precision"],
            network=request["network"],
        )
        shape = request["input_shape"]
        if shape and np.prod(shape) <= LARGEST_WARM_UP:
            self._engine.warm_up((1, 1, *shape))
        self.facts = {**self._engine.describe()}
        self.seconds = {"load": clock.monotonic() - started}

    def predict(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Look at one volume; the label map goes to the file `answer`, the rest into the reply."""
        marks = [self._clock.monotonic()]
        voxels = np.load(request["voxels"], mmap_mode="r")
        affine = np.array(request["affine"], dtype=np.float64)
        grid, undos = self._pipeline.prepare(voxels, affine)
        marks.append(self._clock.monotonic())
        scores = self._pipeline.infer(grid, self._engine.run)
        if scores.size == 0 or np.isnan(scores.min()):
            # a label map made of these would look like "nothing found", with a volume of 0 mL
            return {"surprise": "scores that are no numbers (NaN), or none at all"}
        marks.append(self._clock.monotonic())
        outcome = self._pipeline.finish(scores, undos)
        marks.append(self._clock.monotonic())
        names = ("preprocessing", "network", "postprocessing")
        seconds = {n: b - a for n, (a, b) in zip(names, pairwise(marks), strict=True)}
        reply: dict[str, Any] = {"seconds": {**self.seconds, **seconds}}
        self.seconds = {}
        if not self._makes_labels:
            return {**reply, "values": [float(value) for value in outcome.ravel()]}
        np.save(request["answer"], _label_map(outcome), allow_pickle=False)
        return {**reply, "labels": request["answer"]}


def _label_map(outcome: np.ndarray) -> np.ndarray:
    if outcome.ndim != 4 or len(outcome) != 1:
        raise ValueError(f"the bundle made an array of shape {outcome.shape}, not one label map")
    large = outcome.size and outcome.max() > 255
    return outcome[0].astype(np.uint16 if large else np.uint8)


def _requests(stdin: TextIO) -> Iterator[dict[str, Any]]:
    """Give the requests as they come, and end the process when the parent is gone.

    Reading goes on in a thread of its own, so that the end of stdin is seen while a network runs.
    """
    lines: SimpleQueue[str] = SimpleQueue()

    def read() -> None:
        for line in stdin:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while True:
        yield json.loads(lines.get())


def _own_stdout() -> TextIO:
    """Keep stdout for the answers: what a framework prints goes to stderr instead."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _die_first() -> None:
    """Have the kernel end this process, not the node, when a model eats the memory."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def main() -> None:
    """Serve requests until the parent is gone."""
    answers = _own_stdout()
    _die_first()
    loaded: Loaded | None = None
    for request in _requests(sys.stdin):
        if request["verb"] == "load":
            loaded = Loaded(request, SystemClock())
            reply: dict[str, Any] = {"ready": loaded.facts}
        elif loaded is not None:
            reply = {"done": loaded.predict(request)}
        else:
            raise ValueError("asked to predict before a bundle was loaded")
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
