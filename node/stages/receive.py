"""From an open association to an image that we may not lose.

The answer 0x0000 is given when the image is a complete file in the spool, synced (see
`node.spool`). Its row in the ledger follows in batches; if a crash comes between the two, the
start-up sweep restores the row from the file. Whatever else is answered leaves no file behind.
"""

import hashlib
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from queue import Empty, Queue
from threading import Lock

from node import log
from node.dicom import header, status
from node.rules import admitting
from node.rules.admitting import Admission
from node.rules.events import Event
from node.rules.failures import Refusal
from node.rules.nouns import Caller, Instance, Peer
from node.stages.turning import Bell, Rooms
from node.wire.scp import Answer, Arrival, CommitmentReport

BATCH = 256
"""Most rows in one transaction: large enough to share one sync, small enough to be soon done."""
BACKLOG = 50_000
"""Facts that may wait for the database before new images are put off."""


class Writer:
    """The one writer of what the associations report: facts in the order in which they happened.

    Associations put facts in without waiting for the database; the leg takes them out, images in
    batches. What it cannot write it keeps and tries again; the files are safe meanwhile.
    """

    name = "receive"

    def __init__(self, rooms: Rooms, own: Bell, settle: Bell) -> None:
        """`own` wakes this leg, `settle` is rung when a series was touched."""
        self._ledger = rooms.ledger
        self._spool = rooms.spool
        self._own = own
        self._settle = settle
        self._facts: Queue[Instance | Callable[[], object]] = Queue()
        self._batch: list[Instance] = []
        self._other: Callable[[], object] | None = None
        self._writing = Lock()

    @property
    def full(self) -> bool:
        """Whether so much waits for the database that nothing more should be promised."""
        return self._facts.qsize() >= BACKLOG

    def put(self, fact: Instance | Callable[[], object]) -> None:
        """Hand in an image, or any other fact as a call on the ledger."""
        self._facts.put(fact)
        self._own.ring()

    def step(self) -> float:
        """Write all that waits; at the stop, the last call waits for one that is under way."""
        with self._writing:
            return self._write_all()

    def _write_all(self) -> float:
        touched = False
        while self._fill():
            if self._batch:
                self._write_batch()
            if self._other is not None:
                self._other()
                self._other = None
            touched = True
        if touched:
            self._settle.ring()
        return 1.0

    def _fill(self) -> bool:
        """Take facts out: images up to a batch, or until something else comes between."""
        while self._other is None and len(self._batch) < BATCH:
            try:
                fact = self._facts.get_nowait()
            except Empty:
                break
            if isinstance(fact, Instance):
                self._batch.append(fact)
            else:
                self._other = fact
        return bool(self._batch) or self._other is not None

    def _write_batch(self) -> None:
        outcomes = self._ledger.instances_received(self._batch)
        for instance, outcome in zip(self._batch, outcomes, strict=True):
            if outcome is Event.INSTANCE_REPEATED:
                self._spool.release(instance.spool_name)  # the first copy is kept already
            if outcome is Event.INSTANCE_CONFLICTED:
                log.say(outcome, "warning", sop=instance.sop_instance_uid, peer=instance.calling_ae)
        self._batch = []


class Reception:
    """Who answers the peers: admits them, keeps their images, writes down what they do."""

    def __init__(
        self,
        rooms: Rooms,
        own_ae: str,
        peers: Sequence[Peer],
        writer: Writer,
        committed: Callable[[CommitmentReport], None],
        minimum_free_mb: float = 500.0,
    ) -> None:
        """Answer as `own_ae` to `peers`, keep in the spool, tell `writer`.

        `committed` notes a report of storage commitment (the confirm leg's).
        """
        self._own_ae = own_ae
        self._peers = {peer.name: peer for peer in peers}
        self._spool = rooms.spool
        self._ledger = rooms.ledger
        self._clock = rooms.clock
        self._writer = writer
        self._committed = committed
        self._minimum_free_mb = minimum_free_mb
        self._who: dict[str, str] = {}

    def admit(self, caller: Caller) -> Admission:
        """Decide on an association request, and write a refusal down."""
        admission = admitting.admit(
            caller,
            self._own_ae,
            list(self._peers.values()),
            _Addresses(self._peers),
            room=self._has_room(),
        )
        if admission.rejection is not None:
            self._refuse_association(caller, admission.reason)
        return admission

    def opened(self, association: str, peer: str, caller: Caller) -> None:
        """Note that an association was accepted."""
        log.say(Event.ASSOCIATION_OPENED, "debug", peer=peer, ae=caller.calling_ae)
        self._who[association] = peer
        self._writer.put(lambda: self._ledger.association_opened(association, peer, caller))

    def closed(self, association: str, outcome: str, instances: int) -> None:
        """Note that it ended: released, aborted or lost."""
        log.say(Event.ASSOCIATION_CLOSED, "debug", reason=outcome, instances=instances)
        self._who.pop(association, None)
        self._writer.put(lambda: self._ledger.association_closed(association, outcome, instances))

    def crowded(self, caller: Caller) -> None:
        """Note that a caller was refused because too many associations are open."""
        self._refuse_association(caller, "too many associations are open")

    def commitment_reported(self, report: CommitmentReport) -> None:
        """Note what a peer says of instances that we asked it to commit to."""
        self._writer.put(lambda: self._committed(report))

    def store(self, arrival: Arrival) -> Answer:
        """Keep an image, and answer only then."""
        peer = self._who.get(arrival.association, "")
        if "store" not in self._peers[peer].may:
            why = f"the configuration does not let {peer} store"
            return self._refuse(arrival, status.NOT_AUTHORIZED, why)
        read = header.read_header(arrival.data, arrival.transfer_syntax_uid)
        if isinstance(read, Refusal):
            return self._refuse(arrival, status.CANNOT_UNDERSTAND, read.reason)
        if (read.sop_class_uid, read.sop_instance_uid) != (
            arrival.sop_class_uid,
            arrival.sop_instance_uid,
        ):
            why = "the SOP UIDs inside differ from the command's"
            return self._refuse(arrival, status.DATA_SET_DOES_NOT_MATCH, why)
        if self._writer.full or not self._has_room():
            return self._refuse(arrival, status.OUT_OF_RESOURCES, "no room; try again later")
        prefix = header.part10_prefix(
            read,
            arrival.transfer_syntax_uid,
            calling_ae=arrival.caller.calling_ae,
            called_ae=arrival.caller.called_ae,
        )
        try:
            name = self._spool.keep_instance((prefix, arrival.data))
        except OSError as error:
            why = f"cannot write: {error.strerror}"
            return self._refuse(arrival, status.OUT_OF_RESOURCES, why)
        self._writer.put(self._instance(arrival, read, name))
        return Answer(status.SUCCESS)

    def _instance(self, arrival: Arrival, read: header.Header, name: str) -> Instance:
        return Instance(
            sop_instance_uid=read.sop_instance_uid,
            sop_class_uid=read.sop_class_uid,
            series_instance_uid=read.series_instance_uid,
            study_instance_uid=read.study_instance_uid,
            transfer_syntax_uid=arrival.transfer_syntax_uid,
            sha256=hashlib.sha256(arrival.data).hexdigest(),
            size=len(arrival.data),
            spool_name=name,
            received_at=self._clock.now(),
            calling_ae=arrival.caller.calling_ae,
            association=arrival.association,
            attributes=read.attributes,
        )

    def _refuse(self, arrival: Arrival, code: int, reason: str) -> Answer:
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
