"""kill -9 while images pour in, again and again: what was answered with Success is there.

    python -m tests.journeys.kill_under_load --kills 50

A real `radnode run receive`, four senders that never stop; the process is killed at a random
moment, started again, and so on. What a sender was not answered for it sends again, as scanners
do. At the end the disk and the ledger are compared with what the senders were told.
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
from random import Random

from tests.fakes import raw_peer as raw
from tests.fakes.inventory import faults, rows
from tests.fakes.process import NodeProcess

SENDERS = 4
SIZES = (20_000, 50_000, 150_000, 500_000)
NOISE = os.urandom(1 << 20)


def image(uid, series, size, offset=0):
    """A small MR image in explicit little endian; `offset` chooses its noise."""

    def short(group, element, vr, value):
        value = value.encode() + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
        return struct.pack("<HH2sH", group, element, vr.encode(), len(value)) + value

    pixels = NOISE[offset : offset + size // 2 * 2]
    return b"".join(
        (
            short(0x08, 0x16, "UI", raw.MR),
            short(0x08, 0x18, "UI", uid),
            short(0x08, 0x60, "CS", "MR"),
            short(0x10, 0x20, "LO", "P1"),
            short(0x20, 0x0D, "UI", f"{series}.1"),
            short(0x20, 0x0E, "UI", series),
            short(0x20, 0x13, "IS", "1"),
            struct.pack("<HH2sxxI", 0x7FE0, 0x10, b"OW", len(pixels)),
            pixels,
        )
    )


@dataclass
class Books:
    """What the senders sent, and what they were told: digests by SOP Instance UID."""

    sent: dict = field(default_factory=dict)
    answered: dict = field(default_factory=dict)
    others: list = field(default_factory=list)
    repeated: int = 0


class Sender(threading.Thread):
    """Sends without end, over one association after the other."""

    def __init__(self, port, number, books, stop):
        super().__init__(daemon=True)
        self._port, self._number, self._books, self._stopped = port, number, books, stop
        self._rng = Random(number)
        self._counter = itertools.count(1)
        self._owed = None

    def run(self):
        while not self._stopped.is_set():
            try:
                with raw.RawPeer(self._port, seconds=20) as peer:
                    peer.associate()
                    if peer.accepted:
                        self._send_some(peer)
            except OSError:  # it was killed
                self._stopped.wait(0.02)

    def _send_some(self, peer):
        for _ in range(self._rng.choice([1, 5, 50, 500])):
            if self._stopped.is_set():
                break
            uid, data = self._owed or self._next()
            self._owed = (uid, data)
            reply = peer.store(uid, data, size=131072)
            if reply is None:
                self._books.repeated += 1
                return
            if reply.status == 0:
                self._books.answered[uid] = self._books.sent[uid]
            else:
                self._books.others.append((uid, reply.status, reply.comment))
            self._owed = None
        peer.release()

    def _next(self):
        count = next(self._counter)
        uid = f"1.2.826.0.1.9.{self._number}.{count}"
        series = f"1.2.826.0.1.8.{self._number}.{count // 100}"
        size = self._rng.choice(SIZES)
        data = image(uid, series, size, self._rng.randrange(1 << 19))
        self._books.sent[uid] = hashlib.sha256(data).hexdigest()
        return uid, data


def run(folder, kills, seed):
    """Kill it so many times; give the books and what is wrong at the end."""
    rng = Random(seed)
    node = NodeProcess(folder, node={"minimum_free_mb": 100})
    books, stop = Books(), threading.Event()
    senders = [Sender(node.port, number, books, stop) for number in range(1, SENDERS + 1)]
    try:
        node.start(legs=("receive",))
        for sender in senders:
            sender.start()
        for _ in range(kills):
            time.sleep(rng.uniform(0.05, 2.0))
            node.kill()
            node.start(legs=("receive",))
        time.sleep(0.5)
        stop.set()
        for sender in senders:
            sender.join(60)
        code = node.stop()
    finally:
        stop.set()
        node.kill()
    found = faults(node.data, books.answered, sent=books.sent)
    if code:
        found.append(f"it ended with {code}")
    found += [f"{one} was answered {code:04X} {why}" for one, code, why in books.others]
    return books, found, rows(node.data)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="kills-"))
    print(f"seed {chosen.seed}, in {folder}", flush=True)
    begun = time.monotonic()
    books, found, kept = run(folder, chosen.kills, chosen.seed)
    print(
        f"{chosen.kills} kills in {time.monotonic() - begun:.0f} s: {len(books.sent)} images sent, "
        f"{len(books.answered)} answered with Success, {books.repeated} cut off and sent again, "
        f"{len(kept)} kept, {len(found)} faults"
    )
    for fault in found[:20]:
        print(" ", fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
