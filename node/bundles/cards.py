"""Asks about the one accelerator that this process may use: which it is, how full, how warm.

A unit's own card is the first of CUDA_VISIBLE_DEVICES. Nothing of CUDA is loaded to ask: an NVIDIA
card answers through nvidia-smi, a Jetson through tegrastats. CUDA counts cards by speed unless told
otherwise, nvidia-smi by their place on the bus; so models' processes are told to count by place.
"""

import os
import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

PASSED_ON = ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")
BY_PLACE = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
NOBODYS = ("", "-1", "NoDevFiles", "none", "void")
LOOK_SECONDS = 1.0
"""So long a model runs between two looks at the card; the first comes at once."""
TEGRASTATS = re.compile(r"RAM (\d+)/(\d+)MB")
BUSY = re.compile(r"GR3D_FREQ (\d+)%")
WARM = re.compile(r"\bGPU@([\d.]+)C", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class State:
    """How busy (percent), full (2^20 bytes) and warm (Celsius) a card is; `shared` with the CPU."""

    busy: float
    used_mb: float
    total_mb: float
    warm: float
    shared: bool = False

    def __str__(self) -> str:
        """Say it for a person."""
        whose = ", shared with the processor" if self.shared else ""
        return (
            f"{self.busy:.0f} % busy, {self.used_mb:.0f} of {self.total_mb:.0f} MiB used{whose}, "
            f"{self.warm:.0f} C"
        )


def own_card() -> str | None:
    """Name the unit's own card as nvidia-smi takes it (number or UUID), None for none."""
    said = os.environ.get("CUDA_VISIBLE_DEVICES")  # noqa: TID251 - the driver's own setting
    if said is None:
        return "0"
    first = said.split(",")[0].strip()
    return None if first in NOBODYS else first


def variables() -> dict[str, str]:
    """Give a model's process what says which card it may use, and nothing else of ours."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}  # noqa: TID251
    return {**BY_PLACE, **kept}


def card_name() -> str:
    """Give the own card's name, compute capability and driver; "" when there is none."""
    return _asked("name,compute_cap,driver_version")


def state() -> State | None:
    """Look at the own card; None when nothing can tell."""
    said = _asked("utilization.gpu,memory.used,memory.total,temperature.gpu", "nounits")
    try:
        busy, used, total, warm = (float(one) for one in said.split(", "))
    except ValueError:
        return _jetsons(_first_line(("tegrastats", "--interval", "100")))
    return State(busy, used, total, warm)


@cache
def own_memory_mb() -> tuple[float, bool]:
    """Say how much memory the own card has, and whether the processor has the same; 0: unknown."""
    found = state()
    return (found.total_mb, found.shared) if found is not None else (0.0, False)


def _asked(what: str, *more: str) -> str:
    card = own_card()
    if card is None:
        return ""
    form = ",".join(("csv", "noheader", *more))
    return _first_line(("nvidia-smi", "-i", card, f"--query-gpu={what}", f"--format={form}"))


def _first_line(command: Sequence[str]) -> str:
    """Give the first line that a program prints, and end it: tegrastats goes on for ever."""
    try:
        asked = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError:
        return ""
    alarm = threading.Timer(20.0, asked.kill)
    alarm.start()
    with asked:
        line = asked.stdout.readline() if asked.stdout is not None else b""
        if command[0] == "tegrastats":
            asked.kill()
    alarm.cancel()
    failed = asked.returncode != 0 and command[0] != "tegrastats"
    return "" if failed else line.decode("utf-8", "replace").strip()


def _jetsons(line: str) -> State | None:
    memory, busy, warm = (p.search(line) for p in (TEGRASTATS, BUSY, WARM))
    if memory is None:
        return None
    return State(
        float(busy.group(1)) if busy else 0.0,
        float(memory.group(1)),
        float(memory.group(2)),
        float(warm.group(1)) if warm else 0.0,
        shared=True,
    )


class Watch:
    """Looks at the own card while a model runs, and tells the most of what was seen."""

    def __init__(self, *, looks: bool = True) -> None:
        """With `looks` false nothing is done: there is no card at work."""
        self._seen: list[State] = []
        self._ended = threading.Event()
        self._looks = looks
        self._thread = threading.Thread(target=self._look, name="card", daemon=True)

    def __enter__(self) -> "Watch":
        """Begin to look."""
        if self._looks:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop looking; whoever is waiting need not wait for the last look."""
        self._ended.set()

    def told(self) -> Mapping[str, str]:
        """Give what goes into a job's facts; nothing when nobody could tell."""
        seen = list(self._seen)
        if not seen:
            return {}
        most = State(
            max(one.busy for one in seen),
            max(one.used_mb for one in seen),
            seen[0].total_mb,
            max(one.warm for one in seen),
            shared=seen[0].shared,
        )
        return {"card": f"{most} at most, in {len(seen)} looks while it ran"}

    def _look(self) -> None:
        while not self._ended.is_set():
            found = state()
            if found is None:
                return
            self._seen.append(found)
            self._ended.wait(LOOK_SECONDS)
