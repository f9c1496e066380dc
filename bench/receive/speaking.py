"""Speaks just enough DICOM to send prepared objects: associate, C-STORE, C-ECHO, release.

Nothing of it is radnode's or pynetdicom's, and next to nothing is done for an instance but to hand
its bytes to the system, so that what is measured is the receiver. Sources: PS3.8 9.3, PS3.7 9.3.
"""

import socket
import struct
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

PATIENCE_SECONDS = 120.0
MAXIMUM_PDU = 131072
MOST_BUFFERS = 512
"""At once in one system call; the system takes 1024."""

STORAGE_CONTEXT, VERIFICATION_CONTEXT = 1, 3
_VERIFICATION = b"1.2.840.10008.1.1"
_EXPLICIT, _IMPLICIT = b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2"
_APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
_IMPLEMENTATION = b"2.25.9"
_RELEASE_RQ = bytes((5, 0, 0, 0, 0, 4, 0, 0, 0, 0))
_ASSOCIATE_AC, _P_DATA, _RELEASE_RP = 2, 4, 6
_AC_ITEMS = 74  # PS3.8 9.3.3: the PDU's head and its fixed fields

# elements of group 0000 by number, as they are written (PS3.7 E.1)
_AFFECTED_CLASS, _COMMAND, _MESSAGE_ID = b"\x02\x00", b"\x00\x01", b"\x10\x01"
_PRIORITY, _DATA_SET_TYPE, _STATUS, _AFFECTED_INSTANCE = b"\0\x07", b"\0\x08", b"\0\x09", b"\0\x10"
_C_STORE_RQ, _C_ECHO_RQ, _NO_DATA_SET = b"\x01\x00", b"\x30\x00", b"\x01\x01"

Buffers = Sequence[bytes | bytearray | memoryview]


_ABORT = bytes((7, 0, 0, 0, 0, 4, 0, 0, 0, 0))


class RefusedError(Exception):
    """The receiver did not do what it was asked to."""


class Association:
    """One association as the requestor, released at the end of a `with`."""

    def __init__(self, port: int, called: str, sop_class: str, *, echoes: bool = True) -> None:
        """Open it, offering one storage class and Verification, which need not be if not `echoes`.

        Raises:
            RefusedError: it was rejected, or one of both was.
            OSError: the connection failed.
        """
        self._sop_class = sop_class.encode()
        self._message = 0
        self._aborted = False
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(_request(called, self._sop_class))
        answer = self._read(_ASSOCIATE_AC)
        accepted, maximum = _negotiated(answer)
        needed = {STORAGE_CONTEXT, VERIFICATION_CONTEXT} if echoes else {STORAGE_CONTEXT}
        if not needed <= accepted:
            raise RefusedError(f"of the presentation contexts only {sorted(accepted)} are accepted")
        self.maximum = min(maximum or MAXIMUM_PDU, MAXIMUM_PDU)

    def __enter__(self) -> Self:
        """Give it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release it, or hang up after an error."""
        if error is None and not self._aborted:
            self._socket.sendall(_RELEASE_RQ)
            self._read(_RELEASE_RP)
        self._socket.close()

    def abort(self) -> None:
        """Break it off (A-ABORT, PS3.8 9.3.8); nothing is released at the end."""
        self._socket.sendall(_ABORT)
        self._aborted = True

    def store(self, uid: bytes, fragments: Buffers) -> float:
        """Send a data set cut into `fragments`; give the seconds from its first byte to Success.

        Raises:
            RefusedError: another status than Success.
        """
        command = self._command(
            _C_STORE_RQ, self._sop_class, (_PRIORITY, b"\0\0"), (_DATA_SET_TYPE, b"\0\0"), uid
        )
        head = _header(STORAGE_CONTEXT, 3, len(command)) + command
        began = time.perf_counter()
        send(self._socket, (head, *fragments))
        self._expect_success()
        return time.perf_counter() - began

    def echo(self) -> float:
        """Send a C-ECHO; give the seconds to its answer."""
        command = self._command(_C_ECHO_RQ, _VERIFICATION, (_DATA_SET_TYPE, _NO_DATA_SET))
        began = time.perf_counter()
        self._socket.sendall(_header(VERIFICATION_CONTEXT, 3, len(command)) + command)
        self._expect_success()
        return time.perf_counter() - began

    def _command(self, field: bytes, sop_class: bytes, *more: tuple[bytes, bytes] | bytes) -> bytes:
        self._message = self._message % 65535 + 1
        elements = [(_AFFECTED_CLASS, sop_class), (_COMMAND, field)]
        elements.append((_MESSAGE_ID, struct.pack("<H", self._message)))
        elements += [(_AFFECTED_INSTANCE, one) if isinstance(one, bytes) else one for one in more]
        body = b"".join(_element(number, value) for number, value in elements)
        return _element(b"\0\0", struct.pack("<I", len(body))) + body

    def _expect_success(self) -> None:
        status = _status(self._read(_P_DATA))
        if status:
            raise RefusedError(f"answered with status {status:04X}H")

    def _read(self, wanted: int) -> bytes:
        """Read one PDU whole; as we never ask twice at a time, nothing follows it."""
        held = b""
        while len(held) < 6 or len(held) < 6 + int.from_bytes(held[2:6], "big"):
            got = self._socket.recv(65536)
            if not got:
                raise RefusedError("the receiver closed the connection")
            held += got
        if held[0] != wanted:
            raise RefusedError(f"a PDU of type {held[0]} came, not {wanted}")
        return held


def fragments(parts: Buffers, maximum: int) -> Iterator[bytes | memoryview]:
    """Cut a data set that is given in parts into P-DATA-TF PDUs: a header, then views."""
    left = sum(map(len, parts))
    rest = iter(parts)
    view = memoryview(b"")
    while left:
        size = min(maximum - 6, left)
        left -= size
        yield _header(STORAGE_CONTEXT, 0 if left else 2, size)
        while size:
            if not view:
                view = memoryview(next(rest))
            taken = view[:size]
            yield taken
            size -= len(taken)
            view = view[len(taken) :]


def send(connected: socket.socket, buffers: Buffers) -> None:
    """Send buffers one after the other without joining them."""
    for start in range(0, len(buffers), MOST_BUFFERS):
        batch = buffers[start : start + MOST_BUFFERS]
        sent = connected.sendmsg(batch)
        for one in batch:  # what one call did not take; hardly ever anything
            if sent < len(one):
                connected.sendall(memoryview(one)[sent:])
            sent = max(0, sent - len(one))


def _header(context: int, control: int, size: int) -> bytes:
    """The head of a P-DATA-TF with one fragment; control: 1 command, 2 last (PS3.8 E.2)."""
    return struct.pack(">BxIIBB", _P_DATA, size + 6, size + 2, context, control)


def _element(number: bytes, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    return b"\0\0" + number + struct.pack("<I", len(value)) + value


def _item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(content)) + content


def _request(called: str, sop_class: bytes) -> bytes:
    contexts = (
        (STORAGE_CONTEXT, sop_class, (_EXPLICIT,)),
        (VERIFICATION_CONTEXT, _VERIFICATION, (_EXPLICIT, _IMPLICIT)),
    )
    offered = b"".join(
        _item(
            0x20,
            bytes((number, 0, 0, 0))
            + _item(0x30, abstract)
            + b"".join(_item(0x40, syntax) for syntax in syntaxes),
        )
        for number, abstract, syntaxes in contexts
    )
    user = _item(0x51, struct.pack(">I", MAXIMUM_PDU)) + _item(0x52, _IMPLEMENTATION)
    body = b"".join(
        (
            struct.pack(">HH", 1, 0),
            called.encode().ljust(16),
            b"BLASTER".ljust(16),
            bytes(32),
            _item(0x10, _APPLICATION_CONTEXT),
            offered,
            _item(0x50, user),
        )
    )
    return struct.pack(">BxI", 1, len(body)) + body


def _items(encoded: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    while start + 4 <= len(encoded):
        kind, length = struct.unpack_from(">BxH", encoded, start)
        yield kind, encoded[start + 4 : start + 4 + length]
        start += 4 + length


def _negotiated(answer: bytes) -> tuple[set[int], int]:
    """Give the accepted contexts, and the longest PDU that the receiver takes (0: any)."""
    accepted, maximum = set(), 0
    for kind, content in _items(answer, _AC_ITEMS):
        if kind == 0x21 and content[2] == 0:
            accepted.add(content[0])
        for inner, value in _items(content, 0) if kind == 0x50 else ():
            if inner == 0x51:
                maximum = int.from_bytes(value, "big")
    return accepted, maximum


def _status(answer: bytes) -> int:
    """Give the status of a response in one fragment."""
    position = 12
    while position + 8 <= len(answer):
        (length,) = struct.unpack_from("<I", answer, position + 4)
        if answer[position : position + 4] == b"\0\0" + _STATUS:
            return int.from_bytes(answer[position + 8 : position + 10], "little")
        position += 8 + length
    raise RefusedError("a response without a status")
