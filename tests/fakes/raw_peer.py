"""A peer that speaks DICOM byte by byte, and so can also speak it wrongly.

PDUs, items, values and commands are built by hand from PS3.8 chapter 9 and PS3.7 annex E, on a
plain socket; nothing of the node and nothing of pynetdicom is in here.
"""

import contextlib
import socket
import ssl
import struct
from dataclasses import dataclass

VERIFICATION = "1.2.840.10008.1.1"
COMMITMENT = "1.2.840.10008.1.20.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
UNHEARD_OF = "1.2.840.10008.5.1.4.1.1.999"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
CONTEXTS = {
    1: (MR, (EXPLICIT,)),
    3: (VERIFICATION, (IMPLICIT,)),
    5: (CT, (IMPLICIT,)),
    7: (COMMITMENT, (EXPLICIT,)),
    9: (UNHEARD_OF, (EXPLICIT,)),
}
"""What is proposed unless a test says otherwise; the last one is accepted by nobody."""

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
DATA, COMMAND, LAST = 0, 1, 2
NO_DATA_SET = 0x0101
C_STORE, C_FIND, C_ECHO, N_EVENT_REPORT, C_CANCEL = 0x0001, 0x0020, 0x0030, 0x0100, 0x0FFF
RESPONSE = 0x8000
_AFFECTED_CLASS, _FIELD, _MESSAGE_ID, _ANSWERED_ID, _PRIORITY = 0x02, 0x100, 0x110, 0x120, 0x700
_DATA_SET_TYPE, _STATUS, _COMMENT, _AFFECTED_INSTANCE = 0x800, 0x900, 0x902, 0x1000


def pdu(kind, body=b"", length=None):
    """A PDU; `length` is a lie about its length."""
    return struct.pack(">BxI", kind, len(body) if length is None else length) + body


def item(kind, body, length=None):
    return struct.pack(">BxH", kind, len(body) if length is None else length) + body


def pdv(context, control, fragment=b"", length=None):
    length = len(fragment) + 2 if length is None else length
    return struct.pack(">IBB", length, context, control) + fragment


def p_data(*values):
    return pdu(P_DATA, b"".join(values))


def release_rq():
    return pdu(RELEASE_RQ, bytes(4))


def abort():
    return pdu(ABORT, bytes(4))


def associate_rq(contexts=None, calling="CALLER", called="RADNODE", maximum=131072):
    """An A-ASSOCIATE-RQ; `contexts` are {id: (abstract syntax, transfer syntaxes)}."""
    contexts = CONTEXTS if contexts is None else contexts
    body = struct.pack(">Hxx16s16s32x", 1, called.encode().ljust(16), calling.encode().ljust(16))
    body += item(0x10, b"1.2.840.10008.3.1.1.1")
    for number, (abstract, syntaxes) in contexts.items():
        inside = item(0x30, abstract.encode())
        inside += b"".join(item(0x40, one.encode()) for one in syntaxes)
        body += item(0x20, bytes([number, 0, 0, 0]) + inside)
    user = item(0x51, struct.pack(">I", maximum)) + item(0x52, b"1.2.826.0.1.3680043.8.498.1")
    if any(abstract == COMMITMENT for abstract, _ in contexts.values()):
        uid = COMMITMENT.encode()
        user += item(0x54, struct.pack(">H", len(uid)) + uid + b"\0\1")  # PS3.7 D.3.3.4
    return pdu(ASSOCIATE_RQ, body + item(0x50, user + item(0x55, b"RAW_PEER")))


def element(number, value, group=0):
    return struct.pack("<HHI", group, number, len(value)) + value


def command(elements):
    """A command set, with its group length, from {element number: value}."""
    body = b"".join(element(number, elements[number]) for number in sorted(elements))
    return element(0, struct.pack("<I", len(body))) + body


def short(value):
    return struct.pack("<H", value)


def uid_value(uid):
    value = uid.encode()
    return value + b"\0" * (len(value) % 2)


def c_store_rq(uid, message_id=1, sop_class=MR, data_set=1, **extra):
    """The command set of a C-STORE-RQ; `extra` are further elements, as x1030=b"..."."""
    elements = {
        _AFFECTED_CLASS: uid_value(sop_class),
        _FIELD: short(C_STORE),
        _MESSAGE_ID: short(message_id),
        _PRIORITY: short(0),
        _DATA_SET_TYPE: short(data_set),
        _AFFECTED_INSTANCE: uid_value(uid),
    }
    return command({**elements, **{int(key[1:], 16): value for key, value in extra.items()}})


def c_echo_rq(message_id=1):
    return simple_rq(C_ECHO, message_id, VERIFICATION, NO_DATA_SET)


def simple_rq(field, message_id, sop_class, data_set, **extra):
    """The command set of some other request, or of what is none."""
    elements = {
        _AFFECTED_CLASS: uid_value(sop_class),
        _FIELD: short(field),
        _MESSAGE_ID: short(message_id),
        _DATA_SET_TYPE: short(data_set),
    }
    return command({**elements, **{int(key[1:], 16): value for key, value in extra.items()}})


def message(context, encoded, data=None, size=16384):
    """The PDUs of one message: its command in one, its data set in as many as it needs."""
    parts = [p_data(pdv(context, COMMAND | LAST, encoded))]
    if data is not None:
        step = size - 6
        for start in range(0, max(len(data), 1), step):
            last = LAST if start + step >= len(data) else 0
            parts.append(p_data(pdv(context, DATA | last, data[start : start + step])))
    return b"".join(parts)


def echo(message_id=1, context=3):
    return message(context, c_echo_rq(message_id))


def store(uid, data, message_id=1, context=1, sop_class=MR, size=16384):
    return message(context, c_store_rq(uid, message_id, sop_class), data, size)


@dataclass(frozen=True)
class Reply:
    """A response as it came; `encoded` is its command set byte for byte."""

    context: int
    field: int
    message_id: int
    status: int
    sop_class: str
    sop_instance: str
    comment: str
    encoded: bytes


def read_elements(encoded):
    """Give {(group, element): value} of what is encoded as implicit little endian."""
    found, position = {}, 0
    while position < len(encoded):
        group, number, length = struct.unpack_from("<HHI", encoded, position)
        position += 8
        if position + length > len(encoded):
            raise ValueError("an element longer than what holds it")
        found[group, number] = encoded[position : position + length]
        position += length
    return found


def read_reply(context, encoded):
    """Read a response; what it lacks is -1 or empty."""
    found = read_elements(encoded)

    def number(key):
        return struct.unpack("<H", found[0, key])[0] if (0, key) in found else -1

    def text(key):
        return found.get((0, key), b"").rstrip(b"\0 ").decode("latin-1")

    return Reply(
        context,
        number(_FIELD),
        number(_ANSWERED_ID),
        number(_STATUS),
        text(_AFFECTED_CLASS),
        text(_AFFECTED_INSTANCE),
        text(_COMMENT),
        encoded,
    )


class RawPeer:
    """One connection. `end` says how it ended: released, aborted, closed, rejected; "" so far."""

    def __init__(self, port, *, seconds=10.0, tls=None, address=None, **request):
        self.request = request
        self.replies = []
        self.end = ""
        self.rejection = None
        self.accepted = {}
        self.maximum = 0
        self._seconds = seconds
        self.socket = socket.create_connection(("127.0.0.1", port), seconds, address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def associate(self):
        """Ask for an association and read the answer."""
        self.send(associate_rq(**self.request))
        self.read()
        return self

    def send(self, *parts):
        """Send; that the other side has gone is seen when reading."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self.socket.sendall(b"".join(parts))

    def read_pdu(self):
        """Give the next PDU as (kind, body), or None when there is none any more."""
        try:
            head = self._exactly(6)
            kind, length = struct.unpack(">BxI", head)
            return kind, self._exactly(length)
        except TimeoutError:
            self.end = self.end or "still open"
        except (EOFError, OSError):  # a connection that was reset is closed, too
            self.end = self.end or "closed"
        return None

    def read(self):
        """Take in one PDU, note what it says, and give its kind; 0 at the end."""
        got = self.read_pdu()
        if got is None:
            return 0
        kind, body = got
        if kind == ASSOCIATE_AC:
            self._read_accepted(body)
        elif kind == ASSOCIATE_RJ:
            self.end, self.rejection = "rejected", tuple(body[1:4])
        elif kind == RELEASE_RP:
            self.end = "released"
        elif kind == ABORT:
            self.end = "aborted"
        elif kind == P_DATA:
            self._read_values(body)
        else:
            raise AssertionError(f"a PDU of type {kind}")
        return kind

    def reply(self):
        """Wait for one more reply; None when none comes any more."""
        count = len(self.replies)
        while len(self.replies) == count:
            if not self.read():
                return None
        return self.replies[-1]

    def store(self, uid, data, **more):
        """Send an image and wait for the answer."""
        self.send(store(uid, data, **more))
        return self.reply()

    def release(self):
        """Release, and read all that still comes."""
        self.send(release_rq())
        return self.read_all()

    def read_all(self):
        """Read until somebody ends it, as PS3.8 has it, and hang up; say how it ended."""
        while not self.end and self.read():
            pass
        self.close()
        return self.end

    def close(self):
        self.socket.close()

    def _exactly(self, count):
        parts = bytearray()
        while len(parts) < count:
            piece = self.socket.recv(min(count - len(parts), 1 << 16))
            if not piece:
                raise EOFError
            parts += piece
        return bytes(parts)

    def _read_accepted(self, body):
        position = 68
        while position < len(body):
            kind, length = struct.unpack_from(">BxH", body, position)
            inside = body[position + 4 : position + 4 + length]
            if kind == 0x21 and inside[2] == 0:
                self.accepted[inside[0]] = inside[8:].decode()
            if kind == 0x50:
                self.maximum = struct.unpack(">I", inside[4:8])[0]
            position += 4 + length

    def _read_values(self, body):
        position = 0
        while position < len(body):
            length, context, control = struct.unpack_from(">IBB", body, position)
            fragment = body[position + 6 : position + 4 + length]
            if control != COMMAND | LAST or position + 4 + length > len(body):
                raise AssertionError("a reply in pieces: no reply of ours is so long")
            self.replies.append(read_reply(context, fragment))
            position += 4 + length
