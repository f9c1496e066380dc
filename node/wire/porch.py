"""Where callers wait until they have said who they are; only then a thread is spent on them.

One thread watches the listening sockets and everybody who has connected and not yet sent a whole
A-ASSOCIATE-RQ. A health check that connects and hangs up costs a descriptor for a moment. Who says
nothing, or a byte now and then, is shown out when the time for a request (ARTIM, PS3.8 9.1.5) is
over, and when the porch is full, the one who has waited longest goes; neither keeps anybody else
out, since only who has made a request counts as an association.
"""

import fcntl
import select
import socket
import ssl
import struct
import termios
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from os import O_CLOEXEC, close, pipe2, read, write
from threading import Thread

from node import log
from node.clock import Clock
from node.wire.security import reason_of

BACKLOG = 128
PLACES = 256
"""Most callers on the porch."""
BREATH_SECONDS = 0.1
REQUEST_HEAD = 6
RECORD_HEAD = 5
LONGEST_AWAITED = 1 << 16
"""A request up to this size is waited for here; of a longer one (there are none) only the head."""
_A_ASSOCIATE_RQ = 1
_TLS_HANDSHAKE = 22
_GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR

Welcome = Callable[[socket.socket, "Door"], None]


@dataclass(frozen=True, slots=True)
class Door:
    """A listening socket, and whether TLS is spoken there."""

    listening: socket.socket
    tls: bool = False


@dataclass(slots=True)
class _Waiting:
    connected: socket.socket
    door: Door
    until: float


def open_door(host: str, port: int, *, tls: bool = False, shared: bool = False) -> Door:
    """Listen on an address; port 0 takes any that is free.

    With `shared` other processes may listen there, too, and the system deals callers out.

    Raises:
        OSError: the port is taken, or not ours to take.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return Door(listening, tls)


class Porch:
    """The thread that accepts connections, and hands over those who have begun to speak."""

    def __init__(
        self, doors: Sequence[Door], welcome: Welcome, clock: Clock, seconds: float
    ) -> None:
        """Watch `doors`; who has made a request within `seconds` is given to `welcome`."""
        self._doors = {door.listening.fileno(): door for door in doors}
        self._welcome = welcome
        self._clock = clock
        self._seconds = seconds
        self._waiting: dict[int, _Waiting] = {}
        self._poll = select.epoll()
        self._ended, self._end = pipe2(O_CLOEXEC)
        self._thread = Thread(target=self._watch, name="porch", daemon=True)

    def open(self) -> None:
        """Begin to accept."""
        for descriptor, door in self._doors.items():
            door.listening.setblocking(False)  # noqa: FBT003 - the library's own signature
            self._poll.register(descriptor, select.EPOLLIN)
        self._poll.register(self._ended, select.EPOLLIN)
        self._thread.start()

    def is_open(self) -> bool:
        """Say whether callers are still listened to."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Stop accepting, and show out who waits."""
        write(self._end, b"x")
        self._thread.join()
        for waiting in self._waiting.values():
            waiting.connected.close()
        for door in self._doors.values():
            door.listening.close()
        self._poll.close()
        close(self._ended)
        close(self._end)

    def _watch(self) -> None:
        while True:
            for descriptor, events in self._poll.poll(self._patience()):
                if descriptor == self._ended:
                    read(self._ended, 1)
                    return
                try:
                    self._attend(descriptor, events)
                except Exception as error:  # noqa: BLE001 - the door must stay open for the next
                    log.say("accept_failed", "error", error=type(error).__name__)
                    self._drop(descriptor)
            self._show_out()

    def _attend(self, descriptor: int, events: int) -> None:
        if descriptor in self._doors:
            self._accept(self._doors[descriptor])
        elif descriptor in self._waiting:
            self._look(descriptor, events)

    def _drop(self, descriptor: int) -> None:
        waiting = self._waiting.pop(descriptor, None)
        if waiting is not None:
            with suppress(OSError):
                self._poll.unregister(descriptor)
            waiting.connected.close()

    def _patience(self) -> float | None:
        """Seconds until somebody's time is over; the first who came is the first in the dict."""
        for first in self._waiting.values():
            return max(0.0, first.until - self._clock.monotonic())
        return None

    def _accept(self, door: Door) -> None:
        try:
            connected, _ = door.listening.accept()
        except BlockingIOError:  # the caller has gone already
            return
        except OSError as error:  # out of descriptors, or the caller is gone already
            log.say("accept_failed", "warning", error=error.strerror)
            self._make_place()
            select.select([self._ended], [], [], BREATH_SECONDS)  # it would be tried without end
            return
        if len(self._waiting) >= PLACES:
            self._make_place()
        connected.setblocking(True)  # noqa: FBT003
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # urgent data is read in its place: otherwise it is counted and cannot be looked at
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        awaited = RECORD_HEAD if door.tls else REQUEST_HEAD
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, awaited)
        until = self._clock.monotonic() + self._seconds
        self._waiting[connected.fileno()] = _Waiting(connected, door, until)
        self._poll.register(connected.fileno(), select.EPOLLIN | select.EPOLLRDHUP)

    def _look(self, descriptor: int, events: int) -> None:
        """See whether a caller's request is whole."""
        waiting = self._waiting[descriptor]
        awaited = _awaited(waiting.connected, tls=waiting.door.tls)
        if awaited is None or (awaited and _unread(waiting.connected) < awaited):
            if awaited is None or events & _GONE:
                self._forget(descriptor).connected.close()
            else:
                waiting.connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, awaited)
            return
        connected, door = self._forget(descriptor).connected, waiting.door
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        self._welcome(connected, door)

    def _forget(self, descriptor: int) -> _Waiting:
        self._poll.unregister(descriptor)
        return self._waiting.pop(descriptor)

    def _show_out(self) -> None:
        now = self._clock.monotonic()
        late = [number for number, waiting in self._waiting.items() if waiting.until <= now]
        for descriptor in late:
            self._forget(descriptor).connected.close()

    def _make_place(self) -> None:
        for descriptor in self._waiting:
            self._forget(descriptor).connected.close()
            return


def shake_hands(
    connected: socket.socket, context: ssl.SSLContext, seconds: float
) -> ssl.SSLSocket | None:
    """Speak TLS from here on; None when that fails, and then the connection is closed."""
    connected.settimeout(seconds)
    try:
        return context.wrap_socket(connected, server_side=True)
    except (OSError, ValueError) as error:  # ssl.SSLError is one
        reason = reason_of(error) if isinstance(error, OSError) else type(error).__name__
        log.say("tls_refused", "warning", reason=reason)
        with suppress(OSError):
            connected.close()
        return None


def _awaited(connected: socket.socket, *, tls: bool) -> int | None:
    """Give the bytes to wait for, 0 for no more, None when the caller has gone.

    That is the whole A-ASSOCIATE-RQ (PS3.8 9.3.2), or over TLS the whole record with the first
    message (RFC 8446 5.1).
    """
    length = RECORD_HEAD if tls else REQUEST_HEAD
    try:
        head = connected.recv(length, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return length
    except OSError:
        return None
    if not head:
        return None
    if len(head) < length:
        return length
    body = int.from_bytes(head[-2:] if tls else head[-4:], "big")
    if head[0] != (_TLS_HANDSHAKE if tls else _A_ASSOCIATE_RQ) or body > LONGEST_AWAITED:
        return 0  # whatever this is, who takes it in has the answer
    return length + body


def _unread(connected: socket.socket) -> int:
    """Give the bytes that are there to be read (FIONREAD)."""
    answer = fcntl.ioctl(connected, termios.FIONREAD, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])
