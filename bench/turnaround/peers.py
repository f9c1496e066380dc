"""The peers: Orthanc's stable-series event with a script behind it, and dicom-ai-router."""

import json
import secrets
import shutil
import subprocess
import venv
from pathlib import Path
from typing import Any

import yaml

from bench.orthanc import Orthanc
from bench.turnaround.contenders import Contender, House
from bench.turnaround.launching import running
from bench.turnaround.records import Run, Step

STABLE_AS_SHIPPED, STABLE_SAFE = 60, 7
"""Seconds of StableAge: Orthanc's own, and the fewest whole ones that a stall of 6 s, with the
association open, does not break (with 6 the stall and the next image race each other)."""

ROUTER = "dicom-ai-router"
ROUTER_PACKAGE = "dicom-ai-router==0.3.0"
ROUTER_QUIET_SECONDS = 3.0

_SCRIPT = """
function OnStableSeries(seriesId, tags, metadata)
   HttpPost('http://127.0.0.1:{worker}/stable/{own}', seriesId)
end
"""


def orthanc_name(stable: int) -> str:
    """Name the Orthanc that waits for so many seconds."""
    return f"Orthanc, StableAge {stable}"


class Asking(Contender):
    """One who asks the worker; what was done then is read from the worker's records."""

    def __init__(self, name: str, house: House, worker: int, records: Path) -> None:
        """Prepare; `worker` is its port."""
        super().__init__(name, house)
        self._worker = worker
        self._records = records

    def steps(self, since: float) -> list[Step]:
        """Read what the worker did."""
        return [(n, begin, end) for one in self._lines(since) for n, begin, end in one["steps"]]

    def runs(self, since: float) -> list[Run]:
        """Read how often the worker was asked."""
        return [Run(one["began"], one["images"]) for one in self._lines(since)]

    def _lines(self, since: float) -> list[dict[str, Any]]:
        lines = map(json.loads, self._records.read_text().splitlines())
        return [one for one in lines if one["began"] >= since]


class StableSeries(Asking):
    """An Orthanc that tells the worker of each series that has become stable."""

    called = "ORTHANC"

    def __init__(self, stable: int, house: House, worker: int, records: Path) -> None:
        """Prepare one whose StableAge is so many seconds."""
        super().__init__(orthanc_name(stable), house, worker, records)
        self._stable = stable

    def start(self) -> None:
        """Start it."""
        script = self.folder / "stable.lua"
        settings: dict[str, object] = {"LuaScripts": [str(script)], "StableAge": self._stable}
        self._orthanc = Orthanc(self.folder, port=self.port, settings=settings)
        script.write_text(_SCRIPT.format(worker=self._worker, own=self._orthanc.http_port))
        self._orthanc.start()
        self.stack.callback(self._orthanc.stop)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._orthanc.kill()

    def waiting(self, series: str) -> tuple[float, str]:  # noqa: ARG002 - the same for all
        """Give its StableAge."""
        return float(self._stable), "StableAge"

    def clear(self, series: str) -> None:  # noqa: ARG002 - all of it
        """Delete what it holds."""
        for one in self._orthanc.get("/patients"):
            self._orthanc.delete(f"/patients/{one}")


class Router(Asking):
    """dicom-ai-router as it is shipped, but for ports and folders; its model is the worker.

    It stores a report and a picture, no segmentation: the clock stops at the report.
    """

    called = "AIROUTER"
    waits_for = "SR"

    def start(self) -> None:
        """Start it.

        Raises:
            RuntimeError: it cannot be installed, or does not start.
        """
        python = install(Path(".demo/cache"))
        packages = next(python.parent.parent.glob("lib/python3*/site-packages"))
        settings = yaml.safe_load((packages / "airouter/_data/router.yaml").read_text())
        settings["router"] |= {"port": self.port, "workdir": str(self.folder / "data")}
        settings["router"]["bind_address"] = "127.0.0.1"
        settings["pacs"] |= {"ae_title": "ORTHANC", "port": self.house.destination}
        for endpoint in settings["ai_endpoints"].values():
            endpoint["url"] = f"http://127.0.0.1:{self._worker}/infer"
        config = self.folder / "router.yaml"
        config.write_text(yaml.safe_dump(settings, sort_keys=False))
        command = [str(python), "-u", "-m", "airouter", "serve", "--config", str(config)]
        salt = {"AIROUTER_DEID_SALT": secrets.token_hex(32)}
        log = self.folder / "router.log"
        process = self.stack.enter_context(running(command, log, "AIROUTER up", salt))
        self.processes.append(process)

    def waiting(self, series: str) -> tuple[float, str]:  # noqa: ARG002 - the same for all
        """Give its study_quiet_seconds."""
        return ROUTER_QUIET_SECONDS, "study_quiet_seconds"

    def clear(self, series: str) -> None:  # noqa: ARG002 - its folders are named by study
        """Delete what it holds."""
        shutil.rmtree(self.folder / "data/inbox", ignore_errors=True)
        (self.folder / "data/inbox").mkdir()


def install(cache: Path) -> Path:
    """Install dicom-ai-router into an environment of its own, once; give its interpreter.

    Raises:
        RuntimeError: it cannot be had.
    """
    folder = (cache / ROUTER_PACKAGE.replace("==", "-")).resolve()
    python = folder / "bin/python"
    done = folder / "installed"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", ROUTER_PACKAGE]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            last = (ran.stderr.strip().splitlines() or ["pip failed"])[-1]
            raise RuntimeError(f"{ROUTER_PACKAGE} cannot be had: {last[:200]}")
        done.touch()
    return python
