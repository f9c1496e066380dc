"""Who is compared: each started as its own process, counted, emptied, and stopped.

What each promises when it answers Success differs, and the table says it beside its name.

Nothing is deleted before the end: ext4 looks at every inode that was freed in the last minute
before it gives out another one, so that after a few thousand deletions each new file costs half a
millisecond more, whoever writes it. What was counted is cut to no length instead.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import yaml

from bench import orthanc
from bench.receive.speaking import MAXIMUM_PDU
from node import config
from node.clock import SystemClock
from node.ledger.opening import Ledger, open_ledger

START_SECONDS = 30.0
ARRIVAL_SECONDS = 30.0
"""What was answered for must be in the ledger after so long: rows follow the answer in batches."""
ANSWER_SECONDS = 120.0
LONG_SECONDS = 86_400

FLOOR, FLOOR_SYNCED = "floor", "floor, synced"
STORESCP_SHIPPED, STORESCP, STORESCP_B = "storescp as shipped", "storescp", "storescp +B"
ORTHANC_SHIPPED, ORTHANC, ORTHANC_NO_SYNC = "Orthanc as shipped", "Orthanc", "Orthanc, no sync"
PLAIN = "plain pynetdicom"
RADNODE, RADNODE_NONE, RADNODE_TWO = "radnode", "radnode, no sync", "radnode, 2 processes"
AS_SHIPPED = (STORESCP_SHIPPED, ORTHANC_SHIPPED)
"""Without TCP_NODELAY and with short PDUs; shown, and nothing claimed from it."""
SLOW = 0.2
"""What the slow ones get of a condition's instances."""

PROMISES = {
    FLOOR: "page cache",
    FLOOR_SYNCED: "synced",
    STORESCP_SHIPPED: "page cache",
    STORESCP: "page cache",
    STORESCP_B: "page cache",
    ORTHANC_SHIPPED: "synced, indexed",
    ORTHANC: "synced, indexed",
    ORTHANC_NO_SYNC: "page cache, indexed",
    PLAIN: "page cache",
    RADNODE: "synced, indexed",
    RADNODE_NONE: "page cache, indexed",
    RADNODE_TWO: "synced, indexed",
}
"""Every receiver in the table's order, and what it promises with 0x0000."""

SentSeries = Mapping[str, Collection[str]]
"""What was answered with Success: the instances' UIDs by series."""


class Receiver:
    """A receiver that keeps a file for each instance in one folder.

    `share` is the part of a condition's instances that it is given: the slow ones get fewer, or
    most of the time would go to them.
    """

    called = "RADNODE"

    def __init__(self, name: str, folder: Path, command: Sequence[str], share: float = 1.0) -> None:
        """Prepare; in `command`, {port} and {folder} are filled in at the start."""
        self.name = name
        self.share = share
        self.port = orthanc.free_port()
        self.folder = folder
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._put_aside = 0

    @property
    def pid(self) -> int:
        """Its main process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it listens.

        Raises:
            RuntimeError: it does not; its log says why.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        filled = [part.format(port=self.port, folder=self.folder) for part in self._command]
        self._launch(filled, _environment(no_delay=self.name not in AS_SHIPPED))
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"{self.name} did not start; see {self._log}")

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def renew(self) -> None:
        """Begin a round; one that has ended is started again."""
        if self.end():
            self.start()

    def end(self) -> str:
        """Say how it ended although nobody stopped it; "" while it runs."""
        code = None if self._process is None else self._process.poll()
        return "" if code is None else f"{self.name} had ended with code {code}"

    def arrived(self, sent: SentSeries) -> int:  # noqa: ARG002 - the base knows no series
        """Count what of it has been kept, and nothing else may have been."""
        return sum(1 for entry in os.scandir(self.folder) if entry.is_file())

    def clear(self) -> None:
        """Put what was kept aside, emptied, so that the disk does not fill."""
        aside = self._aside()
        for file in list(self.folder.iterdir()):
            os.truncate(file, 0)
            file.rename(aside / file.name)

    def _aside(self) -> Path:
        """Make a new folder for what is done with."""
        self._put_aside += 1
        aside = self.folder.with_name(f"{self.folder.name}-{self._put_aside}")
        aside.mkdir()
        return aside

    def _begin_anew(self) -> None:
        """Stop, put everything aside, and start with an empty folder."""
        self.stop()
        for parent, _, names in os.walk(self.folder):
            for name in names:
                os.truncate(Path(parent) / name, 0)
        self.folder.rename(self._aside() / "kept")
        self.start()

    @property
    def _log(self) -> Path:
        return self.folder.with_suffix(".log")

    def _launch(self, command: Sequence[str], environment: dict[str, str]) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if "node" in command else log,
                stderr=log,
                env=environment,
            )


class OrthancReceiver(Receiver):
    """Orthanc, counted and emptied through its REST API."""

    called = "ORTHANC"

    def __init__(self, name: str, folder: Path, settings: Mapping[str, object]) -> None:
        """Prepare; `settings` are added to those without which it would not run beside others."""
        config_file = folder.with_suffix(".json")
        super().__init__(name, folder, (orthanc.find() or "Orthanc", str(config_file)), SLOW)
        self._http_port = orthanc.free_port()
        self._counted = 0
        content = {
            "Name": "bench",
            "StorageDirectory": str(folder),
            "IndexDirectory": str(folder),
            "DicomAet": self.called,
            "DicomPort": self.port,
            "HttpPort": self._http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "Plugins": [],
        }
        config_file.write_text(json.dumps({**content, **settings}))

    def renew(self) -> None:
        """Begin anew with nothing."""
        self._begin_anew()
        self._counted = 0

    def arrived(self, sent: SentSeries) -> int:  # noqa: ARG002 - it is asked after each sending
        """Ask its index how many have come since it was last asked."""
        before = self._counted
        self._counted = int(json.loads(self._ask("/statistics"))["CountInstances"])
        return self._counted - before

    def clear(self) -> None:
        """Leave its files alone while it runs; what came uncounted is not to be counted later."""
        self.arrived({})

    def _ask(self, path: str) -> bytes:
        address = f"http://127.0.0.1:{self._http_port}{path}"
        with urllib.request.urlopen(address, timeout=ANSWER_SECONDS) as answer:
            return bytes(answer.read())


class RadnodeReceiver(Receiver):
    """The listener alone, as systemd runs it; new, with an empty folder, in each round."""

    def __init__(self, name: str, folder: Path, settings: Mapping[str, object]) -> None:
        """Prepare; `settings` are added to the section node."""
        config_file = folder.with_suffix(".yaml")
        command = (sys.executable, "-m", "node", "run", "receive", "--config", str(config_file))
        super().__init__(name, folder, command)
        self._ledger: Ledger | None = None
        own: dict[str, object] = {
            "ae_title": self.called,
            "host": "127.0.0.1",
            "port": self.port,
            "data_dir": str(folder),
            "log_level": "warning",
        }
        content = {
            "node": {**own, **settings},
            "peers": [{"name": "any", "ae_title": "*", "host": "127.0.0.1", "may": ["store"]}],
            "settling": {"quiet_seconds": LONG_SECONDS},
        }
        folder.parent.mkdir(parents=True, exist_ok=True)
        config_file.write_text(yaml.safe_dump(content))
        config.load(config_file)  # complains before anything is started

    def start(self) -> None:
        """Start it, and wait for its word that it is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._launch(self._command, _environment(no_delay=False))
        assert self._process is not None
        assert self._process.stdout is not None
        if b"ready" not in self._process.stdout.readline():
            raise RuntimeError(f"{self.name} did not start; see {self._log}")
        self._ledger = open_ledger(None, self.folder, SystemClock())

    def stop(self) -> None:
        """Stop it."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None
        super().stop()

    def renew(self) -> None:
        """Begin anew with nothing."""
        self._begin_anew()

    def arrived(self, sent: SentSeries) -> int:
        """Count the rows for what was answered; -1 when there are others in its series."""
        deadline = time.monotonic() + ARRIVAL_SECONDS
        found = self._rows(sent)
        while 0 <= found < sum(map(len, sent.values())) and time.monotonic() < deadline:
            time.sleep(0.05)
            found = self._rows(sent)
        return found

    def clear(self) -> None:
        """Leave its files alone while it runs; they go with the round."""

    def _rows(self, sent: SentSeries) -> int:
        assert self._ledger is not None
        count = 0
        for series, uids in sent.items():
            rows = {one.sop_instance_uid for one in self._ledger.instances_of(series, 1)}
            if rows - set(uids):
                return -1
            count += len(rows)
        return count


def everyone(folder: Path) -> tuple[list[Receiver], list[str]]:
    """Prepare all receivers that can be had here, and say of the others why not."""
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Receiver] = []
    missing: list[str] = []
    for number, (name, prepare) in enumerate(_LINE_UP.items()):
        try:
            found.append(prepare(name, folder / f"{number:02d}"))
        except (config.ConfigError, FileNotFoundError) as error:
            missing.append(f"{name}: {str(error).rpartition('/')[2]}")
    return found, missing


def _program(*command: str, share: float = 1.0) -> Callable[[str, Path], Receiver]:
    def prepare(name: str, folder: Path) -> Receiver:
        if shutil.which(command[0]) is None:
            raise FileNotFoundError(f"{command[0]} is not installed")
        return Receiver(name, folder, command, share)

    return prepare


def _module(*command: str, share: float = 1.0) -> Callable[[str, Path], Receiver]:
    return _program(sys.executable, "-m", *command, share=share)


def _orthanc(**settings: object) -> Callable[[str, Path], Receiver]:
    def prepare(name: str, folder: Path) -> Receiver:
        if orthanc.find() is None:
            raise FileNotFoundError("Orthanc is not installed")
        return OrthancReceiver(name, folder, settings)

    return prepare


def _radnode(**settings: object) -> Callable[[str, Path], Receiver]:
    return lambda name, folder: RadnodeReceiver(name, folder, settings)


_PDU = str(MAXIMUM_PDU)
_STORESCP = ("storescp", "-dhl", "-od", "{folder}")
_TUNED = ("--fork", "-pdu", _PDU, "{port}")
_LINE_UP: dict[str, Callable[[str, Path], Receiver]] = {
    FLOOR: _module("bench.receive.floor", "{port}", "{folder}", "none"),
    FLOOR_SYNCED: _module("bench.receive.floor", "{port}", "{folder}", "instance"),
    STORESCP_SHIPPED: _program(*_STORESCP, "{port}"),
    STORESCP: _program(*_STORESCP, *_TUNED),
    STORESCP_B: _program(*_STORESCP, "+B", *_TUNED),
    ORTHANC_SHIPPED: _orthanc(),
    ORTHANC: _orthanc(MaximumPduLength=MAXIMUM_PDU, SyncStorageArea=True),
    ORTHANC_NO_SYNC: _orthanc(MaximumPduLength=MAXIMUM_PDU, SyncStorageArea=False),
    PLAIN: _module("bench.receive.plain", "{port}", "{folder}", share=SLOW),
    RADNODE: _radnode(),
    RADNODE_NONE: _radnode(durable="none"),
    RADNODE_TWO: _radnode(processes=2),
}


def _environment(*, no_delay: bool) -> dict[str, str]:
    """Our own environment, with DCMTK's switch against Nagle's algorithm or without."""
    clean = {name: value for name, value in os.environ.items() if name != "TCP_NODELAY"}
    return {**clean, "TCP_NODELAY": "1"} if no_delay else clean


SENDER_ENVIRONMENT = _environment(no_delay=True)
