"""Whatever bytes a peer sends, we answer, reject or abort, and go on listening.

    python -m tests.wire.fuzzing --seconds 600 [--path fast|plain] [--seed N] [--only N]

Conversations that were spoiled somewhere are held with the real receive leg in a process of its
own, several at once; now and then a clean echo and a clean image must come through, and the
process must not have grown. At the end everything that was answered with Success must be there.
Each conversation follows from the seed and its number alone: `--only` holds that one again.
"""

import argparse
import contextlib
import hashlib
import itertools
import re
import select
import socket
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random

from tests.fakes import raw_peer as raw
from tests.fakes.inventory import faults
from tests.fakes.receiver import Receiver
from tests.wire import mutating

AT_ONCE = 4
ROUND = 150
"""Conversations between two looks at the process."""
WARM_ROUNDS = 3
PATIENCE = 12.0
GROWTH_MB = 30.0
PEAK_MB = 400.0
"""Four at once, and no conversation is larger than a few megabytes."""
UNFORESEEN = ("Traceback", "store_failed", "leg_failed", "accept_failed")
"""What must not be in the journal: what nobody foresaw, beyond the end of one association."""


class FaultError(AssertionError):
    """The sentence does not hold."""


class Fuzz:
    """One run against one path."""

    def __init__(self, folder, path, seed):
        self.folder, self.path, self.seed = Path(folder), path, seed
        self.heard, self.answered = Counter(), {}
        self.failures, self.held = [], 0
        self._numbers, self._lock = itertools.count(), threading.Lock()
        self.receiver = Receiver(self.folder, path)

    def run(self, seconds):
        """Fuzz for so long, then look whether every promise was kept; raises FaultError."""
        with self.receiver:
            until = time.monotonic() + seconds
            at_first = None
            for number in itertools.count(1):
                self._round()
                self._look(at_first)
                if number == WARM_ROUNDS:
                    at_first = self.receiver.vitals()
                if time.monotonic() > until and number > WARM_ROUNDS:
                    break
            self._finish(at_first)

    def _finish(self, at_first):
        now = self.receiver.vitals()
        grown = now.anonymous - at_first.anonymous
        if grown > GROWTH_MB:
            raise FaultError(f"{grown:.0f} MB more than at first: {at_first}, now {now}")
        if now.peak > PEAK_MB:
            raise FaultError(f"it took {now.peak:.0f} MB at times")
        if self.receiver.stop() != 0:
            raise FaultError("it did not end properly")
        found = faults(self.folder, self.answered)
        if found:
            raise FaultError("; ".join(found[:5]))
        journal = self.receiver.journal()
        words = (*UNFORESEEN, "association_failed")
        told = {word: len(re.findall(word, journal)) for word in words}
        print(f"{self.path}: {self.held} conversations, {dict(self.heard)}", flush=True)
        print(f"  {len(self.answered)} images answered; at first {at_first}; at last {now}")
        print(f"  journal: {told}", flush=True)
        if self.path == "fast" and any(told[word] for word in UNFORESEEN):
            raise FaultError(f"unforeseen: {told}; see {self.folder}/journal.txt")

    def _round(self):
        numbers = [next(self._numbers) for _ in range(ROUND)]
        queue = iter(numbers)
        threads = [threading.Thread(target=self._work, args=[queue]) for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.held += ROUND
        if self.failures:
            raise FaultError(self.failures[0])

    def _work(self, queue):
        while True:
            with self._lock:
                number = next(queue, None)
            if number is None:
                return
            try:
                self.hold(number)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
                self._save(number, error)

    def _save(self, number, error):
        content, _ = self._made(number)
        path = self.folder.parent / f"failed-{self.seed}-{number}.bin"
        path.write_bytes(content.render())
        why = f"{type(error).__name__}: {error}"
        self.failures.append(
            f"{why}; {self.path}, seed {self.seed}, number {number}, "
            f"spoiled {content.spoiled}; saved as {path}"
        )

    def _made(self, number):
        rng = Random(f"{self.seed}:{number}")
        name = f"1.2.826.0.1.{self.seed}.{number}"
        return mutating.conversation(rng, name, clean=number % 20 == 0), rng

    def hold(self, number):
        """Hold one conversation; it must end in time, and all that is heard be DICOM."""
        made, rng = self._made(number)
        clean = number % 20 == 0
        lingering = clean or rng.random() < 0.02
        with socket.create_connection(("127.0.0.1", self.receiver.port), PATIENCE) as connected:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wait = PATIENCE if clean else rng.choice([0.0] + [0.3] * 9)
            self._speak(connected, made, rng, wait=wait)
            if not lingering:
                with contextlib.suppress(OSError):  # it is reset already
                    connected.shutdown(socket.SHUT_WR)
            replies, end = understood(listen(connected, hang_up=clean))
        with self._lock:
            self.heard[end] += 1
            for reply in replies:
                if reply.field == raw.C_STORE | raw.RESPONSE:
                    self.heard[f"{reply.status:04X}"] += 1
                    if reply.status == 0:
                        self.answered[reply.sop_instance] = ""
        if clean and end != "released" and made.pdus[-1].label == (raw.RELEASE_RQ,):
            told = [one.status for one in replies]
            raise FaultError(f"a conversation without a fault ended as {end} after {told}")

    @staticmethod
    def _speak(connected, made, rng, *, wait):
        """Send it all; the polite wait a while for the answer to the request."""
        first = made.pdus[0].render() if made.pdus else b""
        with contextlib.suppress(ConnectionError):
            for portion in portions(rng, first):
                connected.sendall(portion)
            select.select([connected], [], [], wait)
            for portion in portions(rng, made.render()[len(first) :]):
                connected.sendall(portion)

    def _look(self, at_first):
        """See that it still listens, that it lost nothing, and that it has not grown."""
        if not self.receiver.alive:
            raise FaultError(f"it died:\n{self.receiver.journal()[-2000:]}")
        rng = Random(f"{self.seed}:clean:{self.held}")
        uid = f"1.2.826.0.1.{self.seed}.0.{self.held}"
        data = b"".join(one.render() for one in mutating.data_set(rng, uid, 1))
        with raw.RawPeer(self.receiver.port, seconds=PATIENCE) as peer:
            peer.associate()
            peer.send(raw.echo(1))
            echoed, stored = peer.reply(), peer.store(uid, data, message_id=2)
            if not (echoed and stored and echoed.status == stored.status == 0):
                raise FaultError(f"after {self.held} it no longer serves: {echoed}, {stored}")
            if peer.release() != "released":
                raise FaultError(f"after {self.held} it no longer releases: {peer.end}")
        self.answered[uid] = hashlib.sha256(data).hexdigest()
        now = at_first or self.receiver.vitals()
        spare = 2 if self.path == "plain" else 0
        self.receiver.wait_quiet(now.threads + spare, now.descriptors + spare)


def portions(rng, content):
    """Cut what is sent over several writes."""
    way = rng.randrange(5)
    if way < 2:
        return [content]
    if way == 2:
        head = rng.choice([7, 80, 300])
        return [*(content[i : i + 1] for i in range(min(head, len(content)))), content[head:]]
    cuts = sorted(rng.randrange(len(content) + 1) for _ in range(rng.choice([1, 3, 20])))
    return [content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True)]


def listen(connected, *, hang_up):
    """Give everything that is sent to us, until the end; or until the answer to our release."""
    heard, until = bytearray(), time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            piece = connected.recv(1 << 16)
        except TimeoutError:
            break
        except ConnectionError:  # it closed on bytes that it did not want
            return bytes(heard)
        if not piece:
            return bytes(heard)
        heard += piece
        if hang_up and heard.endswith(raw.pdu(raw.RELEASE_RP, bytes(4))):
            return bytes(heard)
    raise FaultError("the connection stays open")


def understood(heard):
    """Read what was heard: the replies, and how it ended."""
    replies, end, position = [], "closed", 0
    while position < len(heard):
        kind, length = struct.unpack_from(">BxI", heard, position)
        body = heard[position + 6 : position + 6 + length]
        if len(body) != length or kind not in range(1, 8):
            raise FaultError(f"heard what is no PDU at byte {position} of {heard.hex()}")
        position += 6 + length
        if kind == raw.P_DATA:
            size, context, control = struct.unpack_from(">IBB", body)
            if size != length - 4 or control != 3:
                raise FaultError(f"heard a strange value: {body[:20].hex()}")
            replies.append(raw.read_reply(context, body[6:]))
        named = {raw.ASSOCIATE_RJ: "rejected", raw.RELEASE_RP: "released", raw.ABORT: "aborted"}
        end = named.get(kind, end)
    return replies, end


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--path", choices=["fast", "plain", "both"], default="both")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", type=int, help="hold this conversation alone")
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="fuzz-"))
    print(f"seed {chosen.seed}, in {folder}", flush=True)
    for path in ["fast", "plain"] if chosen.path == "both" else [chosen.path]:
        fuzz = Fuzz(folder / path, path, chosen.seed)
        if chosen.only is not None:
            with fuzz.receiver:
                fuzz.hold(chosen.only)
                print(fuzz.heard, fuzz.receiver.journal())
        else:
            fuzz.run(chosen.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
