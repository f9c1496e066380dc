"""More listeners on the one port: forked before anything else runs, and gone with the first.

The first process opens the port, forks the others, puts back what a crash left, and only then lets
them begin. They share nothing but the port (the
system deals callers out), a tally of associations, the spool and the ledger. If one of them
dies, the node stops as a whole, and whoever watches it starts it again: a half-crew would hide
that something is wrong. If the first dies, however it dies, the others notice and end.
"""

import gc
import os
import signal
from collections.abc import Callable
from threading import Thread

from node import log

_GO = b"g"


class Crew:
    """The processes beside the first."""

    def __init__(self) -> None:
        """Nobody has signed on yet."""
        self._hands: dict[int, int] = {}

    def sign_on(self, count: int) -> "Watch | None":
        """Fork `count` processes; in each of them give its watch, in the first None.

        Nothing may run in threads yet: a forked thread is a lock that nobody opens again.
        """
        gc.freeze()  # what is shared stays shared: the collector would touch every page
        for number in range(1, count + 1):
            reading, writing = os.pipe2(os.O_CLOEXEC)
            hand = os.fork()
            if not hand:
                for theirs in (writing, *self._hands.values()):
                    os.close(theirs)
                self._hands = {}
                return Watch(number, reading)
            os.close(reading)
            self._hands[hand] = writing
        return None

    def begin(self) -> None:
        """Let them begin."""
        for pipe in self._hands.values():
            os.write(pipe, _GO)

    def missing(self) -> bool:
        """Whether one of them has ended."""
        for hand in list(self._hands):
            ended, _ = os.waitpid(hand, os.WNOHANG)
            if ended:
                os.close(self._hands.pop(hand))
                log.say("listener_died", "error", worker=ended)
                return True
        return False

    def pass_on(self, number: signal.Signals) -> None:
        """Pass a signal on to them."""
        for hand in self._hands:
            os.kill(hand, number)

    def dismiss(self) -> None:
        """Tell them to stop, and wait until they have."""
        for pipe in self._hands.values():
            os.close(pipe)
        for hand in self._hands:
            os.waitpid(hand, 0)
        self._hands = {}


class Watch:
    """What one of the others knows of the first."""

    def __init__(self, number: int, start: int) -> None:
        """Be the process of this number; read from the pipe that the first holds open."""
        self.number = number
        self._start = start

    def may_begin(self) -> bool:
        """Wait until the first says so; False when it has died before."""
        return os.read(self._start, 1) == _GO

    def keep(self, gone: Callable[[], None]) -> None:
        """Call `gone` when the first wants us to stop, or has died."""

        def look() -> None:
            os.read(self._start, 1)
            gone()

        Thread(target=look, name="watch", daemon=True).start()
