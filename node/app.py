"""Builds the house from the config, and takes it down in the opposite order."""

import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Signal
from threading import Thread

from node import __version__, log
from node.clock import Clock, SystemClock
from node.config import Config
from node.ledger.opening import Ledger, open_ledger
from node.rules.events import Event
from node.rules.nouns import Peer, Route
from node.rules.retrying import Persistence
from node.rules.settling import Patience
from node.spool import Spool
from node.stages.turning import Bell, Leg, Rooms, turn

LEGS = ("receive", "settle", "infer", "deliver", "confirm", "sweep")
BEAT_LIMIT = 900.0
"""A leg that has not come round for so long, or for twice a model's time, is taken for hung."""
STOP_SECONDS = 20.0


def peers_of(config: Config) -> list[Peer]:
    """Give the peers of the configuration as the rules know them."""
    return [
        Peer(p.name, p.ae_title, p.host, p.port, frozenset(p.may), p.commitment)
        for p in config.peers
    ]


def routes_of(config: Config) -> list[Route]:
    """Give the routes of the configuration as the rules know them."""
    return [Route(r.name, r.when, r.model, tuple(r.send_to)) for r in config.routes]


def open_house(config: Config, clock: Clock) -> tuple[Ledger, Spool]:
    """Open the ledger and the spool.

    Raises:
        OSError: the data folder cannot be used.
        LedgerNotReadyError: the database needs `radnode db upgrade`, or cannot be reached.
    """
    config.node.data_dir.mkdir(parents=True, exist_ok=True)
    ledger = open_ledger(config.database.url, config.node.data_dir, clock)
    return ledger, Spool(config.node.data_dir / "spool")


@dataclass(slots=True)
class House:
    """Everything that runs in this process."""

    config: Config
    clock: Clock
    rooms: Rooms
    bells: dict[str, Bell] = field(default_factory=lambda: {leg: Bell() for leg in LEGS})
    legs: list[Leg] = field(default_factory=list)
    beats: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    port: int = 0

    def beat(self, leg: str) -> None:
        """Note that a leg is alive."""
        self.beats[leg] = self.clock.monotonic()

    def alive(self) -> bool:
        """Say whether every leg has come round lately and none has failed."""
        now = self.clock.monotonic()
        limit = max(BEAT_LIMIT, 2 * self.config.models.timeout_seconds)
        return not self.failed and all(now - at < limit for at in self.beats.values())


def run(config: Config, wanted: Sequence[str], announce: Callable[[str], None]) -> int:
    """Run the node, or the named legs, until SIGTERM or SIGINT; give the exit code.

    Args:
        config: the loaded configuration.
        wanted: names out of `LEGS`; all of them when empty.
        announce: is given the one line `radnode ready …` once associations are accepted.
    """
    legs = [leg for leg in LEGS if not wanted or leg in wanted]
    clock = SystemClock()
    log.keep_from(config.node.log_level)
    stop = Signal()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as stack:
        ledger, spool = open_house(config, clock)
        stack.callback(ledger.close)
        house = House(config, clock, Rooms(ledger, spool, clock, worker_name()))
        ledger.leases_ended(worker for worker in ledger.holders() if is_gone(worker))
        _furnish(house, legs, stack)
        ledger.node_started(legs, __version__)
        stack.callback(ledger.node_stopped, legs, __version__)
        log.say(Event.NODE_STARTED, version=__version__, leg=",".join(legs))
        threads = [_start(house, leg, stop) for leg in house.legs]
        stack.callback(_stop, house, threads)
        port = house.port or "off"
        announce(f"radnode ready ae={config.node.ae_title} port={port} http=off")
        notify("READY=1")
        while not stop.wait(5.0):
            if house.alive():
                notify("WATCHDOG=1")
        notify("STOPPING=1")
    return 1 if house.failed else 0


def _furnish(house: House, legs: Sequence[str], stack: ExitStack) -> None:
    """Build the wanted legs; rooms that only one of them needs are imported with it."""
    if "receive" in legs:
        _furnish_receive(house, stack)
    if "settle" in legs:
        _furnish_settle(house)
    if "infer" in legs:
        _furnish_infer(house, stack)
    if "deliver" in legs:
        _furnish_deliver(house)
    if "confirm" in legs:
        _furnish_confirm(house)
    if "sweep" in legs:
        _furnish_sweep(house)


def _furnish_receive(house: House, stack: ExitStack) -> None:
    from node.stages.confirm import Confirm
    from node.stages.receive import Reception, Writer
    from node.stages.sweep import restore
    from node.wire.scp import Listener

    settings = house.config.node
    peers = peers_of(house.config)
    stack.enter_context(house.rooms.spool.held())
    restored = restore(house.rooms, settings.ae_title)
    if restored:
        log.say("spool_restored", "warning", count=restored)
    writer = Writer(house.rooms, house.bells["receive"], house.bells["settle"])
    confirm = Confirm(house.rooms, settings.ae_title, peers)
    reception = Reception(
        house.rooms,
        settings.ae_title,
        peers,
        writer,
        confirm.note,
        settings.minimum_free_mb,
    )
    listener = Listener(
        settings.ae_title,
        reception,
        maximum_associations=settings.maximum_associations,
        maximum_pdu=settings.maximum_pdu,
    )
    house.port = listener.start(settings.host, settings.port)
    stack.callback(_last_facts, writer)
    stack.callback(listener.stop)
    house.legs.append(writer)


def _furnish_settle(house: House) -> None:
    from node.bundles.shelf import Shelf
    from node.stages.settle import Settle

    shelf = Shelf(house.config.models.dir)
    patience = Patience(
        quiet=house.config.settling.quiet_seconds,
        open_quiet=house.config.settling.open_association_quiet_seconds,
        aborted_quiet=house.config.settling.aborted_association_quiet_seconds,
    )
    house.legs.append(
        Settle(
            house.rooms,
            routes_of(house.config),
            patience,
            bundle_hash=shelf.recorded_hash,
            infer=house.bells["infer"],
        )
    )


def _furnish_infer(house: House, stack: ExitStack) -> None:
    from node.bundles.runner import Runner
    from node.bundles.shelf import Shelf
    from node.stages.infer import Infer, Limits, clear_left_work

    clear_left_work(house.rooms)
    models = house.config.models
    runner = Runner(threads=models.threads or os.cpu_count() or 1, environment=_accelerator())
    stack.callback(runner.close)
    house.legs.append(
        Infer(
            house.rooms,
            Shelf(models.dir),
            runner,
            Limits(
                timeout_seconds=models.timeout_seconds,
                attempts=models.attempts,
                warm=house.config.routes[0].model if house.config.routes else None,
            ),
            deliver=house.bells["deliver"],
        )
    )


def _furnish_deliver(house: House) -> None:
    from node.stages.deliver import Deliver

    wish = house.config.delivery
    house.legs.append(
        Deliver(
            house.rooms,
            house.config.node.ae_title,
            peers_of(house.config),
            Persistence(
                first=wish.retry_first_seconds,
                longest=wish.retry_longest_seconds,
                give_up=wish.give_up_hours * 3600.0,
            ),
            own=house.bells["deliver"],
        )
    )


def _furnish_confirm(house: House) -> None:
    from node.stages.confirm import Confirm

    settings = house.config.node
    peers = peers_of(house.config)
    house.legs.append(Confirm(house.rooms, settings.ae_title, peers))


def _furnish_sweep(house: House) -> None:
    from node.stages.sweep import Retention, Sweep

    wish = house.config.retention
    retention = Retention(wish.instances_hours, wish.results_hours)
    house.legs.append(Sweep(house.rooms, retention))


def _start(house: House, leg: Leg, stop: Signal) -> Thread:
    house.beat(leg.name)

    def live() -> None:
        try:
            turn(leg, house.bells[leg.name], house.beat)
        except Exception as error:
            house.failed.append(leg.name)
            log.say("leg_gave_up", "error", leg=leg.name, error=type(error).__name__)
            stop.set()
            raise

    thread = Thread(target=live, name=leg.name, daemon=True)
    thread.start()
    return thread


def _stop(house: House, threads: Sequence[Thread]) -> None:
    for bell in house.bells.values():
        bell.stop()
    for thread in threads:
        thread.join(STOP_SECONDS)


def _last_facts(leg: Leg) -> None:
    """Write what the listener still reported after the legs had stopped."""
    leg.step()


def _accelerator() -> dict[str, str]:
    """Give the model's process what says which accelerator it may use, and nothing else of ours."""
    names = ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in names if name in os.environ}  # noqa: TID251


def worker_name() -> str:
    """Name this process in leases: the host, the process, and when it began."""
    return f"{socket.gethostname()}:{os.getpid()}:{_began(os.getpid())}"


def is_gone(worker: str) -> bool:
    """Say whether a worker of this host has ended; of other hosts only their leases tell."""
    host, _, rest = worker.partition(":")
    pid, _, began = rest.partition(":")
    return host == socket.gethostname() and pid.isdigit() and _began(int(pid)) != began


def _began(pid: int) -> str:
    """Give the process's start time in ticks since boot (proc(5)), "" when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rsplit(")", 1)[1].split()[19]


def notify(message: str) -> None:
    """Tell systemd how we are, when it asked to be told (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")  # noqa: TID251 - systemd's own door
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        if address.startswith("@"):
            address = "\0" + address[1:]
        try:
            channel.connect(address)
            channel.send(message.encode())
        except OSError as error:
            log.say("notify_failed", "warning", error=error.strerror)
