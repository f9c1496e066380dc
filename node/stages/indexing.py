"""The one writer of what the associations report: images and other facts, into the ledger."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import groupby
from queue import Empty, SimpleQueue
from threading import Event as Signal
from threading import Lock

from node import log
from node.dicom import header
from node.rules.events import Event
from node.rules.nouns import Instance
from node.stages.turning import Bell, Rooms

Fact = Instance | Callable[[], object]


def _LOST() -> None:  # noqa: N802 - a mark, not a verb
    """Stand for an image that is not there any more."""


BATCH = 256
"""Most facts in one transaction: enough to share one sync, few enough to be soon done."""
GATHER_SECONDS = 0.2
"""So long images are gathered before a transaction; who waits for them waits for a close."""
BACKLOG = 50_000
"""Facts that may wait for the database before new images are put off."""


class Writer:
    """The one writer of what the associations report: facts in the order in which they happened.

    Associations put facts in without waiting for the database; the leg takes them out and writes
    many in one transaction. What it cannot write it keeps and tries again; the files are safe
    meanwhile.
    """

    name = "receive"

    def __init__(self, rooms: Rooms, own: Bell, settle: Bell) -> None:
        """`own` wakes this leg, `settle` is rung when a series was touched."""
        self._ledger = rooms.ledger
        self._spool = rooms.spool
        self._own = own
        self._settle = settle
        self._facts: SimpleQueue[Fact] = SimpleQueue()
        self._batch: list[Fact] = []
        self._writing = Lock()
        self._urgent = Signal()

    @property
    def full(self) -> bool:
        """Whether so much waits for the database that nothing more should be promised."""
        return self._facts.qsize() >= BACKLOG

    def put(self, fact: Fact, *, urgent: bool = False) -> None:
        """Hand in an image, or any other fact as a call on the ledger; some cannot wait."""
        self._facts.put(fact)
        if urgent:
            self._urgent.set()
        self._own.ring()

    def step(self) -> float:
        """Write all that waits; at the stop, the last call waits for one that is under way."""
        with self._writing:
            return self._write_all()

    def _write_all(self) -> float:
        touched = False
        if 0 < self._facts.qsize() < BATCH:
            self._urgent.wait(GATHER_SECONDS)
        self._urgent.clear()
        while self._fill():
            self._write_batch()
            touched = True
        if touched:
            self._settle.ring()
        return 1.0

    def _fill(self) -> bool:
        """Take facts out, up to a batch."""
        while len(self._batch) < BATCH:
            try:
                fact = self._facts.get_nowait()
            except Empty:
                break
            self._batch.append(fact)
        return bool(self._batch)

    def _write_batch(self) -> None:
        """Write all of the batch in one transaction, and see then what became of each image."""
        self._digest_all()
        outcomes: list[tuple[Instance, Event]] = []
        with self._ledger.together():
            for images, facts in groupby(self._batch, lambda fact: isinstance(fact, Instance)):
                if images:
                    some = [fact for fact in facts if isinstance(fact, Instance)]
                    outcomes += zip(some, self._ledger.instances_received(some), strict=True)
                else:
                    self._tell(facts)
        self._batch = []
        for instance, outcome in outcomes:
            if outcome is Event.INSTANCE_REPEATED:
                self._spool.release(instance.spool_name)  # the first copy is kept already
            if outcome is Event.INSTANCE_CONFLICTED:
                log.say(outcome, "warning", sop=instance.sop_instance_uid, peer=instance.calling_ae)

    @staticmethod
    def _tell(facts: Iterable[Fact]) -> None:
        for fact in facts:
            if not isinstance(fact, Instance):
                fact()

    def _digest_all(self) -> None:
        for at, fact in enumerate(self._batch):
            if isinstance(fact, Instance) and not fact.sha256:
                self._batch[at] = self._digested(fact)
        self._batch = [fact for fact in self._batch if fact is not _LOST]

    def _digested(self, one: Instance) -> Fact:
        """Give the image with its digest: of what lies in the spool, read again.

        Raises:
            OSError: it cannot be read now; it stays in the batch, and is tried again.
        """
        path = self._spool.path(one.spool_name)
        try:
            return replace(one, sha256=header.data_set_digest(path, one.size))
        except FileNotFoundError as error:  # somebody took it away: the others must not wait
            log.say("spool_unreadable", "error", sop=one.sop_instance_uid, error=error.strerror)
            return _LOST
