"""A real Orthanc on free ports of this machine: the PACS of the demonstration and of the tests."""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

TRIES = 3
START_SECONDS = 60.0


def find() -> str | None:
    """Give the path of Orthanc's program, or None where it is not installed."""
    return shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """Give a TCP port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Orthanc:
    """One Orthanc with its own folder and configuration, stopped at the end of a `with`."""

    def __init__(
        self,
        folder: Path,
        *,
        ae_title: str = "ORTHANC",
        modalities: dict[str, list[object]] | None = None,
        port: int = 0,
        settings: dict[str, object] | None = None,
    ) -> None:
        """Prepare; `modalities` maps names to [AE title, host, port] of those it may call.

        `settings` are keys of its configuration, over those that are ours.
        """
        self.folder = folder
        self.ae_title = ae_title
        self._asked = port
        self.port = port or free_port()
        self.http_port = free_port()
        self._modalities = modalities or {}
        self._settings = settings or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._known = False  # others were told its ports

    def __enter__(self) -> Self:
        """Start it, and wait until it answers."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            RuntimeError: it is not installed, or did not come up; its log says why.
        """
        program = find()
        if program is None:
            raise RuntimeError("Orthanc is not installed (apt-get install orthanc)")
        self.folder.mkdir(parents=True, exist_ok=True)
        for _ in range(TRIES):
            self._spawn(program)
            if self._answers():
                self._known = True
                return
            self.stop()
            if not self._known:  # a port that was free may have been taken since
                self.port = self._asked or free_port()
                self.http_port = free_port()
        raise RuntimeError(f"Orthanc did not come up; see {self.folder / 'orthanc.log'}")

    def _spawn(self, program: str) -> None:
        config = self.folder / "orthanc.json"
        config.write_text(json.dumps(self._config(), indent=1))
        with (self.folder / "orthanc.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, str(config)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={"TCP_NODELAY": "1", "PATH": "/usr/bin:/bin"},
            )

    def _answers(self) -> bool:
        """Wait until this very process answers; False if it ended or took too long."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                return False
            try:
                self.get("/system")
            except OSError:
                time.sleep(0.05)
            else:
                return True
        return False

    def kill(self) -> None:
        """End it by SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Stop it; what it stored stays in its folder."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def get(self, path: str) -> Any:
        """GET a path of its REST API, as JSON."""
        return json.loads(self.download(path))

    def download(self, path: str) -> bytes:
        """GET a path of its REST API, as bytes."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=30) as got:
            return bytes(got.read())

    def post(self, path: str, content: object) -> Any:
        """POST to its REST API, as JSON."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http_port}{path}", data=body, method="POST"
        )
        with urllib.request.urlopen(request, timeout=120) as got:
            return json.loads(got.read())

    def delete(self, path: str) -> None:
        """DELETE a resource of its REST API."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http_port}{path}", method="DELETE"
        )
        with urllib.request.urlopen(request, timeout=120):
            pass

    def instances(self, modality: str | None = None) -> list[dict[str, Any]]:
        """Give the tags (by name) of the instances that it holds, of one modality or of all."""
        found = []
        for instance in self.get("/instances"):
            tags = self.get(f"/instances/{instance}/simplified-tags")
            if modality is None or tags.get("Modality") == modality:
                found.append({**tags, "orthanc": instance})
        return found

    def file(self, instance: str) -> bytes:
        """Give the DICOM file of an instance by Orthanc's own id."""
        return self.download(f"/instances/{instance}/file")

    def _config(self) -> dict[str, object]:
        return {
            "Name": "radnode bench",
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "storage"),
            "DicomAet": self.ae_title,
            "DicomPort": self.port,
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomModalities": self._modalities,
            "DicomCheckCalledAet": True,
            "ConcurrentJobs": 2,
            "StableAge": 60,
            "Plugins": [],
            **self._settings,
        }
