"""The in-house sender: one process an association, objects encoded beforehand, every answer timed.

    python -m bench.receive.blaster < job.json

Writes a list to standard output, one entry a process. It needs the standard library only, so that
it starts quickly and takes little from the receiver, with which it shares the machine.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.receive.speaking import PATIENCE_SECONDS, Association, RefusedError, fragments, send


@dataclass(slots=True)
class Outcome:
    """What one process saw: moments of the monotonic clock, and durations, all in seconds."""

    began: float = 0.0
    ended: float = 0.0
    answers: list[float] = field(default_factory=list)
    set_ups: list[float] = field(default_factory=list)
    wholes: list[float] = field(default_factory=list)
    error: str = ""

    def told(self) -> dict[str, Any]:
        """Give it for JSON, durations in whole microseconds."""
        told: dict[str, Any] = {"began": self.began, "ended": self.ended, "error": self.error}
        for name in ("answers", "set_ups", "wholes"):
            told[name] = [round(one * 1e6) for one in getattr(self, name)]
        return told


class Job:
    """The part of one process: where to, how often, and an object whose UIDs can be changed."""

    def __init__(self, job: dict[str, Any], part: dict[str, Any]) -> None:
        """Load the object, and make it one of this part's study and series."""
        described = Path(job["shape"])
        shape = json.loads(described.read_text())
        self.port, self.called = int(job["port"]), str(job["called"])
        self.sop_class = str(shape["sop_class"])
        self.count = int(part["count"])
        self._prefix, self._first = str(job["prefix"]), int(part["first"])
        self._head = bytearray((described.parent / shape["head"]).read_bytes())
        frame = (described.parent / shape["frame"]).read_bytes()
        self.parts = [self._head, *[frame] * int(shape["frames"])]
        self.size = sum(map(len, self.parts))
        study, series, self._place = shape["places"]
        for place, number in ((study, part["study"]), (series, part["series"])):
            self._write(place, self._uid(number))

    def next_uid(self, number: int) -> bytes:
        """Make the object the instance of that number; give its UID."""
        uid = self._uid(self._first + number)
        self._write(self._place, uid)
        return uid

    def _uid(self, number: int) -> bytes:
        return f"{self._prefix}{number:010d}".encode()

    def _write(self, place: int, uid: bytes) -> None:
        self._head[place : place + len(uid)] = uid


def store(job: Job, outcome: Outcome) -> None:
    """One association, all instances through it."""
    with Association(job.port, job.called, job.sop_class) as association:
        outcome.set_ups.append(time.perf_counter() - outcome.began)
        pieces = list(fragments(job.parts, association.maximum))
        for number in range(job.count):
            outcome.answers.append(association.store(job.next_uid(number), pieces))


def single(job: Job, outcome: Outcome) -> None:
    """An association for each instance."""
    for number in range(job.count):
        began = time.perf_counter()
        with Association(job.port, job.called, job.sop_class) as association:
            outcome.set_ups.append(time.perf_counter() - began)
            pieces = list(fragments(job.parts, association.maximum))
            outcome.answers.append(association.store(job.next_uid(number), pieces))
        outcome.wholes.append(time.perf_counter() - began)


def associate(job: Job, outcome: Outcome) -> None:
    """Associate, echo, release, again and again."""
    for _ in range(job.count):
        began = time.perf_counter()
        with Association(job.port, job.called, job.sop_class) as association:
            outcome.set_ups.append(time.perf_counter() - began)
            outcome.answers.append(association.echo())
        outcome.wholes.append(time.perf_counter() - began)


def echo(job: Job, outcome: Outcome) -> None:
    """Echoes through one open association."""
    with Association(job.port, job.called, job.sop_class) as association:
        outcome.answers.extend(association.echo() for _ in range(job.count))


def pour(job: Job, outcome: Outcome) -> None:
    """The same bytes to the floor: a length, the bytes, one byte back."""
    head = job.size.to_bytes(8, "little")
    with socket.create_connection(("127.0.0.1", job.port), timeout=PATIENCE_SECONDS) as connected:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(job.count):
            job.next_uid(number)
            began = time.perf_counter()
            send(connected, (head, *job.parts))
            if not connected.recv(1):
                raise RefusedError("the floor closed the connection")
            outcome.answers.append(time.perf_counter() - began)


MODES: dict[str, Callable[[Job, Outcome], None]] = {
    "store": store,
    "single": single,
    "associate": associate,
    "echo": echo,
    "pour": pour,
}


def main() -> None:
    """Do the job that comes in on standard input."""
    job = json.load(sys.stdin)
    gate, opening = os.pipe()
    running = [_fork(job, part, gate, opening) for part in job["parts"]]
    for reader in running:
        reader.read(1)  # it is ready
    os.close(opening)  # all of them go at once
    outcomes = [json.loads(reader.read()) for reader in running]
    for _ in running:
        os.wait()
    json.dump(outcomes, sys.stdout)


def _fork(job: dict[str, Any], part: dict[str, Any], gate: int, opening: int) -> Any:
    ours, theirs = os.pipe()
    if os.fork():
        os.close(theirs)
        return os.fdopen(ours, "rb")
    os.close(opening)
    outcome = Outcome()
    try:
        prepared = Job(job, part)
        os.write(theirs, b"r")
        os.read(gate, 1)
        outcome.began = time.perf_counter()
        MODES[job["mode"]](prepared, outcome)
    except (RefusedError, OSError) as error:
        outcome.error = str(error) or type(error).__name__
    outcome.ended = time.perf_counter()
    with os.fdopen(theirs, "wb") as writer:
        writer.write(json.dumps(outcome.told()).encode())
    os._exit(0)


if __name__ == "__main__":
    main()
