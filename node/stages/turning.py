"""The loop that every leg runs in: do what there is, then wait for work or for the stop."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event as Signal
from typing import Protocol

from node import log
from node.clock import Clock
from node.ledger.opening import Ledger
from node.spool import Spool

LONGEST_WAIT = 1.0
"""Seconds after which a leg looks again even unasked: not all that it waits for rings a bell."""
FAILURES_ALLOWED = 20
"""Failures in a row after which the loop gives up, and the process with it."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """What every leg leans on; `worker` names this process in leases.

    `lives` says whether the worker of that name is a process of this host and alive.
    """

    ledger: Ledger
    spool: Spool
    clock: Clock
    worker: str
    lives: Callable[[str], bool] = lambda _: False


class Leg(Protocol):
    """One leg of the journey."""

    name: str

    def step(self) -> float:
        """Do what there is to do now; give the seconds until looking again makes sense."""
        ...


class Bell:
    """Wakes whoever waits: work has come for a leg of this process, or it is time to stop."""

    def __init__(self, *others: "Bell") -> None:
        """Start silent; `others` ring with it."""
        self._others = others
        self._signal = Signal()
        self._stop = Signal()

    def ring(self) -> None:
        """Say that there is work."""
        self._signal.set()
        for other in self._others:
            other.ring()

    def stop(self) -> None:
        """Say that it is over."""
        self._stop.set()
        self._signal.set()

    @property
    def stopped(self) -> bool:
        """Whether it is over."""
        return self._stop.is_set()

    def wait(self, seconds: float) -> None:
        """Wait for work, the stop, or the time."""
        if self._signal.wait(seconds) and not self.stopped:
            self._signal.clear()

    def pause(self, seconds: float) -> None:
        """Wait for the time or the stop, whatever work comes: what has failed needs its pause."""
        self._stop.wait(seconds)


def turn(leg: Leg, bell: Bell, beat: Callable[[str], None]) -> None:
    """Run a leg until the bell says stop; `beat` is told each time round that it is alive.

    A failure (the database is away, a disk is full) is said and tried again, more slowly each
    time; after `FAILURES_ALLOWED` in a row it is raised.
    """
    failures = 0
    while not bell.stopped:
        beat(leg.name)
        try:
            pause = leg.step()
            failures = 0
        except Exception as error:
            failures += 1
            log.say("leg_failed", "error", leg=leg.name, error=type(error).__name__)
            if failures >= FAILURES_ALLOWED:
                raise
            bell.pause(min(0.1 * 2**failures, 10.0))
            continue
        bell.wait(min(pause, LONGEST_WAIT))
