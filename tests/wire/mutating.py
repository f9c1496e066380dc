"""Conversations as trees, and ways to spoil them: what the fuzz target sends.

A PDU, an item, a presentation data value, a command element and a data element are all the same
here: a head with a label and a length, and a body. So one set of mutations serves all levels.
"""

import struct
import zlib
from dataclasses import dataclass, field
from random import Random

from tests.fakes import raw_peer as raw

HEADS = {
    "pdu": ">BxI",
    "item": ">BxH",
    "command": "<HHI",
    "implicit": "<HHI",
    "short": "<HH2sH",
    "long": "<HH2sxxI",
}
UNDEFINED = 0xFFFFFFFF
DEFLATED = "1.2.840.10008.1.2.1.99"
ENCAPSULATED = "1.2.840.10008.1.2.4.90"
CONTEXTS = {
    1: (raw.MR, (raw.EXPLICIT,)),
    3: (raw.VERIFICATION, (raw.IMPLICIT,)),
    5: (raw.CT, (raw.IMPLICIT,)),
    7: (raw.COMMITMENT, (raw.EXPLICIT,)),
    9: (raw.MR, (DEFLATED,)),
    11: (raw.MR, (ENCAPSULATED,)),
    13: (raw.UNHEARD_OF, (raw.EXPLICIT,)),
}
STORAGE = (1, 5, 9, 11)


@dataclass
class Node:
    """A piece of a conversation; `lie` is written as its length instead of the right one."""

    kind: str
    label: tuple = ()
    body: object = b""
    lie: int | None = None

    def render(self):
        whole = isinstance(self.body, bytes)
        body = self.body if whole else b"".join(one.render() for one in self.body)
        if self.kind == "raw":
            return body
        length = len(body) + 2 * (self.kind == "pdv") if self.lie is None else self.lie
        if self.kind == "pdv":
            return struct.pack(">IBB", length & UNDEFINED, *self.label) + body
        width = 0xFFFF if self.kind in ("item", "short") else UNDEFINED
        return struct.pack(HEADS[self.kind], *self.label, length & width) + body


@dataclass
class Conversation:
    """What is written to a connection, and in which portions."""

    pdus: list
    spoiled: list = field(default_factory=list)
    instances: dict = field(default_factory=dict)

    def render(self):
        return b"".join(one.render() for one in self.pdus)


# -- right conversations ---------------------------------------------------------------------------


def request(rng):
    user = Node("item", (0x50,), [Node("item", (0x51,), struct.pack(">I", 131072))])
    user.body.append(Node("item", (0x52,), b"1.2.826.0.1.3680043.8.498.1"))
    if rng.random() < 0.3:
        name = struct.pack(">BBH", 1, rng.randrange(2), 4) + b"user" + b"\0\0"
        user.body.append(Node("item", (0x58,), name))
    role = raw.COMMITMENT.encode()
    user.body.append(Node("item", (0x54,), struct.pack(">H", len(role)) + role + b"\0\1"))
    titles = struct.pack(">Hxx16s16s32x", 1, b"RADNODE".ljust(16), b"FUZZ".ljust(16))
    parts = [Node("raw", (), titles), Node("item", (0x10,), b"1.2.840.10008.3.1.1.1")]
    for number, (abstract, syntaxes) in CONTEXTS.items():
        inside = [Node("raw", (), bytes([number, 0, 0, 0]))]
        inside.append(Node("item", (0x30,), abstract.encode()))
        inside += [Node("item", (0x40,), one.encode()) for one in syntaxes]
        parts.append(Node("item", (0x20,), inside))
    return Node("pdu", (raw.ASSOCIATE_RQ,), [*parts, user])


def data_set(rng, uid, context):
    """A small image as nodes; its syntax is the context's, apart from the deflation."""
    sop_class = CONTEXTS[context][0]
    pixels = rng.randbytes(rng.choice([2, 100, 3000, 40000]))
    plain = [
        (0x08, 0x05, b"CS", b"ISO_IR 100"),
        (0x08, 0x16, b"UI", raw.uid_value(sop_class)),
        (0x08, 0x18, b"UI", raw.uid_value(uid)),
        (0x08, 0x60, b"CS", b"MR"),
        (0x10, 0x10, b"PN", b"Nobody^At All "),
        (0x10, 0x20, b"LO", b"P1"),
        (0x18, 0x50, b"DS", b"1.5 "),
        (0x20, 0x0D, b"UI", raw.uid_value("1.2.826.0.1.7")),
        (0x20, 0x0E, b"UI", raw.uid_value(f"1.2.826.0.1.7.{rng.randrange(9)}")),
        (0x20, 0x13, b"IS", b"1 "),
        (0x28, 0x10, b"US", b"\x10\0"),
    ]
    kind = "implicit" if context == 5 else "short"
    nodes = [
        Node(kind, (g, e) if kind == "implicit" else (g, e, vr), value) for g, e, vr, value in plain
    ]
    nodes.insert(4, _sequence(kind, rng))
    if context == 11:
        fragments = [Node("implicit", (0xFFFE, 0xE000), b"")]
        fragments += [Node("implicit", (0xFFFE, 0xE000), pixels) for _ in range(rng.randrange(4))]
        fragments.append(Node("implicit", (0xFFFE, 0xE0DD), b""))
        nodes.append(Node("long", (0x7FE0, 0x10, b"OB"), fragments, UNDEFINED))
    elif kind == "implicit":
        nodes.append(Node("implicit", (0x7FE0, 0x10), pixels))
    else:
        nodes.append(Node("long", (0x7FE0, 0x10, b"OW"), pixels))
    return nodes


def _sequence(kind, rng):
    tag, end = (0x08, 0x1140), rng.random() < 0.5
    inside = [Node(kind, (0x08, 0x1155) + (() if kind == "implicit" else (b"UI",)), b"1.2.3\0")]
    if end:
        inside.append(Node("implicit", (0xFFFE, 0xE00D), b""))
    item = Node("implicit", (0xFFFE, 0xE000), inside, UNDEFINED if end else None)
    items = [item, Node("implicit", (0xFFFE, 0xE0DD), b"")] if end else [item]
    lie = UNDEFINED if end else None
    if kind == "implicit":
        return Node("implicit", tag, items, lie)
    return Node("long", (*tag, b"SQ"), items, lie)


def command(elements):
    found = raw.read_elements(elements)
    return [Node("command", key, value) for key, value in found.items()]


def message(rng, context, elements, data=None):
    """The PDUs of a message, cut in some way."""
    pdus = []
    encoded = b"".join(one.render() for one in elements)
    if rng.random() < 0.15:
        at = rng.randrange(len(encoded) or 1)
        pdus.append(_values(context, (raw.COMMAND, encoded[:at])))
        pdus.append(_values(context, (raw.COMMAND | raw.LAST, encoded[at:])))
    else:
        values = [Node("pdv", (context, raw.COMMAND | raw.LAST), elements)]
        pdus.append(Node("pdu", (raw.P_DATA,), values))
    if data is None:
        return pdus
    step = rng.choice([50, 1000, 4090, 16378, 131066, 131066])
    step = max(step, len(data) // 60 + 1)
    starts = range(0, max(len(data), 1), step)
    for start in starts:
        last = raw.LAST if start == starts[-1] else 0
        one = Node("pdv", (context, raw.DATA | last), data[start : start + step])
        if rng.random() < 0.2:
            pdus[-1].body.append(one)
        else:
            pdus.append(Node("pdu", (raw.P_DATA,), [one]))
    return pdus


def _values(context, *values):
    return Node("pdu", (raw.P_DATA,), [Node("pdv", (context, how), body) for how, body in values])


def conversation(rng, name, *, clean=False):
    """A real conversation: a request, some messages, an end; spoiled unless `clean`."""
    made = Conversation([request(rng)])
    levels = ["pdus", "pdus", "command", "data", "data", "bytes", "order"]
    level = "" if clean else rng.choice(levels)
    for number in range(rng.randrange(1, 5)):
        what = rng.choice(["store"] * 7 + ["echo", "report"] + ["find"] * (not clean))
        made.pdus += _message(rng, made, f"{name}.{number}", number + 1, (what, level))
    made.pdus.append(rng.choice([Node("pdu", (raw.RELEASE_RQ,), bytes(4))] * 3 + [_ABORT]))
    if level in ("pdus", "order"):
        for _ in range(rng.choice([1, 1, 2, 5])):
            spoil(rng, made.pdus, made.spoiled, deep=level == "pdus")
    if level == "bytes":
        kept = rng.choice([0, 1, 1])  # with a request that is heard, more of the rest is
        rest = b"".join(one.render() for one in made.pdus[kept:])
        made.pdus[kept:] = [Node("raw", (), spoiled_bytes(rng, rest))]
        made.spoiled.append("bytes")
    return made


_ABORT = Node("pdu", (raw.ABORT,), bytes(4))


def _message(rng, made, uid, number, how):
    what, level = how
    context = rng.choice(STORAGE)
    if what == "store":
        elements = command(raw.c_store_rq(uid, number, CONTEXTS[context][0]))
        nodes = data_set(rng, uid, context)
        made.instances[uid] = number
        if level == "data" and rng.random() < 0.7:
            for _ in range(rng.choice([1, 1, 2, 4])):
                spoil(rng, nodes, made.spoiled)
        data = b"".join(one.render() for one in nodes)
        if context == 9:
            data = _deflated(data)
            if level == "data" and rng.random() < 0.3:
                data = spoiled_bytes(rng, data)
    elif what == "echo":
        context, data, elements = 3, None, command(raw.c_echo_rq(number))
    else:
        field_, context = (raw.N_EVENT_REPORT, 7) if what == "report" else (raw.C_FIND, context)
        more = {"x1000": b"1.2.3\0", "x1002": b"\1\0"} if what == "report" else {"x700": b"\0\0"}
        elements = command(raw.simple_rq(field_, number, CONTEXTS[context][0], 1, **more))
        data = b"\x08\x00\x95\x11UI\x06\x001.2.3\0"
    if level == "command":
        spoil(rng, elements, made.spoiled)
    return message(rng, context, elements, data)


def _deflated(data):
    packer = zlib.compressobj(wbits=-15)
    data = packer.compress(data) + packer.flush()
    return data + b"\0" * (len(data) % 2)


# -- spoiling --------------------------------------------------------------------------------------


def spoil(rng: Random, siblings, told, *, deep=True):
    """Spoil one thing somewhere in the trees, and say what."""
    places = [(siblings, index) for index in range(len(siblings))]
    if deep:
        for owner, index in places:  # it grows as we go
            body = owner[index].body
            if isinstance(body, list):
                places += [(body, inner) for inner in range(len(body))]
    if not places:
        return
    owner, index = rng.choice(places)
    node = owner[index]
    ways = [_delete, _double, _swap, _elsewhere]
    if deep:
        ways += [_lie, _lie, _relabel, _relabel, _rewrite, _rewrite, _nest]
    way = rng.choice(ways)
    told.append(f"{way.__name__} {node.kind} {node.label}")
    way(rng, owner, index, siblings)


def _delete(rng, owner, index, _):
    del owner[index]


def _double(rng, owner, index, _):
    owner[index:index] = [owner[index]] * rng.choice([1, 1, 3, 40])


def _swap(rng, owner, index, _):
    other = rng.randrange(len(owner))
    owner[index], owner[other] = owner[other], owner[index]


def _elsewhere(rng, owner, index, trees):
    trees.insert(rng.randrange(len(trees) + 1), owner[index])


def _lie(rng, owner, index, _):
    node = owner[index]
    length = len(node.render())
    near = [0, 1, 2, 3, 4, 6, 7, length - 7, length - 1, length, length + 1, length + 6]
    far = [0x7FFF, 0xFFFF, 0x10000, 0xFFFFF, 0x7FFFFFFF, UNDEFINED, UNDEFINED - 1]
    chosen = rng.choice([*near, *far, rng.getrandbits(32)])
    owner[index] = Node(node.kind, node.label, node.body, max(chosen, 0))


def _relabel(rng, owner, index, _):
    node = owner[index]
    if not node.label:
        return
    label = list(node.label)
    which = rng.randrange(len(label))
    if isinstance(label[which], bytes):
        label[which] = rng.choice([b"UN", b"SQ", b"OB", b"UT", b"??", b"\0\0", b"US", b"PN"])
    elif node.kind in ("pdu", "item", "pdv"):
        small = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x20, 0x50, 0x58, 255]
        label[which] = rng.choice([*small, rng.randrange(256)])
    else:
        tags = [0, 2, 8, 0x10, 0x20, 0x7FE0, 0xFFFE, 0xE000, rng.randrange(65536)]
        label[which] = rng.choice(tags)
    owner[index] = Node(node.kind, tuple(label), node.body, node.lie)


def _rewrite(rng, owner, index, _):
    node = owner[index]
    body = node.body
    if not isinstance(body, bytes):
        body = b"".join(one.render() for one in body)
    owner[index] = Node(node.kind, node.label, spoiled_bytes(rng, body), node.lie)


def _nest(rng, owner, index, _):
    node = owner[index]
    for _unused in range(rng.choice([1, 3, 100])):
        node = Node(owner[index].kind, owner[index].label, [node])
    owner[index] = node


def spoiled_bytes(rng, content):
    """Spoil bytes: flip, cut, stretch, replace."""
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8])):
        at = rng.randrange(len(changed) + 1)
        way = rng.randrange(6)
        if way == 0 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif way == 1:
            changed[at : at + rng.choice([1, 2, 4, 100])] = b""
        elif way == 2:
            changed[at:at] = rng.randbytes(rng.choice([1, 2, 3, 100, 5000]))
        elif way == 3:
            changed[at : at + 4] = rng.choice([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"])
        elif way == 4:
            del changed[at:]
        else:
            one = rng.choice([b"A", b"\0", b"\\", b"1.", b"\xe4"])
            changed[at:at] = one * rng.choice([70, 9000])
    return bytes(changed)
