"""Asks a PACS how many images it has of a series, without keeping anybody waiting."""

from collections.abc import Sequence
from threading import Lock, Thread

from node import log
from node.clock import Clock
from node.rules.failures import Refusal
from node.rules.nouns import Peer, SeriesEvidence, Signal
from node.stages.turning import Bell
from node.wire import scu
from node.wire.security import Security

ASK_AGAIN_SECONDS = 10.0
"""So long an answer is good for a series that has not changed; then it is asked about again."""
MOST_ANSWERS = 10_000
"""So many answers are kept in mind."""


class PacsCount:
    """Counts the images of series at the peers that may be queried, one question at a time."""

    def __init__(
        self,
        peers: Sequence[Peer],
        own_ae: str,
        clock: Clock,
        told: Bell,
        tls: Security | None = None,
    ) -> None:
        """Ask those of `peers` that may be queried; `told` is rung when an answer has come."""
        self._peers = [peer for peer in peers if "query" in peer.may and peer.port is not None]
        self._own_ae = own_ae
        self._clock = clock
        self._told = told
        self._tls = tls
        self._lock = Lock()
        self._asking = False
        self._answers: dict[str, tuple[int, float, tuple[Signal, ...]]] = {}

    def of(self, evidence: SeriesEvidence) -> tuple[Signal, ...]:
        """Give what was counted since the series last changed, and ask if that is not known."""
        if not self._peers:
            return ()
        now = self._clock.monotonic()
        with self._lock:
            held, at, signals = self._answers.get(
                evidence.series_instance_uid, (-1, -ASK_AGAIN_SECONDS, ())
            )
            is_known = held == evidence.instances
            if (is_known and now - at < ASK_AGAIN_SECONDS) or self._asking:
                return signals if is_known else ()
            self._asking = True
        try:
            Thread(target=self._ask, args=(evidence,), name="count", daemon=True).start()
        except RuntimeError:  # there are no more threads
            self._asking = False
        return signals if is_known else ()

    def _ask(self, evidence: SeriesEvidence) -> None:
        signals: tuple[Signal, ...] = ()
        try:
            counted = [(peer, self._count(peer, evidence)) for peer in self._peers]
            signals = tuple(
                Signal(f"the PACS {peer.name}", count, firm=False)
                for peer, count in counted
                if count
            )
        finally:
            with self._lock:
                if len(self._answers) >= MOST_ANSWERS:
                    self._answers.clear()
                self._answers[evidence.series_instance_uid] = (
                    evidence.instances,
                    self._clock.monotonic(),
                    signals,
                )
                self._asking = False
        if signals:
            self._told.ring()

    def _count(self, peer: Peer, evidence: SeriesEvidence) -> int | None:
        study, series = evidence.study_instance_uid, evidence.series_instance_uid
        counted = scu.count_images(peer, self._own_ae, study, series, self._tls)
        if isinstance(counted, Refusal):
            log.say("pacs_not_asked", "warning", peer=peer.name, reason=str(counted))
            return None
        return counted
