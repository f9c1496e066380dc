"""The receive leg as a process, on the fast or the plain path, with little patience.

    python -m tests.fakes.receiver FOLDER fast|plain

Reception, spool, ledger and writer are the real ones. It ends when its standard input does.
"""

import subprocess
import sys
import threading
from pathlib import Path

from node.clock import SystemClock
from node.ledger.opening import open_ledger
from node.rules.nouns import Peer
from node.spool import Spool
from node.stages.indexing import Writer
from node.stages.receive import Reception, Room
from node.stages.sweep import restore
from node.stages.turning import Bell, Rooms, turn
from node.wire.scp import Limits, Listener
from tests.fakes.desk import wait_until
from tests.fakes.inventory import half_written, rows, vitals

ROOT = Path(__file__).parents[2]
LIMITS = Limits(maximum_associations=64, request_seconds=2.0, idle_seconds=2.0)


def serve(folder, path):
    clock = SystemClock()
    ledger = open_ledger(None, folder, clock)
    rooms = Rooms(ledger, Spool(folder / "spool"), clock, "receiver")
    restore(rooms, "RADNODE")
    bell = Bell()
    writer = Writer(rooms, bell, Bell())
    peers = [Peer("anyone", "*", "127.0.0.1", None, frozenset({"store"}))]
    reception = Reception(rooms, "RADNODE", peers, writer, lambda _: None, Room(0.0, 100.0))
    listener = Listener("RADNODE", reception, limits=LIMITS, fast=path == "fast")
    assert listener.fast == (path == "fast")
    port = listener.start("127.0.0.1", 0)
    leg = threading.Thread(target=turn, args=(writer, bell, lambda _: None), daemon=True)
    leg.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    listener.stop()
    bell.stop()
    leg.join()
    writer.step()
    ledger.close()


class Receiver:
    """That process, from outside."""

    def __init__(self, folder, path):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._journal = self.folder / "journal.txt"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.receiver", str(self.folder), path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._journal.open("ab"),
            cwd=ROOT,
        )
        line = self.process.stdout.readline()
        if not line.strip():
            raise AssertionError(f"did not start:\n{self.journal()[-3000:]}")
        self.port = int(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    @property
    def alive(self):
        return self.process.poll() is None

    def journal(self):
        return self._journal.read_text(errors="replace")

    def vitals(self):
        return vitals(self.process.pid)

    def rows(self):
        return rows(self.folder)

    def wait_quiet(self, threads, descriptors, seconds=15):
        """Wait until no more threads and descriptors are in use than these, and nothing comes."""

        def quiet():
            now = self.vitals()
            return (
                now.threads <= threads
                and now.descriptors <= descriptors
                and not half_written(self.folder)
            )

        wait_until(quiet, seconds, lambda: f"{self.vitals()}, {half_written(self.folder)}")

    def stop(self):
        """End it; give the exit code."""
        self.process.stdin.close()
        return self.process.wait(60)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2])
