"""Sends one condition to one receiver and gives what the sender saw, in plain figures."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.receive.conditions import TOOLS, Condition
from bench.receive.objects import Shape, Uids
from bench.receive.receivers import FLOOR, FLOOR_SYNCED, SENDER_ENVIRONMENT, Receiver

PATIENCE_SECONDS = 300.0


class SendingError(Exception):
    """The sender did not get through; the text says what it was told."""


@dataclass(slots=True)
class Sending:
    """What the sender saw: durations in seconds; `series` is what was answered with Success."""

    seconds: float
    size: int
    count: int
    answers: list[float] = field(default_factory=list)
    set_ups: list[float] = field(default_factory=list)
    wholes: list[float] = field(default_factory=list)
    series: dict[str, set[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """What one association sends, in numbers of `Uids`."""

    study: int
    series: int
    first: int
    count: int


class Sender:
    """Everything that sends, with objects made once and UIDs given once."""

    def __init__(self, folder: Path, shapes: Sequence[Shape]) -> None:
        """Lay the objects down in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._shapes = {shape.name: shape for shape in shapes}
        self._described = {shape.name: shape.keep(folder) for shape in shapes}
        self._uids = Uids()

    def prepare(self, condition: Condition, receiver: Receiver, share: float) -> list[Part]:
        """Give each association its UIDs; for a tool, write them into the files it will send."""
        count = condition.per_association(share * receiver.share)
        study = self._uids.take()
        parts = [
            Part(study, self._uids.take(), self._uids.take(count), count)
            for _ in range(condition.associations)
        ]
        if condition.sender in TOOLS:
            for number, part in enumerate(parts):
                self._write(self._shapes[condition.shape], number, part)
        return parts

    def send(self, condition: Condition, receiver: Receiver, parts: Sequence[Part]) -> Sending:
        """Send what was prepared.

        Raises:
            SendingError: not all of it was accepted.
        """
        if condition.sender in TOOLS:
            sending = self._by_tool(condition, receiver, parts)
        else:
            sending = self._by_blaster(condition, receiver, parts)
        if condition.stores:
            sending.series = {
                self._uids.text(part.series): {
                    self._uids.text(part.first + number) for number in range(part.count)
                }
                for part in parts
            }
        return sending

    def _by_blaster(
        self, condition: Condition, receiver: Receiver, parts: Sequence[Part]
    ) -> Sending:
        on_floor = receiver.name in (FLOOR, FLOOR_SYNCED)
        job = {
            "mode": "pour" if on_floor else condition.sender,
            "port": receiver.port,
            "called": receiver.called,
            "shape": str(self._described[condition.shape]),
            "prefix": self._uids.prefix,
            "parts": [{name: getattr(part, name) for name in Part.__slots__} for part in parts],
        }
        command = [sys.executable, "-m", "bench.receive.blaster"]
        ran = _run(command, json.dumps(job))
        outcomes: list[dict[str, Any]] = json.loads(ran)
        errors = {outcome["error"] for outcome in outcomes} - {""}
        if errors:
            raise SendingError("; ".join(sorted(errors)))
        count = sum(part.count for part in parts)
        began = min(outcome["began"] for outcome in outcomes)
        seconds = max(outcome["ended"] for outcome in outcomes) - began
        sending = Sending(seconds, count * self._shapes[condition.shape].size, count)
        for name in ("answers", "set_ups", "wholes"):
            values = getattr(sending, name)
            values.extend(one / 1e6 for outcome in outcomes for one in outcome[name])
        return sending

    def _by_tool(self, condition: Condition, receiver: Receiver, parts: Sequence[Part]) -> Sending:
        where = ["127.0.0.1", str(receiver.port)]
        titles = ["-aet", "BLASTER", "-aec", receiver.called]
        only_needed = ["-R"] if condition.sender == "storescu" else []
        began = time.perf_counter()
        running = [
            subprocess.Popen(
                [condition.sender, *titles, *only_needed, "+sd", *where, str(self._files(*one))],
                env=SENDER_ENVIRONMENT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            for one in enumerate(parts)
        ]
        ended = [(process.communicate(), process.returncode) for process in running]
        seconds = time.perf_counter() - began
        failed = [said.decode(errors="replace") for (_, said), code in ended if code]
        if failed:
            raise SendingError(failed[0].strip()[-300:] or f"{condition.sender} failed")
        count = sum(part.count for part in parts)
        return Sending(seconds, count * self._shapes[condition.shape].size, count)

    def _files(self, number: int, part: Part) -> Path:
        return self._folder / f"files-{number}-of-{part.count}"

    def _write(self, shape: Shape, number: int, part: Part) -> None:
        folder = self._files(number, part)
        uids = [
            tuple(map(self._uids.text, (part.study, part.series, part.first + one)))
            for one in range(part.count)
        ]
        shape.write_files(folder, [(study, series, sop) for study, series, sop in uids])


def _run(command: Sequence[str], given: str) -> str:
    try:
        ran = subprocess.run(
            command,
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise SendingError(str(error.stderr).strip()[-300:]) from error
    except subprocess.TimeoutExpired as error:
        raise SendingError(f"no end after {PATIENCE_SECONDS:.0f} s") from error
    return ran.stdout
