"""Has a model look at a volume in a process of its own, which may crash or hang without harm.

One child process stays warm for the bundle that was asked last. It gets arrays and nothing else:
no header, no patient, none of the node's own settings or passwords. When it takes too long it is
killed with everything it started; when it crashes the caller gets a refusal with the reason.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any, Protocol

import numpy as np

import node
from node.bundles.manifest import Bundle, Manifest, UnreadableBundleError, tree_hash
from node.clock import Clock, SystemClock
from node.dicom.findings import Findings
from node.rules.failures import Fault, Refusal


class Located(Protocol):
    """A volume: what of `node.dicom.volume.Volume` a model needs."""

    @property
    def voxels(self) -> np.ndarray:
        """Values [slices, rows, columns], modality LUT applied."""
        ...

    @property
    def affine(self) -> np.ndarray:
        """4 x 4, from (slice, row, column, 1) to LPS millimetres."""
        ...


class _GoneError(Exception):
    """The child is dead or was killed; holds what the caller is told."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


class Runner:
    """Runs bundles, one volume at a time. Close it at the end."""

    def __init__(
        self,
        threads: int = 1,
        *,
        python: str = sys.executable,
        clock: Clock | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare; the first child starts with the first prediction.

        Args:
            threads: how many CPU threads a model may use.
            python: the interpreter for the child.
            clock: where time comes from.
            environment: variables for the child beside those that limit its threads; it inherits
                none of the node's own.
        """
        self._threads = threads
        self._python = python
        self._clock = clock or SystemClock()
        self._environment = dict(environment or {})
        self._busy = threading.Lock()
        self._child: _Child | None = None

    def predict(
        self, bundle: Bundle, volume: Located, work_dir: Path, timeout_s: float
    ) -> Findings | Refusal:
        """Have a bundle look at a volume.

        Args:
            bundle: from the shelf, fit to run.
            volume: voxels [slices, rows, columns] and their affine.
            work_dir: a folder for the arrays on their way; both are gone afterwards.
            timeout_s: how long it may take, loading included.

        Returns:
            What was found, its label map on the volume's grid; or a refusal: the child hung or
            crashed (again: true), or the bundle changed or made something it did not announce.
        """
        with self._busy:
            deadline = self._clock.monotonic() + timeout_s
            sent, answer = work_dir / "voxels.npy", work_dir / "labels.npy"
            try:
                child = self._child_for(bundle, deadline)
                np.save(sent, volume.voxels, allow_pickle=False)
                request = {
                    "verb": "predict",
                    "voxels": str(sent),
                    "affine": np.asarray(volume.affine, dtype=float).tolist(),
                    "answer": str(answer),
                }
                reply = child.ask(request, deadline - self._clock.monotonic())["done"]
                if "surprise" in reply:
                    return _surprise(reply["surprise"])
                return _findings(bundle.manifest, volume.voxels.shape, reply, child.facts)
            except _GoneError as gone:
                self.close()
                return gone.refusal
            finally:
                sent.unlink(missing_ok=True)
                answer.unlink(missing_ok=True)

    def warm(self, bundle: Bundle, timeout_s: float) -> Refusal | None:
        """Start the child for a bundle before it is asked anything; None when it is ready."""
        with self._busy:
            try:
                self._child_for(bundle, self._clock.monotonic() + timeout_s)
            except _GoneError as gone:
                self.close()
                return gone.refusal
            return None

    def close(self) -> None:
        """End the child, if there is one; a prediction under way ends with a refusal."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()

    @property
    def process_id(self) -> int | None:
        """Process id of the warm child, None when there is none."""
        return self._child.process.pid if self._child is not None else None

    def _child_for(self, bundle: Bundle, deadline: float) -> "_Child":
        """Give the warm child when it serves this very bundle, else start one."""
        child = self._child
        if child is not None and child.serves == bundle.sha256 and not child.is_gone():
            return child
        self.close()
        _check_unchanged(bundle)
        child = _Child(self._python, self._variables(), bundle.sha256)
        self._child = child
        child.ask(_load_request(bundle, self._threads), deadline - self._clock.monotonic())
        return child

    def _variables(self) -> dict[str, str]:
        threads = str(self._threads)
        limits = (
            "OMP_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "MKL_NUM_THREADS",
            "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
        )
        root = Path(node.__file__).parent.parent
        return {
            "PATH": os.defpath,
            "PYTHONPATH": str(root),
            **dict.fromkeys(limits, threads),
            **self._environment,
        }


class _Child:
    """One child process, the lines it says and the last things it complained about."""

    def __init__(self, python: str, variables: Mapping[str, str], serves: str) -> None:
        self.serves = serves
        self.facts: dict[str, str] = {}
        self.process = subprocess.Popen(
            [python, "-m", "node.bundles.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(variables),
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # a process group of its own, to be killed as a whole
        )
        self.ended = threading.Event()
        self._reaping = threading.Lock()
        self._answers: SimpleQueue[str | None] = SimpleQueue()
        self._complaints: deque[str] = deque(maxlen=20)
        self._readers = [
            threading.Thread(target=self._hear, args=(self.process.stdout,), daemon=True),
            threading.Thread(target=self._note, args=(self.process.stderr,), daemon=True),
        ]
        for thread in (*self._readers, threading.Thread(target=self._watch, daemon=True)):
            thread.start()

    def ask(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Send a request and wait for the answer.

        Raises:
            _GoneError: no answer in time, or the process ended instead.
        """
        stdin = self.process.stdin
        try:
            if stdin is not None:
                stdin.write(json.dumps(request) + "\n")
                stdin.flush()
            line = self._answers.get(timeout=max(seconds, 0.001))
        except Empty:
            self.kill()
            raise _GoneError(_hung(request)) from None
        except (OSError, ValueError):
            line = None  # its end of the pipe is closed: it ended, or close() was called
        if line is None:
            self.ended.wait(timeout=2.0)  # it is on its way out; let it say with what
            self.kill()
            raise _GoneError(self._crashed())
        reply: dict[str, Any] = json.loads(line)
        self.facts.update(reply.get("ready", {}))
        return reply

    def is_gone(self) -> bool:
        """Say whether the process has ended, be it only just."""
        try:
            options = os.WEXITED | os.WNOHANG | os.WNOWAIT
            return os.waitid(os.P_PID, self.process.pid, options) is not None
        except ChildProcessError:
            return True

    def kill(self) -> None:
        """End the process and all that it started; safe to call twice and from any thread."""
        with self._reaping:
            if not self.ended.is_set():
                self._kill_group()
        self.ended.wait()
        for reader in self._readers:
            reader.join(timeout=2.0)

    def _watch(self) -> None:
        """Wait for the end, and end what the process may have left behind before it is reaped.

        Something left behind would hold the pipes open, and nobody would see that the process is
        gone. Its number cannot be taken by another process until it is reaped, here only.
        """
        os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
        with self._reaping:
            self._kill_group()
            self.process.wait()
            self.ended.set()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _hear(self, stdout: IO[str]) -> None:
        for line in stdout:
            self._answers.put(line)
        self._answers.put(None)

    def _note(self, stderr: IO[str]) -> None:
        for line in stderr:
            if line.strip():
                self._complaints.append(line.strip()[:300])

    def _crashed(self) -> Refusal:
        code = self.process.returncode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            return Refusal(
                f"the model's process was ended by {name}",
                Fault.NODE,
                "If it was not stopped by hand, look whether the machine ran out of memory",
                again=True,
            )
        last = self._complaints[-1] if self._complaints else "it said nothing"
        return Refusal(
            f"the model's process ended by itself: {last}",
            Fault.MODEL,
            "Run `radnode models check`; the bundle's golden case shows whether it works at all",
            again=True,
        )


def _hung(request: Mapping[str, Any]) -> Refusal:
    doing = "loading" if request["verb"] == "load" else "looking at the volume"
    return Refusal(
        f"the model was still {doing} when its time was up, and was ended",
        Fault.NODE,
        "Give it more time or more threads in the configuration",
        again=True,
    )


def _check_unchanged(bundle: Bundle) -> None:
    """Hold the bundle on disk against the digest that the shelf gave it, once for each child."""
    try:
        now = tree_hash(bundle.path)
    except (OSError, UnreadableBundleError) as error:
        raise _GoneError(_changed(bundle, str(error))) from error
    if now != bundle.sha256:
        raise _GoneError(_changed(bundle, "its digest is another one"))


def _changed(bundle: Bundle, how: str) -> Refusal:
    return Refusal(
        f"bundle {bundle.path.name} is not what the shelf recorded: {how}",
        Fault.MODEL,
        "Run `radnode models check`",
    )


def _load_request(bundle: Bundle, threads: int) -> dict[str, Any]:
    manifest = bundle.manifest
    recipe = manifest.recipe
    return {
        "verb": "load",
        "engine": bundle.engine,
        "weights": str(bundle.weights),
        "network": recipe.network.as_plain() if recipe.network else None,
        "preprocessing": [step.as_plain() for step in recipe.preprocessing],
        "inferer": recipe.inferer.as_plain(),
        "postprocessing": [step.as_plain() for step in recipe.postprocessing],
        "makes_labels": bool(manifest.segments),
        "input_shape": manifest.input_shape,
        "threads": threads,
        "precision": manifest.precision,
    }


def _findings(
    manifest: Manifest,
    shape: tuple[int, ...],
    reply: Mapping[str, Any],
    facts: Mapping[str, str],
) -> Findings | Refusal:
    """Hold what came back against what the bundle announced."""
    if manifest.segments:
        labels = np.load(reply["labels"], allow_pickle=False)
        if labels.shape != shape:
            return _surprise(f"a label map of {labels.shape} for a volume of {shape}")
        known = {0, *(segment.label for segment in manifest.segments)}
        strangers = set(np.flatnonzero(np.bincount(labels.ravel())).tolist()) - known
        if strangers:
            return _surprise(f"labels that its metadata does not have: {sorted(strangers)}")
        return Findings(labels, seconds=reply["seconds"], facts=dict(facts))
    values = reply["values"]
    if len(values) <= max(entry.index for entry in manifest.classes):
        return _surprise(f"{len(values)} values, fewer than its metadata has classes")
    probabilities = {entry.name: values[entry.index] for entry in manifest.classes}
    if not all(0.0 <= value <= 1.0 for value in probabilities.values()):
        return _surprise("values that are no probabilities; postprocessing must end in 0..1")
    return Findings(None, probabilities, reply["seconds"], dict(facts))


def _surprise(what: str) -> Refusal:
    return Refusal(f"the model made {what}", Fault.MODEL, "Correct the bundle and add it again")
