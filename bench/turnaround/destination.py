"""The PACS that results go to: an Orthanc that says at once what it has stored."""

import hashlib
import io
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Condition, Thread
from types import TracebackType
from typing import Self

import pydicom

from bench.orthanc import Orthanc

_SCRIPT = """
function OnStoredInstance(instanceId, tags, metadata)
   HttpPost('http://127.0.0.1:{port}/', instanceId)
end
"""
"""Orthanc calls it once an instance is in its index (Orthanc Book, "Server-side scripting")."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """An object that was stored: when, in seconds of the monotonic clock, and what it is."""

    at: float
    study: str
    modality: str
    sop_instance_uid: str
    orthanc: str


class Destination:
    """An Orthanc, and a little server that it tells of each instance that it has stored."""

    def __init__(self, folder: Path) -> None:
        """Prepare both."""
        self._news = Condition()
        self._told: list[tuple[float, str]] = []
        self._known: dict[str, Arrived] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        script = folder / "told.lua"
        folder.mkdir(parents=True)
        script.write_text(_SCRIPT.format(port=self._server.server_port))
        self.orthanc = Orthanc(folder, settings={"LuaScripts": [str(script)]})

    def __enter__(self) -> Self:
        """Start both."""
        Thread(target=self._server.serve_forever, daemon=True).start()
        self.orthanc.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop both."""
        self.orthanc.stop()
        self._server.shutdown()
        self._server.server_close()

    def wait_for(self, study: str, modality: str, seconds: float, count: int = 1) -> Arrived | None:
        """Wait until so many objects of a modality are there; give the last, or None in time."""
        deadline = time.monotonic() + seconds
        while True:
            with self._news:
                seen = len(self._told)
            found = [one for one in self.arrived(study) if one.modality == modality]
            if len(found) >= count:
                return found[count - 1]
            with self._news:
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                if len(self._told) == seen:
                    self._news.wait(left)

    def arrived(self, study: str) -> list[Arrived]:
        """Give what is there of a study, in the order in which it came."""
        with self._news:
            told = list(self._told)
        return [one for one in (self._look(*what) for what in told) if one.study == study]

    def frames_of(self, what: Arrived) -> str:
        """Give the digest of all frames of a segmentation."""
        stored = pydicom.dcmread(io.BytesIO(self.orthanc.file(what.orthanc)))
        return hashlib.sha256(stored.PixelData).hexdigest()

    def _look(self, at: float, instance: str) -> Arrived:
        if instance not in self._known:
            tags = self.orthanc.get(f"/instances/{instance}/simplified-tags")
            uids = (tags["StudyInstanceUID"], tags["Modality"], tags["SOPInstanceUID"])
            self._known[instance] = Arrived(at, *uids, instance)
        return self._known[instance]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Told(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                at = time.monotonic()
                instance = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
                with outer._news:
                    outer._told.append((at, instance))
                    outer._news.notify_all()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Told
