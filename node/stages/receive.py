"""From an open association to an image that we may not lose.

The answer 0x0000 is given when the image is a complete file in the spool, synced (see
`node.spool`). Its digest and its row in the ledger follow in batches; if a crash comes between, the
start-up sweep restores the row from the file. Whatever else is answered leaves no file behind.
"""

import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

from node import log
from node.dicom import header, status
from node.rules import admitting
from node.rules.admitting import Admission, Rejection
from node.rules.events import Event
from node.rules.nouns import Caller, Instance, Peer
from node.stages.coming import NO_ROOM, Coming
from node.stages.indexing import Writer
from node.stages.turning import Rooms
from node.wire.commitment import CommitmentReport
from node.wire.scp import Answer, Arrival

STORED = Answer(status.SUCCESS)


class Tally(Protocol):
    """How many associations are open, by peer; of all processes that share the port."""

    def __getitem__(self, name: str) -> int:
        """Give those of a peer."""
        ...

    def change(self, name: str, by: int) -> None:
        """Count one more or less."""
        ...

    def total(self) -> int:
        """Give those of all."""
        ...


class _OwnTally(Counter[str]):
    """The tally of a process that is alone."""

    def change(self, name: str, by: int) -> None:
        self[name] += by


@dataclass(frozen=True, slots=True)
class Room:
    """How much may come.

    Free space that is left alone, and the largest object, in 10^6 bytes; how many associations at
    once, and where they are counted.
    """

    minimum_free_mb: float = 500.0
    maximum_object_mb: float = 8192.0
    maximum_associations: int = 50
    tally: Tally = field(default_factory=_OwnTally)


class Reception:
    """Who answers the peers: admits them, keeps their images, writes down what they do."""

    def __init__(
        self,
        rooms: Rooms,
        own_ae: str,
        peers: Sequence[Peer],
        writer: Writer,
        committed: Callable[[CommitmentReport], None],
        room: "Room | None" = None,
    ) -> None:
        """Answer as `own_ae` to `peers`, keep in the spool, tell `writer`.

        `committed` notes a report of storage commitment (the confirm leg's).
        """
        room = room or Room()
        self._own_ae = own_ae
        self._peers = {peer.name: peer for peer in peers}
        self._spool = rooms.spool
        self._ledger = rooms.ledger
        self._clock = rooms.clock
        self._writer = writer
        self._committed = committed
        self._minimum_free_mb = room.minimum_free_mb
        self._maximum_object_mb = room.maximum_object_mb
        self._who: dict[str, str] = {}
        self._tally = room.tally
        self._maximum_associations = room.maximum_associations
        self._counting = Lock()
        self._syncs: dict[str, int] = {}

    def admit(self, caller: Caller) -> Admission:
        """Decide on an association request, and write a refusal down."""
        room = self._has_room()
        admission = admitting.admit(
            caller, self._own_ae, list(self._peers.values()), _Addresses(self._peers), room=room
        )
        if admission.peer is not None:
            with self._counting:  # two callers at once must not both take the last place
                admission = self._fit_in(admission.peer, room=room)
        if admission.rejection is not None:
            self._refuse_association(caller, admission.reason)
        return admission

    def _fit_in(self, peer: Peer, *, room: bool) -> Admission:
        if self._tally.total() >= self._maximum_associations:
            why = "too many associations are open (maximum_associations)"
            return Admission(None, Rejection.LIMIT, why)
        held = {peer.name: self._tally[peer.name]}
        admission = admitting.fit_in(peer, room=room, held=held)
        if admission.peer is not None:
            self._tally.change(peer.name, 1)
        return admission

    def opened(self, association: str, peer: str, caller: Caller) -> None:
        """Note that an association was accepted."""
        log.say(Event.ASSOCIATION_OPENED, "debug", peer=peer, ae=caller.calling_ae)
        self._who[association] = peer
        if self._spool.durable == "association":
            with suppress(OSError):  # then its release will be refused
                self._syncs[association] = self._spool.open_sync()
        self._writer.put(lambda: self._ledger.association_opened(association, peer, caller))

    def releasing(self, association: str) -> bool:
        """Sync what was answered in it, if that is the promise; False when it cannot be done."""
        if self._spool.durable != "association":
            return True
        descriptor = self._syncs.get(association)
        if descriptor is None:
            return False
        try:
            self._spool.sync_all(descriptor)
        except OSError as error:
            log.say("sync_failed", "error", peer=self._who.get(association), error=error.strerror)
            return False
        return True

    def closed(self, association: str, outcome: str, instances: int) -> None:
        """Note that it ended: released, aborted or lost."""
        if outcome != "released":
            self.releasing(association)  # the peer may not send again what it was answered for
        log.say(Event.ASSOCIATION_CLOSED, "debug", reason=outcome, instances=instances)
        if association in self._syncs:
            os.close(self._syncs.pop(association))
        with self._counting:
            peer = self._who.pop(association, None)
            if peer is not None:
                self._tally.change(peer, -1)
        self._writer.put(
            lambda: self._ledger.association_closed(association, outcome, instances), urgent=True
        )

    def crowded(self, caller: Caller) -> None:
        """Note that a caller was refused because too many associations are open."""
        self._refuse_association(caller, "too many associations are open")

    def commitment_reported(self, report: CommitmentReport) -> None:
        """Note what a peer says of instances that we asked it to commit to."""
        self._writer.put(lambda: self._committed(report), urgent=True)

    def series_announced(self, association: str, source: str, images: Mapping[str, int]) -> None:
        """Note how many images each of these series has, by `source`, who must know."""
        if self._may_tell(association, source):
            told = dict(images)
            self._writer.put(lambda: self._ledger.series_announced(source, told), urgent=True)

    def instances_announced(self, association: str, source: str, uids: Sequence[str]) -> None:
        """Note that, by `source`, these are all the images of their series."""
        if self._may_tell(association, source):
            self._writer.put(lambda: self._ledger.instances_announced(source, uids), urgent=True)

    def _may_tell(self, association: str, source: str) -> bool:
        """Say whether a peer is heard: who may store images may say how many there are."""
        peer = self._who.get(association, "")
        may = "store" in self._peers[peer].may if peer else False
        log.say("announced", "debug" if may else "warning", peer=peer, reason=source)
        return may

    def begin(self, arrival: Arrival) -> Coming | Answer:
        """Take an image in, or say at once why not."""
        peer = self._who.get(arrival.association, "")
        if "store" not in self._peers[peer].may:
            why = f"the configuration does not let {peer} store"
            return self.refuse(arrival, status.NOT_AUTHORIZED, why)
        if self._writer.full or not self._has_room():
            return self.refuse(arrival, status.OUT_OF_RESOURCES, NO_ROOM)
        return Coming(self, arrival, self._spool)

    def too_large(self, size: int) -> str:
        """Say why an image that has come to `size` bytes cannot be taken; "" when it can."""
        if size > self._maximum_object_mb * 1e6:
            return f"larger than {self._maximum_object_mb:g} MB (maximum_object_mb)"
        return "" if self._has_room() else NO_ROOM

    def received(self, arrival: Arrival, read: header.Header, name: str, size: int) -> Answer:
        """Have the row written of an image that is safe, and give the answer."""
        self._writer.put(
            Instance(
                sop_instance_uid=read.sop_instance_uid,
                sop_class_uid=read.sop_class_uid,
                series_instance_uid=read.series_instance_uid,
                study_instance_uid=read.study_instance_uid,
                transfer_syntax_uid=arrival.transfer_syntax_uid,
                sha256="",  # the writer's: nobody waits for it
                size=size,
                spool_name=name,
                received_at=self._clock.now(),
                calling_ae=arrival.caller.calling_ae,
                association=arrival.association,
                attributes=read.attributes,
            )
        )
        return STORED

    def refuse(self, arrival: Arrival, code: int, reason: str) -> Answer:
        """Write down that an image is refused, and give the answer."""
        sop = arrival.sop_instance_uid
        log.say(Event.INSTANCE_REFUSED, "warning", sop=sop, reason=reason)
        name = status.describe(code)
        self._writer.put(
            lambda: self._ledger.instance_refused(
                arrival.caller, arrival.association, sop, name, reason
            )
        )
        return Answer(code, reason)

    def _refuse_association(self, caller: Caller, reason: str) -> None:
        log.say(
            Event.ASSOCIATION_REFUSED,
            "warning",
            ae=caller.calling_ae,
            address=caller.address,
            reason=reason,
        )
        self._writer.put(lambda: self._ledger.association_refused(caller, reason))

    def _has_room(self) -> bool:
        try:
            return self._spool.free_megabytes() >= self._minimum_free_mb
        except OSError:  # the disk is away: nothing may be promised
            return False


class _Addresses(Mapping[str, frozenset[str]]):
    """What each peer's host stands for, looked up when asked: addresses change while we run.

    Only the caller's namesakes are asked about, so that one host that the name service is slow to
    deny does not hold up everybody's association.
    """

    def __init__(self, peers: Mapping[str, Peer]) -> None:
        self._peers = peers

    def __getitem__(self, name: str) -> frozenset[str]:
        try:
            infos = socket.getaddrinfo(self._peers[name].host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):  # no such host, or no such name can be
            infos = []
        return frozenset(str(info[4][0]) for info in infos)

    def __iter__(self) -> Iterator[str]:
        return iter(self._peers)

    def __len__(self) -> int:
        return len(self._peers)
