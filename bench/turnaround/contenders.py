"""Who is compared: each takes a series by C-STORE and has the model's result stored at Orthanc."""

import os
import re
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from bench.orthanc import free_port
from bench.turnaround import watched
from bench.turnaround.launching import running
from bench.turnaround.model import BOXED, NAME
from bench.turnaround.records import MODEL, Run, Step
from node.clock import SystemClock
from node.ledger.opening import open_ledger

EMERGENCY = "STAT"
"""The description of series that a route marks STAT."""
RADNODE, BATCH = "radnode", "radnode, not preparing"
BOX, BOX_BATCH = "radnode, box", "radnode, box, batch"
BOXES = (BOX, BOX_BATCH)
"""Those whose windows lie over the body only, by a network that stood the gate with its box."""
VARIANTS: dict[str, Mapping[str, Mapping[str, object]]] = {
    RADNODE: {},
    "radnode, not streaming": {"preparing": {"streaming": False}},
    BATCH: {"preparing": {"series": 0}},
    BOX: {},
    BOX_BATCH: {"preparing": {"series": 0}},
}
"""Ways of running radnode, each with what differs from the shipped configuration, by section."""


@dataclass(frozen=True, slots=True)
class House:
    """What all of them share: where the model is, and where results go.

    `destination` is its DICOM port, `destination_http` that of its REST interface.
    """

    folder: Path
    shelf: Path
    destination: int
    destination_http: int


class Contender(ABC):
    """Someone who takes series and delivers results; started and stopped by a `with`."""

    called: str
    waits_for: str = "SEG"
    """The modality of the result."""

    def __init__(self, name: str, house: House) -> None:
        """Prepare."""
        self.name = name
        self.house = house
        self.folder = house.folder / name.replace(" ", "-").replace(",", "")
        self.port = free_port()
        self.stack = ExitStack()
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        """Start it, and wait until it takes images."""
        self.folder.mkdir(parents=True)
        self._begin()
        return self

    def _begin(self) -> None:
        with ExitStack() as beginning:
            self.stack = beginning
            self.start()
            self.stack = beginning.pop_all()

    def crash(self) -> None:
        """End all of it by SIGKILL, and start it again over what it had written."""
        self.kill()
        self.stack.close()
        self.processes.clear()
        self._begin()

    def kill(self) -> None:
        """End it by SIGKILL."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.stack.close()

    @abstractmethod
    def start(self) -> None:
        """Start what is needed, each on `stack`."""

    @abstractmethod
    def waiting(self, series: str) -> tuple[float, str]:
        """Give the quiet time by configuration that it waited after a series, and why."""

    @abstractmethod
    def steps(self, since: float) -> list[Step]:
        """Give what it did since a moment, in seconds of the monotonic clock."""

    @abstractmethod
    def runs(self, since: float) -> list[Run]:
        """Give the runs of the model since a moment."""

    def clear(self, series: str) -> None:  # noqa: B027 - not everyone keeps what fills the disk
        """Let go of a series' bytes."""


def as_shipped() -> list[list[str]]:
    """Give the legs of each process that the systemd units start, the listener's first."""
    wanted = []
    for unit in sorted(Path("systemd").glob("*.service"), reverse=True):
        (start,) = re.findall(r"^ExecStart=\S+ run (.*) --config", unit.read_text(), re.MULTILINE)
        wanted.append(start.split())
    return wanted


class Radnode(Contender):
    """radnode as it is shipped, a process a unit; ports, folders, route and variant are ours."""

    called = "RADNODE"

    def start(self) -> None:
        """Start it."""
        self._marks = self.folder / "marks.jsonl"
        self._marks.touch()
        config = self.folder / "config.yaml"
        config.write_text(yaml.safe_dump(self._settings(), sort_keys=False))
        command = [sys.executable, "-m", "bench.turnaround.watched", str(self._marks), "run"]
        for number, legs in enumerate(as_shipped()):
            log = self.folder / f"node-{number}.log"
            started = [*command, *legs, "--config", str(config)]
            process = self.stack.enter_context(running(started, log, "radnode ready"))
            self.processes.append(process)
        self._ledger = open_ledger(None, self.folder / "node", SystemClock())
        self.stack.callback(self._ledger.close)

    def waiting(self, series: str) -> tuple[float, str]:
        """Read from the ledger why it held the series for settled; the reason ends in seconds."""
        rows = [row for row in self._ledger.timeline(series) if row["event"] == "series_settled"]
        if not rows:
            return 0.0, "never settled"
        reason = str(rows[-1]["detail"]["reason"])
        return float(reason.rsplit("nothing came for ", 1)[1].removesuffix(" s")), reason

    def steps(self, since: float) -> list[Step]:
        """Read the stopwatches; the model's steps are taken to end when its answer came."""
        steps: list[Step] = []
        for line in watched.lines(self._marks, since):
            began, ended = line["began"], line["ended"]
            steps.append((line["name"], began, ended))
            if "images" in line:
                steps.append((MODEL, ended - (line["model"] or ended - began), ended))
        return steps

    def runs(self, since: float) -> list[Run]:
        """Read how often the model was asked."""
        lines = watched.lines(self._marks, since)
        return [Run(one["began"], one["images"]) for one in lines if "images" in one]

    def clear(self, series: str) -> None:  # noqa: ARG002 - all of them
        """Cut its images to no length (why: see `bench.receive.receivers`)."""
        for image in (self.folder / "node/spool/instances").rglob("*.dcm"):
            if image.stat().st_size:
                os.truncate(image, 0)

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = yaml.safe_load(Path("config.yaml").read_text())
        settings["node"] |= {
            "host": "127.0.0.1",
            "port": self.port,
            "data_dir": str(self.folder / "node"),
        }
        settings["models"]["dir"] = str(self.house.shelf)
        settings["routes"] = [
            {
                "name": name,
                "when": {"Modality": "CT", "SeriesDescription": description},
                "model": BOXED if self.name in BOXES else NAME,
                "send_to": ["pacs"],
                "stat": description == EMERGENCY,
            }
            for name, description in (("emergency", EMERGENCY), ("ct", "*"))
        ]
        for peer in settings["peers"]:
            if peer["name"] == "pacs":
                peer["port"] = self.house.destination
        for section, wishes in VARIANTS[self.name].items():
            settings[section] |= wishes
        return settings
