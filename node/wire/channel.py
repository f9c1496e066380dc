"""Reads a connection in whole pieces, without polling and without waiting for ever.

pynetdicom's own socket reads 4 kB at a time into a growing buffer. Here a piece of known length is
read into a buffer that is used again, on a plain connection in one system call (MSG_WAITALL).
A piece that does not come in time ends the connection: who sends a byte a minute to keep a place
occupied loses it.
"""

import select
import socket
import ssl
import struct
from collections.abc import Sequence
from contextlib import suppress

from pynetdicom.association import Association
from pynetdicom.timer import Timer
from pynetdicom.transport import AssociationSocket

from node.clock import Clock

GROWTH = 1 << 16
"""Bytes by which a piece that is kept in memory grows as it comes."""


class GoneError(OSError):
    """The peer closed the connection, or it broke."""


class StalledError(OSError):
    """The peer owes bytes and does not send them."""


class MonotonicTimer(Timer):
    """pynetdicom's timer on a clock that nobody sets: its own follows the time of day."""

    def __init__(self, timeout: float | None, clock: Clock) -> None:
        """Prepare; it runs from `start`."""
        super().__init__(timeout)
        self._clock = clock
        self._until: float | None = None

    @property
    def expired(self) -> bool:
        """Whether it runs and its time is over."""
        return self._until is not None and self._clock.monotonic() > self._until

    @property
    def remaining(self) -> float:
        """Seconds until it expires."""
        if self._until is None:
            return self.timeout or 1.0
        return self._until - self._clock.monotonic()

    def start(self) -> None:
        """Run from now."""
        self._until = None if self.timeout is None else self._clock.monotonic() + self.timeout

    def stop(self) -> None:
        """Stand still."""
        self._until = None


class Channel(AssociationSocket):
    """The connection of one association, plain or TLS."""

    def __init__(self, association: Association, connected: socket.socket, clock: Clock) -> None:
        """Take over a connected socket; `limit` must follow."""
        super().__init__(association, client_socket=connected)
        self._clock = clock
        self._tls = isinstance(connected, ssl.SSLSocket)
        self._seconds = 0.0

    def limit(self, seconds: float) -> None:
        """Give each piece so many seconds, to come or to go."""
        connected = self.connected()
        self._seconds = seconds
        if self._tls:
            connected.settimeout(seconds)
            return
        whole = int(seconds)
        timeval = struct.pack("@ll", whole, int((seconds - whole) * 1_000_000) or not whole)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)

    def connected(self) -> socket.socket:
        """Give the socket itself.

        Raises:
            GoneError: it is closed.
        """
        if self.socket is None:
            raise GoneError("the connection is closed")
        return self.socket

    @property
    def ready(self) -> bool:
        """Whether there is something to read, be it the end."""
        if self.socket is None:
            return False
        return self.buffered() or self.wait(0.0)

    def buffered(self) -> bool:
        """Whether bytes are here that the system no longer tells of (PS3.15 B: TLS records)."""
        return isinstance(self.socket, ssl.SSLSocket) and self.socket.pending() > 0

    def wait(self, seconds: float) -> bool:
        """Wait until there is something to read; say whether there is."""
        poll = select.poll()  # select.select knows no descriptor above 1023
        try:
            poll.register(self.connected(), select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        except (OSError, ValueError):  # closed: reading will say so
            return True

    def say_last(self, pdu: bytes) -> None:
        """Send a last PDU if that is still possible."""
        with suppress(OSError):
            self.connected().sendall(pdu)

    def fill(self, view: memoryview) -> None:
        """Read exactly as many bytes as fit.

        Raises:
            GoneError: the connection ended before.
            StalledError: they did not come in time.
        """
        self._fill((view,), len(view))

    def fill_both(self, view: memoryview, head: memoryview) -> None:
        """Read exactly as many bytes as fit in both, one after the other, in one call.

        Raises:
            GoneError: the connection ended before.
            StalledError: they did not come in time.
        """
        self._fill((view, head), len(view) + len(head))

    def recv(self, nr_bytes: int) -> bytearray:
        """Read exactly so many bytes.

        Raises:
            GoneError: the connection ended before.
            StalledError: they did not come in time.
        """
        content = bytearray(min(nr_bytes, GROWTH))
        self.fill(memoryview(content))
        while len(content) < nr_bytes:  # memory is for what has come, not for what is announced
            piece = bytearray(min(nr_bytes - len(content), GROWTH))
            self.fill(memoryview(piece))
            content += piece
        return content

    def _fill(self, views: Sequence[memoryview], wanted: int) -> None:
        if not wanted:
            return
        views = [view for view in views if view.nbytes]  # TLS takes nothing asked for as the end
        connected = self.connected()
        missing = wanted - self._receive(connected, views)
        if not missing:
            return
        deadline = self._clock.monotonic() + self._seconds
        while missing:
            if self._clock.monotonic() > deadline:
                raise StalledError("the peer stopped in the middle of a PDU")
            rest = _rest(views, wanted - missing)
            missing -= self._receive(connected, (rest,))

    def _receive(self, connected: socket.socket, views: Sequence[memoryview]) -> int:
        try:
            if self._tls:
                count = connected.recv_into(views[0])
            elif len(views) == 1:
                count = connected.recv_into(views[0], 0, socket.MSG_WAITALL)
            else:
                count = connected.recvmsg_into(views, 0, socket.MSG_WAITALL)[0]
        except (BlockingIOError, TimeoutError) as error:
            raise StalledError("the peer stopped in the middle of a PDU") from error
        except (OSError, ValueError) as error:
            raise GoneError("the connection broke") from error
        if not count:
            raise GoneError("the peer closed the connection")
        return count


def _rest(views: Sequence[memoryview], done: int) -> memoryview:
    """Give what is still empty of the first view that is not full."""
    for view in views:
        if done < len(view):
            return view[done:]
        done -= len(view)
    raise AssertionError("nothing is missing")
