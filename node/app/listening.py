"""Builds the first leg: the doors, who answers there, and the processes that share them."""

from contextlib import ExitStack
from dataclasses import dataclass, replace

from node import log
from node.app.crew import Crew, Watch
from node.app.house import House, peers_of
from node.app.system import allow_descriptors
from node.config import Config
from node.rules.nouns import Peer
from node.spool import Spool
from node.stages.confirm import Confirm
from node.stages.indexing import Writer
from node.stages.receive import Reception, Room
from node.stages.sweep import restore
from node.wire.porch import Door, open_door
from node.wire.scp import Limits, Listener


@dataclass(frozen=True, slots=True)
class Front:
    """The doors that are open, and who shares them; the first process has no watch."""

    doors: tuple[Door, ...]
    crew: Crew
    watch: Watch | None

    def port(self, *, tls: bool) -> int | None:
        """Give the port of a door; None when there is no such door."""
        ports = [door.listening.getsockname()[1] for door in self.doors if door.tls is tls]
        return int(ports[0]) if ports else None


def open_front(config: Config) -> Front:
    """Open the doors, and fork who shares them; nothing accepts before `furnish`.

    Raises:
        OSError: a port is taken, or not ours to take; or another node has the folder.
    """
    config.node.data_dir.mkdir(parents=True, exist_ok=True)
    doors = []
    with Spool(config.node.data_dir / "spool").held():  # say that first, if another one has it
        for port, tls in ((config.node.port, False), (config.tls.port, True)):
            if port is not None:
                doors.append(open_door(config.node.host, port, tls=tls))
    allow_descriptors()
    crew = Crew()
    return Front(tuple(doors), crew, crew.sign_on(config.node.processes - 1))


def furnish(house: House, stack: ExitStack, front: Front) -> None:
    """Put back what a crash left (the first process does), then listen."""
    settings = house.config.node
    peers = [_shared(peer, settings.processes) for peer in peers_of(house.config)]
    if front.watch is None:
        stack.enter_context(house.rooms.spool.held())
        restored = restore(house.rooms, settings.ae_title)
        if restored:
            log.say("spool_restored", "warning", count=restored)
    writer = Writer(house.rooms, house.bells["receive"], house.bells["settle"])
    confirm = Confirm(house.rooms, settings.ae_title, peers, house.security)
    reception = Reception(
        house.rooms,
        settings.ae_title,
        peers,
        writer,
        confirm.note,
        Room(settings.minimum_free_mb, settings.maximum_object_mb),
    )
    listener = Listener(
        settings.ae_title,
        reception,
        limits=_share(house.config),
        security=house.security,
        clock=house.clock,
    )
    listener.listen(front.doors)
    house.port, house.tls_port = front.port(tls=False), front.port(tls=True)
    stack.callback(writer.step)  # what the listener still reported after the legs had stopped
    stack.callback(listener.stop)
    house.legs.append(writer)
    front.crew.begin()


def _share(config: Config) -> Limits:
    """Give this process's share of what is granted: limits hold for all processes together."""
    settings = config.node
    return Limits(
        maximum_associations=-(-settings.maximum_associations // settings.processes),
        maximum_pdu=settings.maximum_pdu,
        request_seconds=settings.request_timeout_seconds,
        idle_seconds=settings.idle_timeout_seconds,
    )


def _shared(peer: Peer, processes: int) -> Peer:
    """Give the peer as this process sees it: with its share of the associations."""
    if peer.maximum_associations is None:
        return peer
    return replace(peer, maximum_associations=-(-peer.maximum_associations // processes))
