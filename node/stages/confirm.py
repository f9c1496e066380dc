"""From the PACS saying that it has a result to the PACS vouching for it (storage commitment)."""

from collections.abc import Sequence
from datetime import timedelta

from node import log
from node.rules import naming
from node.rules.events import Event
from node.rules.failures import Refusal
from node.rules.nouns import Delivery, Peer
from node.rules.retrying import REFUSED_PAUSE_SECONDS
from node.stages.turning import Rooms
from node.wire import scu
from node.wire.commitment import CommitmentReport
from node.wire.security import Security

AT_ONCE = 100
"""Most instances asked about in one request."""
ASK_AGAIN_SECONDS = 3600.0
"""Without an answer for so long, the question is put again."""


class Confirm:
    """Asks each destination that offers storage commitment to vouch for what it accepted."""

    name = "confirm"

    def __init__(
        self,
        rooms: Rooms,
        own_ae: str,
        peers: Sequence[Peer],
        tls: Security | None = None,
    ) -> None:
        """Ask as `own_ae` those of `peers` that say so; `tls` is for who wants it."""
        self._tls = tls
        self._own_ae = own_ae
        self._peers = [peer for peer in peers if peer.commitment and peer.port is not None]
        self._ledger = rooms.ledger
        self._clock = rooms.clock

    def step(self) -> float:
        """Ask about everything that was accepted and not yet asked about."""
        for peer in self._peers:
            due = self._ledger.deliveries_to_commit(peer.name, AT_ONCE, ASK_AGAIN_SECONDS)
            if due:
                self._ask(peer, due)
        return 5.0

    def _ask(self, peer: Peer, due: Sequence[Delivery]) -> None:
        transaction = naming.derived_uid(
            "commitment", self._clock.now().isoformat(), *(d.delivery_id for d in due)
        )
        self._ledger.commitment_requested(transaction, [d.delivery_id for d in due])
        pairs = [(d.result.sop_class_uid, d.result.sop_instance_uid) for d in due]
        answer = scu.request_commitment(peer, self._own_ae, transaction, pairs, self._tls)
        if isinstance(answer, Refusal):
            log.say(Event.COMMITMENT_REFUSED, "warning", peer=peer.name, reason=str(answer))
        elif answer is not None:
            self.note(answer)

    def note(self, report: CommitmentReport) -> None:
        """Write down what a peer vouches for; what it does not is sent again."""
        if report.committed:
            self._ledger.delivery_committed(report.transaction_uid, report.committed)
            log.say(Event.DELIVERY_COMMITTED, count=len(report.committed))
        if report.refused:
            when = self._clock.now() + timedelta(seconds=REFUSED_PAUSE_SECONDS)
            self._ledger.commitment_refused(report.transaction_uid, report.refused, when)
            log.say(Event.COMMITMENT_REFUSED, "warning", count=len(report.refused))
