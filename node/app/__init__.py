"""Builds the house from the config, and takes it down in the opposite order."""

import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from threading import Event as Signal
from threading import Thread
from typing import TYPE_CHECKING

from node import __version__, log
from node.app.belfry import Belfry, bells_of
from node.app.furnishing import furnish
from node.app.house import LEGS, WITH_INFER, House, open_house, peers_of, routes_of, security_of
from node.app.system import is_gone, lives, notify, worker_name
from node.clock import SystemClock
from node.config import Config
from node.rules.events import Event
from node.stages.turning import Bell, Leg, Rooms, turn

if TYPE_CHECKING:
    from node.app.listening import Front

__all__ = ["LEGS", "open_house", "peers_of", "routes_of", "run", "security_of", "worker_name"]

STOP_SECONDS = 20.0
LOOK_SECONDS = 1.0
"""How often the first process looks after itself and the others."""


def run(config: Config, wanted: Sequence[str], announce: Callable[[str], None]) -> int:
    """Run the node, or the named legs, until SIGTERM or SIGINT; give the exit code.

    Args:
        config: the loaded configuration.
        wanted: names out of `LEGS`; all of them when empty.
        announce: is given the one line `radnode ready …` once associations are accepted.
    """
    legs = [leg for leg in LEGS if not wanted or leg in wanted]
    log.keep_from(config.node.log_level)
    stop = Signal()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to read again
    if "receive" not in legs:
        return _run_house(config, legs, None, stop, announce)
    from node.app.listening import open_front

    front = open_front(config)
    if front.watch is None:
        return _run_house(config, legs, front, stop, announce)
    if not front.watch.may_begin():
        return 1
    front.watch.keep(stop.set)
    return _run_house(config, ["receive"], front, stop, None)


def _run_house(
    config: Config,
    legs: Sequence[str],
    front: "Front | None",
    stop: Signal,
    announce: Callable[[str], None] | None,
) -> int:
    """Run what belongs into this process; without `announce` it is one beside the first."""
    clock = SystemClock()
    with ExitStack() as stack:
        ledger, spool = open_house(config, clock)
        stack.callback(ledger.close)
        rooms = Rooms(ledger, spool, clock, worker_name(), lives)
        house = House(config, clock, rooms, _hang_bells(config, legs, stack), security_of(config))
        signal.signal(signal.SIGHUP, lambda *_: _reload(house, front))
        if announce is not None:
            ledger.leases_ended(worker for worker in ledger.holders() if is_gone(worker))
        if front is not None:
            from node.app import listening

            listening.furnish(house, stack, front)
            stack.callback(front.crew.dismiss)
        furnish(house, legs, stack)
        if announce is not None:
            ledger.node_started(legs, __version__)
            stack.callback(ledger.node_stopped, legs, __version__)
            log.say(Event.NODE_STARTED, version=__version__, leg=",".join(legs))
        threads = [_start(house, leg, stop) for leg in house.legs]
        stack.callback(_stop, house, threads)
        if announce is not None:
            announce(_ready(house))
            notify("READY=1")
        _watch(house, front, stop)
        notify("STOPPING=1")
    return 1 if house.failed else 0


def _hang_bells(config: Config, legs: Sequence[str], stack: ExitStack) -> dict[str, Bell]:
    """Give the bells of all legs; other processes can ring those of this process's."""
    belfry = Belfry(config.node.data_dir / "bells")
    served = frozenset((*legs, WITH_INFER) if "infer" in legs else legs)
    bells = bells_of(belfry, frozenset((*LEGS, WITH_INFER)), served)
    ears = belfry.listen({leg: bell for leg, bell in bells.items() if leg in served})
    stack.callback(ears.close)
    return bells


def _watch(house: House, front: "Front | None", stop: Signal) -> None:
    """Wait for the stop, and meanwhile look after the legs and the other processes."""
    while not stop.wait(LOOK_SECONDS):
        if front is not None and front.crew.missing():
            house.failed.append("receive")
            return
        if house.alive() and house.listens():
            notify("WATCHDOG=1")


def _ready(house: House) -> str:
    ports = f"port={house.port or 'off'}"
    if house.tls_port is not None:
        ports += f" tls={house.tls_port}"
    return f"radnode ready ae={house.config.node.ae_title} {ports} http=off"


def _reload(house: House, front: "Front | None") -> None:
    """Take new certificates, at SIGHUP; connections that are open stay as they are."""
    if front is not None:
        front.crew.pass_on(signal.SIGHUP)
    if house.security is None:
        return
    problem = house.security.reload()
    log.say("certificates_reloaded", "error" if problem else "info", reason=problem or None)


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
