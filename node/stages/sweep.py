"""Put back what a crash left, and let go of what is old."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from node import log
from node.dicom import header
from node.rules.events import Event
from node.rules.failures import Refusal
from node.rules.nouns import Caller, Instance
from node.spool import Spool
from node.stages.turning import Rooms

BATCH = 256
LOOK_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Retention:
    """For how long bytes are kept after everything is final, in hours."""

    instances_hours: float = 24.0
    results_hours: float = 168.0


def restore(rooms: Rooms, own_ae: str) -> int:
    """Put back what a crash left, before anything listens; give the number of images restored.

    Half-written files were never answered for: they go. Associations that were open are lost. An
    image in the spool without a row was answered for: it gets its row, brought by an association
    that counts as lost, so that the series waits for its sender to try again.
    """
    ledger, spool = rooms.ledger, rooms.spool
    spool.clear_incoming()
    ledger.associations_lost()
    _note_lost(rooms)
    missing = ledger.missing_from_ledger(spool.instance_names())
    if not missing:
        return 0
    association = uuid.uuid4().hex
    ledger.association_opened(association, "recovered", Caller("", own_ae, ""))
    restored = 0
    for start in range(0, len(missing), BATCH):
        batch = list(_read(missing[start : start + BATCH], spool, association))
        for instance, outcome in zip(batch, ledger.instances_received(batch), strict=True):
            if outcome is Event.INSTANCE_REPEATED:
                spool.release(instance.spool_name)
            else:
                restored += 1
    ledger.association_closed(association, "lost", restored)
    return restored


def _note_lost(rooms: Rooms) -> None:
    """Note the images that the ledger has and the spool has not, or not whole.

    A power cut may take what was not synced (`durable`), a disk may lose what was. When its sender
    sends such an image again, that copy must not count as one too many.
    """
    kept = rooms.ledger.instances_kept()
    lost = [name for name, size in kept if not rooms.spool.is_whole(name, size)]
    for start in range(0, len(lost), BATCH):
        rooms.ledger.instances_lost(lost[start : start + BATCH])
    if lost:
        log.say(Event.INSTANCE_LOST, "error", count=len(lost))


def _read(names: Iterable[str], spool: Spool, association: str) -> Iterable[Instance]:
    for name in names:
        path = spool.path(name)
        try:
            read = header.read_part10(path)
            received_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except OSError as error:  # a damaged sector must not keep the port closed
            log.say("spool_unreadable", "error", error=name, reason=error.strerror)
            continue
        if isinstance(read, Refusal):
            log.say("spool_unreadable", "error", error=name, reason=read.reason)
            continue
        yield Instance(
            sop_instance_uid=read.header.sop_instance_uid,
            sop_class_uid=read.header.sop_class_uid,
            series_instance_uid=read.header.series_instance_uid,
            study_instance_uid=read.header.study_instance_uid,
            transfer_syntax_uid=read.transfer_syntax_uid,
            sha256=read.sha256,
            size=read.size,
            spool_name=name,
            received_at=received_at,
            calling_ae=read.calling_ae,
            association=association,
            attributes=read.header.attributes,
        )


class Sweep:
    """Lets go of bytes whose time is up; the facts stay."""

    name = "sweep"

    def __init__(self, rooms: Rooms, retention: Retention) -> None:
        """Keep what `retention` says."""
        self._ledger = rooms.ledger
        self._spool = rooms.spool
        self._retention = retention
        self._clock = rooms.clock
        self._next = 0.0
        self._looked_behind = False

    def step(self) -> float:
        """Look through the ledger every ten minutes."""
        now = self._clock.monotonic()
        if now < self._next:
            return self._next - now
        self._next = now + LOOK_SECONDS
        if not self._looked_behind:
            self._finish_releases()
            self._looked_behind = True
        for kind, hours in (
            ("instances", self._retention.instances_hours),
            ("results", self._retention.results_hours),
        ):
            before = self._clock.now() - timedelta(hours=hours)
            self._release(kind, before)
        return LOOK_SECONDS

    def _finish_releases(self) -> None:
        """Let go of the files that a crash left after their release was written down."""
        for names in (self._spool.instance_names(), self._spool.result_names()):
            for name in self._ledger.let_go(names):
                self._spool.release(name)

    def _release(self, kind: str, before: datetime) -> None:
        """The fact first, the bytes after: after a crash between, the next start goes on."""
        for series_uid, names in self._ledger.releasable(kind, before):
            if not self._ledger.bytes_released(kind, series_uid, names):
                continue
            count = sum(self._spool.release(name) for name in names)
            log.say(Event.BYTES_RELEASED, series=series_uid, count=count)
