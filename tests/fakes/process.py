"""The real node as a process: started from a config text, asked, stopped, killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

from bench.orthanc import free_port
from node.clock import SystemClock
from node.ledger.opening import open_ledger
from node.rules.nouns import Peer
from node.wire import scu

ROOT = Path(__file__).parents[2]


class NodeProcess:
    """One radnode in a folder of its own. `destinations` maps peer names to DICOM ports.

    Its one route makes what `results` says; less than by default, since most journeys are about
    something else.
    """

    def __init__(self, folder, destinations=None, results=("seg", "sr"), **changes):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.config = self.folder / "config.yaml"
        peers = [{"name": "scanner", "ae_title": "*", "host": "127.0.0.1", "may": ["store"]}]
        for name, port in (destinations or {}).items():
            peers.append(
                {
                    "name": name,
                    "ae_title": name.upper(),
                    "host": "127.0.0.1",
                    "port": port,
                    "may": ["store"],
                }
            )
        settings = {
            "node": {
                "ae_title": "RADNODE",
                "host": "127.0.0.1",
                "port": self.port,
                "data_dir": "var",
            },
            "peers": peers,
            "models": {"dir": str(ROOT / "models" / "bundles")},
            "routes": [
                {
                    "name": "brain",
                    "when": {"Modality": "MR", "SeriesDescription": "*T1*"},
                    "model": "brain_mask",
                    "send_to": list(destinations or {}),
                    "results": list(results),
                }
            ],
            "settling": {
                "quiet_seconds": 0.5,
                "aborted_association_quiet_seconds": 1,
                "incomplete_seconds": 1,
                "unknown_sender_seconds": 0.5,
            },
            "delivery": {"retry_first_seconds": 0.5, "retry_longest_seconds": 2},
        }
        for section, values in changes.items():
            if isinstance(values, dict):
                settings.setdefault(section, {}).update(values)
            else:
                settings[section] = values
        self.config.write_text(yaml.safe_dump(settings))
        self.process = None

    @property
    def peer(self):
        return Peer("node", "RADNODE", "127.0.0.1", self.port)

    @property
    def data(self):
        return self.folder / "var"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self, launcher=("-m", "node"), legs=(), expect_ready=True):
        command = [sys.executable, *launcher, "run", *legs, "--config", str(self.config)]
        errors = (self.folder / "journal.txt").open("ab")
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, cwd=ROOT, start_new_session=True
        )
        line = self.process.stdout.readline().decode()
        if expect_ready and "radnode ready" not in line:
            raise AssertionError(f"did not start: {line!r}\n{self.journal()[-3000:]}")
        return line

    def stop(self, seconds=40):
        """SIGTERM; give the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self):
        """SIGKILL to the node alone; its child must notice by itself."""
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait(20)

    def wait_dead(self, seconds=60):
        return self.process.wait(seconds)

    def journal(self):
        return (self.folder / "journal.txt").read_text()

    def ledger(self):
        url = yaml.safe_load(self.config.read_text()).get("database", {}).get("url")
        return open_ledger(url, self.data, SystemClock())

    def audit(self):
        ledger = self.ledger()
        try:
            return ledger.audit_rows(0, 1_000_000)
        finally:
            ledger.close()

    def events(self):
        return [row["event"] for row in self.audit()]

    def wait_for(self, event, count=1, seconds=90):
        """Wait until an event was written so many times; give the audit rows."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            rows = self.audit()
            if sum(row["event"] == event for row in rows) >= count:
                return rows
            time.sleep(0.1)
        raise AssertionError(
            f"no {event} in {seconds} s; events: {self.events()}\n{self.journal()[-3000:]}"
        )

    def wait_ended(self, seconds=90):
        """Wait until a job has ended and nothing of it is on its way; give the audit rows."""
        deadline = time.monotonic() + seconds
        ledger = self.ledger()
        try:
            while time.monotonic() < deadline:
                found = ledger.status()
                ended = sum(found["jobs"][state] for state in ("done", "refused", "failed"))
                going = found["jobs"]["waiting"] + found["jobs"]["running"]
                going += found["deliveries"]["queued"] + found["deliveries"]["sending"]
                if ended and not going:
                    return ledger.audit_rows(0, 1_000_000)
                time.sleep(0.1)
        finally:
            ledger.close()
        raise AssertionError(f"not over in {seconds} s: {found}\n{self.journal()[-3000:]}")

    def send(self, paths, calling="SCANNER"):
        """C-STORE files; give the list of what became of each."""
        return list(scu.send(self.peer, calling, parcels(paths)))

    def cli(self, *arguments, code=0):
        """Run another verb on the same configuration; give its stdout, or stderr if it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "node", *arguments, "--config", str(self.config)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=120,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stdout + done.stderr

    def status(self):
        return json.loads(self.cli("status", "--json"))


def parcels(paths):
    from pydicom.filereader import read_file_meta_info

    made = []
    for path in paths:
        meta = read_file_meta_info(path)
        made.append(
            scu.Parcel(
                str(meta.MediaStorageSOPClassUID),
                str(meta.MediaStorageSOPInstanceUID),
                str(meta.TransferSyntaxUID),
                Path(path),
            )
        )
    return made
