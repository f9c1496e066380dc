"""The one writer of what the associations report: images and other facts, into the ledger."""

from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from queue import Empty, SimpleQueue
from threading import Lock

from node import log
from node.dicom import header
from node.rules.events import Event
from node.rules.nouns import Instance
from node.stages.turning import Bell, Rooms

Fact = Instance | Callable[[], object]

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
        self._urgent = False

    @property
    def full(self) -> bool:
        """Whether so much waits for the database that nothing more should be promised."""
        return self._facts.qsize() >= BACKLOG

    def put(self, fact: Fact, *, urgent: bool = False) -> None:
        """Hand in an image, or any other fact as a call on the ledger; some cannot wait."""
        self._urgent |= urgent
        self._facts.put(fact)
        self._own.ring()

    def step(self) -> float:
        """Write all that waits; at the stop, the last call waits for one that is under way."""
        with self._writing:
            return self._write_all()

    def _write_all(self) -> float:
        touched = False
        if not self._urgent and 0 < self._facts.qsize() < BATCH:
            self._own.pause(GATHER_SECONDS)
        self._urgent = False
        while self._fill():
            self._write_batch()
            touched = True
        if touched:
            self._settle.ring()
        return 1.0

    def _fill(self) -> bool:
        """Take facts out, up to a batch; images get their digest, or go if they cannot be read."""
        while len(self._batch) < BATCH:
            try:
                fact = self._facts.get_nowait()
            except Empty:
                break
            digested = self._digested(fact) if isinstance(fact, Instance) else fact
            if digested is not None:
                self._batch.append(digested)
        return bool(self._batch)

    def _write_batch(self) -> None:
        """Write all of the batch in one transaction, and see then what became of each image."""
        outcomes: list[tuple[Instance, Event]] = []
        with self._ledger.together():
            for images, facts in groupby(self._batch, lambda fact: isinstance(fact, Instance)):
                if images:
                    some = [fact for fact in facts if isinstance(fact, Instance)]
                    outcomes += zip(some, self._ledger.instances_received(some), strict=True)
                else:
                    for fact in facts:
                        if not isinstance(fact, Instance):
                            fact()
        self._batch = []
        for instance, outcome in outcomes:
            if outcome is Event.INSTANCE_REPEATED:
                self._spool.release(instance.spool_name)  # the first copy is kept already
            if outcome is Event.INSTANCE_CONFLICTED:
                log.say(outcome, "warning", sop=instance.sop_instance_uid, peer=instance.calling_ae)

    def _digested(self, one: Instance) -> Instance | None:
        """Give the image with its digest: of what lies in the spool, read again."""
        if one.sha256:
            return one
        path = self._spool.path(one.spool_name)
        try:
            return replace(one, sha256=header.data_set_digest(path, one.size))
        except OSError as error:  # somebody took it away: the others must not wait for it
            log.say("spool_unreadable", "error", sop=one.sop_instance_uid, error=error.strerror)
            return None
