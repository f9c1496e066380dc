"""The rounds: every condition to every receiver, interleaved, each run written down whole."""

import os
import platform
import random
import shutil
import subprocess
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.receive import processes, table
from bench.receive.conditions import CONDITIONS, MULTIFRAME_FRAMES, Condition
from bench.receive.expectations import judge
from bench.receive.objects import shapes
from bench.receive.receivers import PROMISES, Receiver, everyone
from bench.receive.records import Record
from bench.receive.sending import Sender, Sending, SendingError

WARM_UP = 0.2
"""What the first round, which is not counted, sends of each condition."""
LEAST_FREE = 20e9
"""Bytes of disk that must be free: what Orthanc and radnode keep in one round, and a margin."""
FORGETTING_SECONDS = 65.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured; empty names mean all."""

    rounds: int
    folder: Path
    share: float = 1.0
    conditions: Collection[str] = ()
    receivers: Collection[str] = ()


def measure(plan: Plan) -> dict[str, object]:
    """Measure, print the table and what became of the expectations, and give every raw figure.

    Raises:
        RuntimeError: a receiver does not start, or the disk is too full to measure on.
    """
    began = time.monotonic()
    folder = plan.folder.resolve()
    begin_empty(folder)
    if shutil.disk_usage(folder).free < LEAST_FREE * plan.share:
        raise RuntimeError(f"less than {LEAST_FREE * plan.share / 1e9:.0f} GB are free at {folder}")
    found, missing = everyone(folder / "receivers")
    wanted = [one for one in found if not plan.receivers or one.name in plan.receivers]
    conditions = [one for one in CONDITIONS if not plan.conditions or one.title in plan.conditions]
    for line in missing:
        print(f"left out: {line}")
    frames = max(1, round(MULTIFRAME_FRAMES * plan.share))
    sender = Sender(folder / "objects", list(shapes(frames)))
    records: list[Record] = []
    with ExitStack() as stack:
        for receiver in wanted:
            receiver.start()
            stack.callback(receiver.stop)
        for number in range(plan.rounds + 1):
            share = plan.share * (1.0 if number else WARM_UP)
            ran = list(_round(number, sender, wanted, conditions, share))
            records += ran if number else []
            failed = sum(bool(record.error) for record in ran)
            took = time.monotonic() - began
            print(f"round {number} of {plan.rounds}: {took:.0f} s, {failed} failed", flush=True)
            for why in sorted({record.error for record in ran} - {""}):
                print(f"  {why}")
    empty(folder)
    judged = judge(records)
    table.show(conditions, records)
    table.show_judged(judged)
    return {
        "machine": machine(),
        "promises": PROMISES,
        "left_out": missing,
        "seconds": time.monotonic() - began,
        "expectations": [asdict(one) for one in judged],
        "records": [asdict(record) for record in records],
    }


def begin_empty(folder: Path) -> None:
    """Empty the folder, if need be, and wait until the file system has forgotten of it.

    For a minute after files were deleted ext4 takes longer to make new ones (see `receivers`).
    """
    if not folder.exists() or any(folder.iterdir()):
        existed = folder.exists()
        empty(folder)
        if not existed:
            return
    wait = folder.stat().st_mtime + FORGETTING_SECONDS - time.time()
    if wait > 0:
        print(f"waiting {wait:.0f} s: files were deleted here a moment ago")
        time.sleep(wait)


def empty(folder: Path) -> None:
    """Leave the folder there with nothing in it, and the time of that as its own."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _round(
    number: int,
    sender: Sender,
    receivers: Sequence[Receiver],
    conditions: Sequence[Condition],
    share: float,
) -> Iterator[Record]:
    if number:
        for receiver in receivers:
            receiver.renew()
        for receiver in receivers:  # nobody's first instance is measured
            _one(number, sender, receiver, conditions[0], 0.02)
    for condition in conditions:
        if not number and condition.count == 1:
            continue  # the multiframe warms nothing up
        taking_part = [one for one in receivers if one.name in condition.receivers]
        for receiver in random.sample(taking_part, len(taking_part)):
            yield _one(number, sender, receiver, condition, share)


def _one(
    number: int, sender: Sender, receiver: Receiver, condition: Condition, share: float
) -> Record:
    """Send one condition to one receiver, once nothing of the one before is left to be written."""
    began = time.monotonic()
    record = Record(number, condition.title, receiver.name)
    parts = sender.prepare(condition, receiver, share)
    os.sync()
    before = processes.cpu_seconds(receiver.pid)
    try:
        with processes.Memory(receiver.pid) as memory:
            sending = sender.send(condition, receiver, parts)
    except SendingError as error:
        record.error = receiver.end() or str(error)
    else:
        _note(record, sending)
        record.resident_mb = memory.peak / 1e6
        spent = processes.settled_cpu_seconds(receiver.pid) - before
        record.cpu_ms = spent / sending.count * 1e3
        if condition.stores:
            record.arrived = receiver.arrived(sending.series)
    if not receiver.end():
        receiver.clear()
    record.all_seconds = time.monotonic() - began
    return record


def _note(record: Record, sending: Sending) -> None:
    record.count = sending.count
    record.seconds = sending.seconds
    record.size = sending.size
    record.answers_us = [round(one * 1e6) for one in sending.answers]
    record.set_ups_us = [round(one * 1e6) for one in sending.set_ups]
    record.wholes_us = [round(one * 1e6) for one in sending.wholes]


def machine() -> dict[str, Any]:
    """Say what was measured on, and which versions."""
    versions = {
        name: _first_line([name, "--version"]) for name in ("storescp", "dcmsend", "Orthanc")
    }
    return {
        "cores": os.cpu_count(),
        "system": platform.release(),
        "python": platform.python_version(),
        "at": time.strftime("%Y-%m-%d %H:%M:%S"),
        "load": os.getloadavg(),
        **versions,
    }


def _first_line(command: list[str]) -> str:
    program = shutil.which(command[0]) or shutil.which(command[0], path="/usr/sbin")
    if program is None:
        return ""
    said = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False)
    return (said.stdout.splitlines() or [""])[0]
