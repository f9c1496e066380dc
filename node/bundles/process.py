"""One process that runs a model: asked in lines of JSON, watched, and ended with all its own."""

import json
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any

from node.rules.failures import Fault, Refusal

VMSTAT = Path("/proc/vmstat")


class GoneError(Exception):
    """The process is dead or was killed; holds what the caller is told.

    `hung` says that its time was up, `starved` that it died for lack of memory: it said so, or the
    kernel ended processes for their memory while it was at work.
    """

    def __init__(self, refusal: Refusal, *, hung: bool = False, starved: bool = False) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal
        self.hung = hung
        self.starved = starved


class Child:
    """One child process, the lines it says and the last things it complained about.

    `facts` is what it said of itself when it was ready, `memory_mb` what it last said to hold,
    `card_mb` the same of an accelerator's memory.
    """

    def __init__(self, python: str, variables: Mapping[str, str]) -> None:
        """Start it with nothing but these variables in its environment."""
        self.facts: dict[str, str] = {}
        self.memory_mb = 0.0
        self.card_mb = 0.0
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
            GoneError: no answer in time, or the process ended instead.
        """
        stdin = self.process.stdin
        killed = _killed_for_memory()
        try:
            if stdin is not None:
                stdin.write(json.dumps(request) + "\n")
                stdin.flush()
            line = self._answers.get(timeout=max(seconds, 0.001))
        except Empty:
            self.kill()
            raise GoneError(_hung(request), hung=True) from None
        except (OSError, ValueError):
            line = None  # its end of the pipe is closed: it ended, or close() was called
        if line is None:
            self.ended.wait(timeout=2.0)  # it is on its way out; let it say with what
            self.kill()
            starved = _killed_for_memory() > killed or self._complained_of_memory()
            raise GoneError(self._crashed(), starved=starved)
        reply: dict[str, Any] = json.loads(line)
        self.facts.update(reply.get("ready", {}))
        self.memory_mb = float(reply.get("memory_mb", self.memory_mb))
        self.card_mb = float(reply.get("card_mb", self.card_mb))
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

    def _complained_of_memory(self) -> bool:
        said = " ".join(self._complaints)
        return "MemoryError" in said or "bad_alloc" in said

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


def _killed_for_memory() -> int:
    """Count the processes that the kernel has ended for their memory since it started."""
    try:
        text = VMSTAT.read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if "oom_kill " in line), 0)
