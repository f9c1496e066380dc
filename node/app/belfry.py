"""Bells between the processes of a node: whoever has work for a leg elsewhere rings there, too.

Each process that serves legs holds a named pipe for each of them in `bells/` of the data folder;
who rings writes a byte to every pipe of that leg on this host. A pipe that nobody holds any more
is taken away. Without a bell a leg looks once in a while by itself, so a lost one costs a second.
"""

import errno
import os
import selectors
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread

from node.stages.turning import Bell

_ENOUGH = 4096
"""Bytes read at once: so many rings are one."""


class Belfry:
    """The folder of the pipes."""

    def __init__(self, folder: Path) -> None:
        """Make it if need be.

        Raises:
            OSError: it cannot be made.
        """
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._host = socket.gethostname()

    def ring(self, leg: str) -> None:
        """Wake a leg in every process of this host that serves it."""
        for pipe in self._pipes(leg):
            try:
                descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as error:
                if error.errno == errno.ENXIO:  # whoever held it has ended
                    pipe.unlink(missing_ok=True)
                continue
            with suppress(OSError):  # full: it is being rung
                os.write(descriptor, b"\n")
            os.close(descriptor)

    def listen(self, bells: Mapping[str, Bell]) -> "Ears":
        """Have other processes ring these bells, by leg.

        Raises:
            OSError: a pipe cannot be made.
        """
        return Ears({self._hold(leg): bell for leg, bell in bells.items()})

    def _pipes(self, leg: str) -> Iterator[Path]:
        with suppress(OSError):
            yield from self._folder.glob(f"{leg}@{self._host}@*[0-9]")

    def _hold(self, leg: str) -> tuple[Path, int]:
        """Make a pipe and hold it; it gets its name once it is held, for others clear away."""
        pipe = self._folder / f"{leg}@{self._host}@{os.getpid()}"
        new = pipe.with_name(f"{pipe.name}.new")
        new.unlink(missing_ok=True)
        os.mkfifo(new, 0o600)
        # for writing, too: it never ends, though who rings comes and goes
        descriptor = os.open(new, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        new.rename(pipe)
        return pipe, descriptor


class Ears:
    """What hears the rings of other processes, in a thread of its own."""

    def __init__(self, held: Mapping[tuple[Path, int], Bell]) -> None:
        """Listen on pipes that are held; each is given with its descriptor."""
        self._held = held
        self._over = False
        self._thread = Thread(target=self._hear, name="bells", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hear nothing any more, and take the pipes away."""
        self._over = True
        for _, descriptor in self._held:
            with suppress(OSError):
                os.write(descriptor, b"\n")
        self._thread.join()
        for pipe, descriptor in self._held:
            pipe.unlink(missing_ok=True)
            os.close(descriptor)

    def _hear(self) -> None:
        with selectors.DefaultSelector() as selector:
            for (_, descriptor), bell in self._held.items():
                selector.register(descriptor, selectors.EVENT_READ, bell)
            while not self._over:
                for key, _ in selector.select():
                    with suppress(OSError):
                        os.read(key.fd, _ENOUGH)
                    key.data.ring()


class DistantBell(Bell):
    """The bell of a leg that other processes serve."""

    def __init__(self, belfry: Belfry, leg: str) -> None:
        """Ring there."""
        super().__init__()
        self._belfry = belfry
        self._leg = leg

    def ring(self) -> None:
        """Say that there is work."""
        self._belfry.ring(self._leg)


def bells_of(belfry: Belfry, legs: frozenset[str], served: frozenset[str]) -> dict[str, Bell]:
    """Give a bell for each of `legs`, a distant one for those that this process does not serve.

    Who prepares a series wants to know of images as settling does, and is rung with it.
    """
    bells: dict[str, Bell] = {}
    for leg in sorted(legs - {"settle"}):
        bells[leg] = Bell() if leg in served else DistantBell(belfry, leg)
    own = "settle" in served
    bells["settle"] = Bell(bells["prepare"]) if own else DistantBell(belfry, "settle")
    return bells
