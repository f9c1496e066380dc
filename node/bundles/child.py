"""The model's own process: it loads one network and answers requests, one JSON line each.

Run as `python -m node.bundles.child`. It sees numbers only: voxels and geometry, no header, no
patient, no network, no database. It ends when its parent does.

Requests on stdin, answers on stdout:

    {"verb": "load", "engine": …, "weights": …, "preprocessing": […], …}  -> {"ready": {facts}}
    {"verb": "predict", "voxels": PATH, "affine": …, "answer": PATH}      -> {"done": {…}}
    {"verb": "begin", "slices": PATH, "affine": …, "first": …, "last": …} -> {"done": {"why": ""}}
    {"verb": "feed", "slots": […]}                                        -> {"done": {"why": ""}}
    {"verb": "finish", "affine": …, "answer": PATH}                       -> {"done": {…}}
    {"verb": "sample", "voxels": PATH, "affine": …}                       -> {"done": {}}
    {"verb": "time", "repeats": N}                                        -> {"done": {"ms": […]}}

Between `begin` and `finish` windows are run while nothing is asked (`bundles.arrivals`); `why`
says that, and why, the volume has to be looked at as a whole.

Each answer has `memory_mb`, what the process holds. When memory runs out while it loads or looks,
the answer is {"out_of_memory": what the engine said}, and the process can be asked again, for
less. What else goes wrong ends it with a traceback on stderr, and the parent tells the rest.
"""

import gc
import json
import os
import resource
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TextIO

import numpy as np

from node.bundles import label_maps
from node.bundles.arrivals import Arrivals
from node.clock import Clock, SystemClock
from node.engines.batching import Batches
from node.engines.classifying import Classifier
from node.engines.engine import Engine, open_engine, says_out_of_memory
from node.engines.pipeline import Pipeline
from node.engines.windows import NotNumbersError, Predict

LARGEST_WARM_UP = 256**3
"""Voxels; a network that takes more is not run on zeros first."""
MEGABYTE = 1 << 20


class _EnoughError(Exception):
    """The window that was wanted has been seen."""


class Loaded:
    """The bundle that this process serves."""

    def __init__(self, request: Mapping[str, Any], clock: Clock) -> None:
        """Load the network and run it once on nothing."""
        self._clock = clock
        started = clock.monotonic()
        self._makes_labels: bool = request["makes_labels"]
        self._engine = _opened(request)
        self._members = [
            _opened({**request, "weights": other})
            for other in request["classifying"]["members"][1:]
        ]
        self._pipeline = Pipeline(
            request["preprocessing"],
            _suited(request["inferer"], self._engine),
            request["postprocessing"],
            threads=request["threads"],
        )
        self._batches = Batches(self._engine, clock.monotonic)
        self._classifier: Classifier | None = None
        if not self._makes_labels and request["inferer"]["name"] == "SimpleInferer":
            said = request["classifying"]
            self._classifier = Classifier(self._pipeline, said, clock.monotonic)
        self._sample: np.ndarray | None = None
        self._arrivals: Arrivals | None = None
        shape = request["input_shape"]
        if shape and np.prod(shape) <= LARGEST_WARM_UP:
            for engine in (self._engine, *self._members):
                engine.warm_up((1, request["channels"], *shape))
        self.facts = {**self._engine.describe()}
        if self._members:
            self.facts["networks"] = str(1 + len(self._members))
        self.seconds = {"load": clock.monotonic() - started}

    def predict(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Look at one volume; the label map goes to the file `answer`, the rest into the reply."""
        self._batches.begin(request.get("batch", 0))
        voxels = np.load(request["voxels"], mmap_mode="r")
        affine = np.array(request["affine"], dtype=np.float64)
        monotonic = self._clock.monotonic
        try:
            if self._classifier is not None:
                return self._classified(self._classifier, voxels, affine)
            outcome, seconds = self._pipeline.run(voxels, affine, self._batches, monotonic)
        except NotNumbersError as error:
            # a label map made of these would look like "nothing found", with a volume of 0 mL
            return {"surprise": str(error)}
        reply = self._reply(seconds, len(self._batches.seconds))
        self._batches.begin()
        if not self._makes_labels:
            return {**reply, "values": [float(value) for value in outcome.ravel()]}
        label_maps.write(Path(request["answer"]), label_maps.label_map(outcome))
        return {**reply, "labels": request["answer"]}

    def _classified(
        self, classifier: Classifier, voxels: np.ndarray, affine: np.ndarray
    ) -> dict[str, Any]:
        members: list[Predict] = [self._batches, *(engine.run for engine in self._members)]
        answer = classifier.run(voxels, affine, members)
        reply = self._reply(answer.seconds, len(self._batches.seconds) * len(members))
        self._batches.begin()
        values = [float(value) for value in answer.probabilities]
        return {**reply, "values": values, "scores": dict(answer.scores)}

    def _reply(self, seconds: Mapping[str, float], windows: int) -> dict[str, Any]:
        told = {"seconds": {**self.seconds, **seconds}, "windows": windows}
        self.seconds = {}
        return told

    def begin(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Begin with a series whose slices still arrive; one at a time, the last one asked for."""
        self._arrivals = Arrivals(request, self._pipeline, self._engine, self._clock.monotonic)
        return {"why": self._arrivals.why}

    def feed(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Take slices of that series."""
        if self._arrivals is None:
            return {"why": "another series came in between"}
        self._arrivals.feed(request["slots"])
        return {"why": self._arrivals.why}

    def advance(self) -> bool:
        """Run windows of that series, a layer at a time; False when there is nothing to do."""
        return self._arrivals is not None and self._arrivals.advance()

    def finish(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Run what is left of that series; the reply is that of `predict`, or says why not."""
        arrivals, self._arrivals = self._arrivals, None
        if arrivals is None:
            return {"why": "another series came in between"}
        started = self._clock.monotonic()
        try:
            outcome = arrivals.finish(request["affine"])
        except NotNumbersError as error:
            return {"surprise": str(error)}
        if outcome is None:
            return {"why": arrivals.why}
        rest = self._clock.monotonic() - started
        seconds = {"while it arrived": arrivals.early_seconds, "after the last slice": rest}
        label_maps.write(Path(request["answer"]), label_maps.label_map(outcome))
        return {**self._reply(seconds, arrivals.windows), "labels": request["answer"]}

    def sample(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Keep the first window of a volume, to be timed with; the others are not looked at."""

        def keep(batch: np.ndarray) -> np.ndarray:
            self._sample = batch[:1].copy()
            raise _EnoughError

        affine = np.array(request["affine"], dtype=np.float64)
        grid, _ = self._pipeline.prepare(np.load(request["voxels"], mmap_mode="r"), affine)
        with suppress(_EnoughError):
            self._pipeline.infer(grid, keep)
        return {}

    def time(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Run the network alone on the kept window, as often as asked for."""
        if self._sample is None:
            raise ValueError("asked to be timed without a sample")
        self._batches.begin()
        for _ in range(request["repeats"]):
            self._batches(self._sample)
        return {"ms": [1000.0 * seconds for seconds in self._batches.seconds]}

    def card_mb(self) -> float:
        """Say how much of an accelerator's memory the network holds."""
        return sum(engine.memory_mb() for engine in (self._engine, *self._members))


def _opened(request: Mapping[str, Any]) -> Engine:
    return open_engine(
        request["engine"],
        Path(request["weights"]),
        threads=request["threads"],
        precision=request["precision"],
        network=request["network"],
        device=request.get("device", ""),
    )


def _suited(inferer: Mapping[str, Any], engine: Engine) -> Mapping[str, Any]:
    """Have the inferer hand over as many windows at once as suit the engine."""
    if inferer["name"] != "SlidingWindowInferer":
        return inferer
    arguments = dict(inferer["arguments"])
    arguments["sw_batch_size"] = engine.suits(int(arguments.get("sw_batch_size", 1)))
    return {**inferer, "arguments": arguments}


class Serves(Protocol):
    """A bundle in this process, whoever runs it."""

    facts: dict[str, str]

    def predict(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Look at one volume."""
        ...

    def begin(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Begin with a series whose slices still arrive."""
        ...

    def feed(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Take slices of that series."""
        ...

    def finish(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Run what is left of that series."""
        ...

    def sample(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a window to be timed with."""
        ...

    def time(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Run the network alone on that window."""
        ...

    def advance(self) -> bool:
        """Use the time while nothing is asked; False when there is nothing to do."""
        ...

    def card_mb(self) -> float:
        """Say how much of an accelerator's memory it holds."""
        ...


def _loaded(request: Mapping[str, Any], clock: Clock) -> Serves:
    if not request.get("by_monai"):
        return Loaded(request, clock)
    from node.bundles.by_monai import ByMonai  # it imports MONAI, which takes seconds

    return ByMonai(request, clock)


class Service:
    """Answers requests, one after another."""

    def __init__(self, clock: Clock) -> None:
        """`clock` is for the stopwatch."""
        self._clock = clock
        self._loaded: Serves | None = None

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Do what is asked, or say that memory ran out."""
        try:
            reply = self._do(request)
        except Exception as error:
            if not says_out_of_memory(error):
                raise
            reply = {"out_of_memory": f"{type(error).__name__}: {str(error).strip()[-200:]}"}
        if "out_of_memory" in reply:
            gc.collect()  # outside of `except`: the exception held on to every frame's arrays
        return {**reply, "memory_mb": round(_resident_mb(), 1)}

    def _do(self, request: Mapping[str, Any]) -> dict[str, Any]:
        verb = request["verb"]
        if verb == "load":
            _bound(request.get("memory_mb", 0))
            self._loaded = _loaded(request, self._clock)
            return {"ready": self._loaded.facts, "card_mb": self._loaded.card_mb()}
        if self._loaded is None:
            raise ValueError(f"asked to {verb} before a bundle was loaded")
        work = {
            "predict": self._loaded.predict,
            "begin": self._loaded.begin,
            "feed": self._loaded.feed,
            "finish": self._loaded.finish,
            "sample": self._loaded.sample,
            "time": self._loaded.time,
        }
        return {"done": work[verb](request), "card_mb": self._loaded.card_mb()}

    def idle(self) -> bool:
        """Use the time while nothing is asked; False when there is nothing to do."""
        return self._loaded is not None and self._loaded.advance()


def _bound(megabytes: float) -> None:
    """Bound what this process may allocate: then the engine fails, not the machine.

    RLIMIT_DATA counts private memory that was asked for. Files that are mapped, and what CUDA only
    reserves, do not count, which is why it is not RLIMIT_AS.
    """
    if megabytes > 0:
        most = int(megabytes * MEGABYTE)
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _resident_mb() -> float:
    """Say what this process holds in memory: its own, not the files that it maps."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return int(fields.get("RssAnon", "0 kB").split()[0]) / 1024


def _requests(stdin: TextIO, idle: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    """Give the requests as they come, and end the process when the parent is gone.

    While there is none `idle` is called, until it says that there is nothing to do.
    Reading goes on in a thread of its own, so that the end of stdin is seen while a network runs.
    """
    lines: SimpleQueue[str] = SimpleQueue()

    def read() -> None:
        for line in stdin:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while True:
        try:
            line = lines.get_nowait()
        except Empty:
            if idle():
                continue
            line = lines.get()
        yield json.loads(line)


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
    service = Service(SystemClock())
    for request in _requests(sys.stdin, service.idle):
        answers.write(json.dumps(service.answer(request)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
