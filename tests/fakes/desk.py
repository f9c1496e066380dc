"""A handler for the listener that remembers everything, and does what a test tells it to do."""

import hashlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from node.dicom import status
from node.rules.admitting import Admission
from node.rules.nouns import Peer
from node.wire.scp import Answer, Arrival


@dataclass(frozen=True)
class Kept:
    """An image that was handed over to its end."""

    arrival: Arrival
    data: bytes
    size: int
    sha256: str


class Draft:
    """Remembers one data set, and that it was treated as was promised."""

    def __init__(self, desk, arrival):
        self._desk, self._arrival = desk, arrival
        self._data, self._size, self._digest = bytearray(), 0, hashlib.sha256()
        self._over = False

    def add(self, piece):
        self._check("add")
        self._take(piece)

    def finish(self, piece):
        self._check("finish")
        self._take(piece)
        self._over = True
        kept = Kept(self._arrival, bytes(self._data), self._size, self._digest.hexdigest())
        self._desk.kept.append(kept)
        return self._desk.answer

    def abandon(self):
        if self._over:
            self._desk.misuses.append("abandoned what was over")
        self._over = True
        self._desk.abandoned.append(self._arrival)

    def _check(self, verb):
        if self._over:
            self._desk.misuses.append(f"{verb} on what was over")
        if self._desk.raises == verb:
            raise RuntimeError("the handler has a bug")

    def _take(self, piece):
        if not isinstance(piece, memoryview):
            self._desk.misuses.append(f"a piece that is {type(piece).__name__}")
        self._size += len(piece)
        self._digest.update(piece)
        if self._desk.remember:
            self._data += piece


class Desk:
    """Knobs: `answer` to an image, `refusal` before it comes, `rejection` of an association.

    `raises` names the verb that fails: begin, add or finish. `safe` is what `releasing` answers.
    With `remember` false only sizes and digests are kept.
    """

    def __init__(self):
        self.reset()

    def reset(self):
        self.answer, self.refusal, self.rejection = Answer(status.SUCCESS), None, None
        self.raises, self.safe, self.remember = "", True, True
        self.callers, self.arrivals, self.kept, self.abandoned = [], [], [], []
        self.opened_ids, self.closings, self.crowds, self.reports = [], [], [], []
        self.releases, self.misuses, self.announced, self.drafts = [], [], [], 0

    @property
    def ended(self):
        """Each association's end as (outcome, instances), and who was crowded out."""
        return [closing[1:] for closing in self.closings] + [("crowded", 0) for _ in self.crowds]

    @property
    def idle(self):
        """Whether everything that was begun is over."""
        over = len(self.kept) + len(self.abandoned)
        return len(self.closings) >= len(self.opened_ids) and over >= self.drafts

    def admit(self, caller):
        self.callers.append(caller)
        if self.rejection:
            return Admission(None, self.rejection, "because")
        return Admission(Peer("anyone", "*", "127.0.0.1"))

    def opened(self, association, peer, caller):
        self.opened_ids.append(association)

    def releasing(self, association):
        self.releases.append(association)
        return self.safe

    def closed(self, association, outcome, instances):
        self.closings.append((association, outcome, instances))

    def crowded(self, caller):
        self.crowds.append(caller)

    def commitment_reported(self, report):
        self.reports.append(report)

    def series_announced(self, association, source, images):
        self.announced.append((source, dict(images)))

    def instances_announced(self, association, source, uids):
        self.announced.append((source, list(uids)))

    def begin(self, arrival):
        self.arrivals.append(arrival)
        if self.raises == "begin":
            raise RuntimeError("the handler has a bug")
        if self.refusal is not None:
            return self.refusal
        self.drafts += 1
        return Draft(self, arrival)


def wait_until(condition, seconds=10.0, what=""):
    """Wait for something that happens in another thread."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {seconds:g} s: {what() if callable(what) else what}")
        time.sleep(0.005)


def belongings():
    """Give how many threads and descriptors this process has."""
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
