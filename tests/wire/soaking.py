"""Long and large: many images, a long series, a huge object; the listener must not grow.

    python -m tests.wire.soaking --instances 200000 --large-mb 4000 --series 5000

A real `radnode run receive`; its resident memory, threads and descriptors are watched from /proc
all the while. What was answered with Success is looked for in the ledger at the end.
"""

import argparse
import hashlib
import itertools
import os
import struct
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes import raw_peer as raw
from tests.fakes.desk import wait_until
from tests.fakes.inventory import half_written, rows, vitals
from tests.fakes.process import NodeProcess
from tests.journeys.kill_under_load import image

PDU = 131072
AT_ONCE = 4
PER_ASSOCIATION = 100
LOOK_SECONDS = 0.05


class Watch(threading.Thread):
    """Looks at a process all the time and remembers the most that it saw."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self._pid, self._over = pid, threading.Event()
        self.resident = self.anonymous = self.threads = self.descriptors = 0
        self.start()

    def run(self):
        while not self._over.wait(LOOK_SECONDS):
            try:
                now = vitals(self._pid)
            except OSError:
                return
            self.resident = max(self.resident, now.resident)
            self.anonymous = max(self.anonymous, now.anonymous)
            self.threads = max(self.threads, now.threads)
            self.descriptors = max(self.descriptors, now.descriptors)

    def stop(self):
        self._over.set()
        self.join()

    def __str__(self):
        return (
            f"at most {self.resident:.0f} MB resident ({self.anonymous:.0f} of its own), "
            f"{self.threads} threads, {self.descriptors} descriptors"
        )


@dataclass
class Soak:
    """A node that receives, and what it was sent."""

    node: NodeProcess
    answered: dict = field(default_factory=dict)
    failures: list = field(default_factory=list)

    @property
    def pid(self):
        return self.node.process.pid

    def check(self):
        """Wait until the ledger has everything, and compare."""
        wait_until(lambda: len(rows(self.node.data)) >= len(self.answered), 120)
        kept = rows(self.node.data)
        wrong = [uid for uid, digest in self.answered.items() if kept[uid].sha256 != digest]
        assert not wrong, f"kept with other bytes: {wrong[:5]}"
        assert not self.failures, self.failures[:5]
        assert half_written(self.node.data) == []

    # -- many ------------------------------------------------------------------------------------

    def many(self, count, say):
        """Send small images over many associations; give the vitals after a tenth, and at last."""
        numbers = itertools.count(1)
        first = None
        for share in (count // 10, count - count // 10):
            queue = iter([next(numbers) for _ in range(share)])
            lock = threading.Lock()
            work = {"target": self._some, "args": (queue, lock)}
            threads = [threading.Thread(**work) for _ in range(AT_ONCE)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self._wait_quiet(first)
            now = vitals(self.pid)
            say(f"  after {len(self.answered)} images: {now}")
            first = first or now
        return first, now

    def _wait_quiet(self, first):
        if first is not None:
            wait_until(lambda: vitals(self.pid).threads <= first.threads, 20)
            wait_until(lambda: vitals(self.pid).descriptors <= first.descriptors, 20)
        else:
            time.sleep(2)

    def _some(self, queue, lock):
        while True:
            with lock:
                numbers = list(itertools.islice(queue, PER_ASSOCIATION))
            if not numbers:
                return
            try:
                with raw.RawPeer(self.node.port, seconds=60) as peer:
                    peer.associate()
                    for number in numbers:
                        self.send(peer, number, 2000 + number % 10 * 2000)
                    if peer.release() != "released":
                        self.failures.append(f"ended as {peer.end}")
            except OSError as error:
                self.failures.append(repr(error))

    def send(self, peer, number, size, series=None):
        uid = f"1.2.826.0.1.4.{number}"
        series = series or f"1.2.826.0.1.3.{number // 200}"
        data = image(uid, series, size, number * 997 % (1 << 19))
        reply = peer.store(uid, data, message_id=number % 65535 + 1, size=PDU)
        if reply is None or reply.status:
            self.failures.append(f"{uid}: {reply}")
        else:
            self.answered[uid] = hashlib.sha256(data).hexdigest()

    # -- large -----------------------------------------------------------------------------------

    def series(self, count):
        """Send one series of CT-sized slices over one association."""
        with raw.RawPeer(self.node.port, seconds=60) as peer:
            peer.associate()
            for number in range(count):
                self.send(peer, 10**7 + number, 525_000, "1.2.826.0.1.2")
            peer.release()

    def large(self, megabytes):
        """Send one object of so many megabytes (10^6 bytes), made while it is sent."""
        uid = f"1.2.826.0.1.4.{10**8 + megabytes}"
        length = megabytes * 10**6
        digest = hashlib.sha256()
        whole = image(uid, "1.2.826.0.1.1", 2)
        head = whole[:-6] + struct.pack("<I", length)
        noise = os.urandom(PDU - 6)
        with raw.RawPeer(self.node.port, seconds=600) as peer:
            peer.associate()
            peer.send(raw.p_data(raw.pdv(1, 3, raw.c_store_rq(uid))))
            peer.send(raw.p_data(raw.pdv(1, 0, head)))
            digest.update(head)
            piece = raw.p_data(raw.pdv(1, 0, noise))
            for _ in range(length // len(noise)):
                peer.socket.sendall(piece)
                digest.update(noise)
            rest = noise[: length % len(noise)]
            peer.send(raw.p_data(raw.pdv(1, 2, rest)))
            digest.update(rest)
            reply = peer.reply()
            if reply is None or reply.status:
                self.failures.append(f"{megabytes} MB: {reply}")
            else:
                self.answered[uid] = digest.hexdigest()
            peer.release()


def watched(soak, what, say):
    """Do something, and tell and give what the process took at most meanwhile."""
    watch, begun = Watch(soak.pid), time.monotonic()
    what()
    soak.check()
    watch.stop()
    say(f"  {time.monotonic() - begun:.0f} s, {watch}")
    return watch


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=200_000)
    parser.add_argument("--large-mb", type=int, default=4000)
    parser.add_argument("--series", type=int, default=5000)
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="soak-"))
    print(f"in {folder}", flush=True)
    node = NodeProcess(folder, node={"minimum_free_mb": 100})
    try:
        node.start(legs=("receive",))
        soak = Soak(node)
        print(f"at the start: {vitals(soak.pid)}", flush=True)
        for name, what in (
            (f"a series of {chosen.series}", lambda: soak.series(chosen.series)),
            (f"an object of {chosen.large_mb} MB", lambda: soak.large(chosen.large_mb)),
            (f"{chosen.instances} images", lambda: soak.many(chosen.instances, print)),
        ):
            print(name, flush=True)
            watched(soak, what, lambda line: print(line, flush=True))
        print(f"at the end: {vitals(soak.pid)}")
        return node.stop()
    finally:
        node.kill()


if __name__ == "__main__":
    sys.exit(main())
