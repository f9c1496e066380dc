"""Builds the first leg: the doors, who answers there, and the processes that share them."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from node import log
from node.app.crew import Crew, Watch
from node.app.house import House, peers_of
from node.app.system import allow_descriptors
from node.app.tally import Tally
from node.config import Config
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
    tally: Tally


def open_front(config: Config) -> Front:
    """Open the doors, and fork who shares them; nothing accepts before `furnish`.

    Raises:
        OSError: a port is taken, or not ours to take; or another node has the folder.
    """
    config.node.data_dir.mkdir(parents=True, exist_ok=True)
    ports = (config.node.port, config.tls.port)
    with Spool(config.node.data_dir / "spool").held():  # say that first, if another one has it
        doors = _open_doors(config, ports)
    allow_descriptors()
    tally = Tally([peer.name for peer in config.peers], config.node.processes)
    crew = Crew()
    watch = crew.sign_on(config.node.processes - 1)
    if watch is not None:
        tally.belong_to(watch.number)
        ports = (_port_of(doors, tls=False), _port_of(doors, tls=True))
        for door in doors:
            door.listening.close()
        doors = _open_doors(config, ports)
    return Front(tuple(doors), crew, watch, tally)


def _open_doors(config: Config, ports: Sequence[int | None]) -> list[Door]:
    shared = config.node.processes > 1
    return [
        open_door(config.node.host, port, tls=tls, shared=shared)
        for port, tls in zip(ports, (False, True), strict=True)
        if port is not None
    ]


def furnish(house: House, stack: ExitStack, front: Front) -> None:
    """Put back what a crash left (the first process does), then listen."""
    settings = house.config.node
    peers = peers_of(house.config)
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
        Room(
            settings.minimum_free_mb,
            settings.maximum_object_mb,
            settings.maximum_associations,
            front.tally,
        ),
    )
    listener = Listener(
        settings.ae_title,
        reception,
        limits=Limits(
            maximum_associations=settings.maximum_associations,
            maximum_pdu=settings.maximum_pdu,
            request_seconds=settings.request_timeout_seconds,
            idle_seconds=settings.idle_timeout_seconds,
        ),
        security=house.security,
        clock=house.clock,
    )
    listener.listen(front.doors)
    house.listens = listener.is_open
    house.port, house.tls_port = (_port_of(front.doors, tls=tls) for tls in (False, True))
    stack.callback(writer.step)  # what the listener still reported after the legs had stopped
    stack.callback(listener.stop)
    house.legs.append(writer)
    front.crew.begin()


def _port_of(doors: Sequence[Door], *, tls: bool) -> int | None:
    """Give the port of a door; None when there is no such door."""
    ports = [door.listening.getsockname()[1] for door in doors if door.tls is tls]
    return int(ports[0]) if ports else None
