"""From a result on disk to the PACS saying that it has it; one dead PACS never holds up another."""

from collections.abc import Mapping, Sequence
from threading import Thread

from node import log
from node.dicom import status
from node.rules import retrying
from node.rules.events import Event
from node.rules.failures import Fault, Refusal
from node.rules.nouns import Delivery, Peer
from node.rules.retrying import Persistence
from node.rules.states import ForbiddenTransitionError
from node.spool import Spool
from node.stages.turning import Bell, Rooms
from node.wire import scu
from node.wire.scu import Parcel, Sent
from node.wire.security import Security

AT_ONCE = 50
"""Most results sent over one association."""
LEASE_SECONDS = 600.0
NOTE_AGAIN_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 60.0)
"""Pauses before a destination's answer is written down again that could not be written."""


class Deliver:
    """Sends what is due, each destination in a thread of its own."""

    name = "deliver"

    def __init__(
        self,
        rooms: Rooms,
        own_ae: str,
        peers: Sequence[Peer],
        persistence: Persistence,
        own: Bell,
        tls: Security | None = None,
    ) -> None:
        """Send as `own_ae`; `own` wakes this leg, `tls` is for peers that want it."""
        self._tls = tls
        self._own_ae = own_ae
        self._peers: Mapping[str, Peer] = {peer.name: peer for peer in peers}
        self._ledger = rooms.ledger
        self._spool = rooms.spool
        self._clock = rooms.clock
        self._worker = rooms.worker
        self._persistence = persistence
        self._own = own
        self._threads: dict[str, Thread] = {}

    def step(self) -> float:
        """Start sending to every destination that has something due and is not being sent to."""
        self._ledger.deliveries_lapsed()
        for destination in self._ledger.destinations_waiting(self._persistence.longest_wait):
            thread = self._threads.get(destination)
            if thread is None or not thread.is_alive():
                thread = Thread(
                    target=self._send_due, args=(destination,), name=f"deliver {destination}"
                )
                thread.daemon = True  # a PACS that hangs must not hold up the stop
                self._threads[destination] = thread
                thread.start()
        return 1.0

    def _send_due(self, destination: str) -> None:
        due = self._ledger.claim_deliveries(
            destination, self._worker, LEASE_SECONDS, AT_ONCE, self._persistence.longest_wait
        )
        peer = self._peers.get(destination)
        if peer is None:
            why = Refusal(f"the configuration has no peer {destination!r} any more", Fault.NODE)
            for delivery in due:
                self._give_up(delivery, why)
            return
        waiting = {delivery.result.sop_instance_uid: delivery for delivery in due}
        parcels = [_parcel(delivery, self._spool) for delivery in sorted(due, key=_turn)]
        for sent in scu.send(peer, self._own_ae, parcels, self._tls):
            self._note_surely(waiting[sent.parcel.sop_instance_uid], sent)
        self._own.ring()

    def _note_surely(self, delivery: Delivery, sent: Sent) -> None:
        """Write an answer down even if the database is away for a moment: it comes only once.

        Otherwise this result and all after it would stay in sending until their leases lapse.
        """
        for pause in (*NOTE_AGAIN_SECONDS, None):
            try:
                self._note(delivery, sent)
                return
            except ForbiddenTransitionError:  # the lease lapsed, and somebody else sent it
                self._say(Event.DELIVERY_RETRIED, delivery, "its lease lapsed while it was sent")
                return
            except Exception as error:
                kind = type(error).__name__
                log.say("answer_not_noted", "error", delivery=delivery.delivery_id, error=kind)
                if pause is None:
                    raise
                self._own.pause(pause)

    def _note(self, delivery: Delivery, sent: Sent) -> None:
        if sent.declined:
            self._ledger.delivery_declined(delivery.delivery_id, sent.declined)
            self._say(Event.DELIVERY_DECLINED, delivery, sent.declined)
            return
        refusal = sent.refusal or status.refusal(sent.status, delivery.destination, sent.comment)
        if refusal is None:
            said = status.describe(sent.status or status.SUCCESS)
            self._ledger.delivery_accepted(delivery.delivery_id, said)
            self._say(Event.DELIVERY_ACCEPTED, delivery, said)
        elif refusal.again:
            self._try_later(delivery, refusal)
        else:
            self._give_up(delivery, refusal)

    def _try_later(self, delivery: Delivery, refusal: Refusal) -> None:
        now = self._clock.now()
        when = retrying.next_try(
            delivery.attempts, delivery.queued_at or now, now, self._persistence
        )
        if when is None:
            self._give_up(delivery, refusal)
            return
        self._ledger.delivery_retried(delivery.delivery_id, str(refusal), when)
        self._say(Event.DELIVERY_RETRIED, delivery, str(refusal))

    def _give_up(self, delivery: Delivery, refusal: Refusal) -> None:
        self._ledger.delivery_failed(delivery.delivery_id, str(refusal))
        self._say(Event.DELIVERY_FAILED, delivery, str(refusal))

    def _say(self, event: Event, delivery: Delivery, reason: str) -> None:
        level = "info" if event in _WELL else "warning"
        log.say(
            event,
            level,
            destination=delivery.destination,
            sop=delivery.result.sop_instance_uid,
            attempts=delivery.attempts,
            reason=reason,
        )


_WELL = (Event.DELIVERY_ACCEPTED, Event.DELIVERY_DECLINED)
_FIRST = ("SEG", "LABELMAP", "SR", "ENHANCED_SR")
"""What others refer to goes before them."""


def _turn(delivery: Delivery) -> tuple[int, str]:
    kind = delivery.result.kind
    rank = _FIRST.index(kind) if kind in _FIRST else len(_FIRST)
    return rank, delivery.result.sop_instance_uid


def _parcel(delivery: Delivery, spool: Spool) -> Parcel:
    result = delivery.result
    return Parcel(
        result.sop_class_uid,
        result.sop_instance_uid,
        result.transfer_syntax_uid,
        spool.path(result.spool_name),
        result.optional,
        result.instead_of,
    )
