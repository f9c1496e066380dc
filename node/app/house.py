"""The house: the rooms of this process, its legs, and how long ago each gave a sign of life."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from node.clock import Clock
from node.config import Config
from node.config.expressions import parse
from node.config.sections import StudySection
from node.ledger.opening import Ledger, open_ledger
from node.rules.nouns import Notice, Output, Peer, Route
from node.rules.wishes import RouteInputs, StudyWish
from node.spool import Spool
from node.stages.turning import Bell, Leg, Rooms
from node.wire.security import Security

LEGS = ("receive", "settle", "infer", "deliver", "confirm", "sweep")
WITH_INFER = "prepare"
"""A leg that runs wherever `infer` does."""
BEAT_LIMIT = 900.0
"""A leg that has not come round for so long, or for twice a model's time, is taken for hung."""


def peers_of(config: Config) -> list[Peer]:
    """Give the peers of the configuration as the rules know them."""
    return [
        Peer(
            p.name,
            p.ae_title,
            p.host,
            p.port,
            frozenset(p.may),
            p.commitment,
            p.maximum_associations,
            p.tls,
            p.certificate,
            p.user,
            p.passcode,
        )
        for p in config.peers
    ]


def security_of(config: Config) -> Security | None:
    """Give what TLS needs; None when nobody calls, or is called, with it.

    Raises:
        SecurityError: a certificate, key or file of authorities cannot be used.
    """
    peers = peers_of(config)
    if config.tls.port is None and not any(peer.tls for peer in peers):
        return None
    return Security(config.tls, peers)


def routes_of(config: Config) -> list[Route]:
    """Give the routes of the configuration as the rules know them."""
    return [
        Route(
            r.name,
            r.when,
            r.model,
            tuple(r.send_to),
            frozenset(Output(one) for one in r.results),
            frozenset(Notice(one) for one in r.if_not_run),
            r.stat,
            _study_of(r.study),
            RouteInputs(**r.inputs.model_dump()),
            r.fall_back_to_cpu,
        )
        for r in config.routes
    ]


def _study_of(section: StudySection | None) -> StudyWish | None:
    if section is None:
        return None
    seconds = section.force_after_seconds
    force_after = None if seconds is None else timedelta(seconds=seconds)
    complete = parse(section.complete)
    return StudyWish(section.series, complete, force_after, section.then)


def open_house(config: Config, clock: Clock) -> tuple[Ledger, Spool]:
    """Open the ledger and the spool.

    Raises:
        OSError: the data folder cannot be used.
        LedgerNotReadyError: the database needs `radnode db upgrade`, or cannot be reached.
    """
    config.node.data_dir.mkdir(parents=True, exist_ok=True)
    ledger = open_ledger(config.database.url, config.node.data_dir, clock)
    return ledger, Spool(config.node.data_dir / "spool", config.node.durable)


@dataclass(slots=True)
class House:
    """Everything that runs in this process."""

    config: Config
    clock: Clock
    rooms: Rooms
    bells: dict[str, Bell]
    security: Security | None = None
    legs: list[Leg] = field(default_factory=list)
    beats: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    port: int | None = None
    tls_port: int | None = None
    listens: Callable[[], bool] = lambda: True

    def beat(self, leg: str) -> None:
        """Note that a leg is alive."""
        self.beats[leg] = self.clock.monotonic()

    def alive(self) -> bool:
        """Say whether every leg has come round lately and none has failed."""
        now = self.clock.monotonic()
        limit = max(BEAT_LIMIT, 2 * self.config.models.timeout_seconds)
        return not self.failed and all(now - at < limit for at in self.beats.values())
