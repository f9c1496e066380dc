"""Looks at what a node keeps and at how large it has grown, from outside: disk, ledger, /proc."""

import hashlib
import re
import sqlite3
import struct
from dataclasses import dataclass
from pathlib import Path

from node.clock import SystemClock
from node.ledger.opening import open_ledger


@dataclass(frozen=True)
class Row:
    """An image as the ledger has it."""

    sha256: str
    size: int
    name: str


def rows(data_dir):
    """Give {SOP Instance UID: row} of a node's SQLite ledger."""
    wanted = "SELECT sop_instance_uid, sha256, size, spool_name FROM instance"
    connection = sqlite3.connect(Path(data_dir) / "ledger.sqlite")
    try:
        return {uid: Row(*rest) for uid, *rest in connection.execute(wanted)}
    finally:
        connection.close()


def digest_of(path):
    """Give digest and size of the data set in a Part 10 file, read by nothing of the node's."""
    with Path(path).open("rb") as file:
        head = file.read(144)
        if head[128:132] != b"DICM" or head[132:138] != b"\x02\0\0\0UL":
            raise AssertionError(f"{path} is no Part 10 file")
        file.seek(144 + struct.unpack("<I", head[140:144])[0])
        digest, size = hashlib.sha256(), 0
        while piece := file.read(1 << 20):
            digest.update(piece)
            size += len(piece)
    return digest.hexdigest(), size


def files(data_dir):
    """Give the names of all images in a node's spool."""
    root = Path(data_dir) / "spool"
    return {str(path.relative_to(root)) for path in (root / "instances").glob("*/*")}


def half_written(data_dir):
    return sorted(path.name for path in (Path(data_dir) / "spool").rglob("*.part"))


def faults(data_dir, answered, *, sent=None):
    """Say in what a node breaks its promise; nothing is being received meanwhile.

    `answered` are {SOP Instance UID: digest} of what was answered with Success, an empty digest
    for what is not known; `sent` those of all that was sent.
    """
    found, root = [], Path(data_dir) / "spool"
    known = rows(data_dir)
    found += [f"{uid} was answered for and has no row" for uid in answered.keys() - known.keys()]
    for uid, row in known.items():
        if not (root / row.name).is_file():
            found.append(f"{uid} has a row and no file")
            continue
        if digest_of(root / row.name) != (row.sha256, row.size):
            found.append(f"the file of {uid} holds something else than its row says")
        promised = answered.get(uid) or (sent or {}).get(uid)
        if promised and promised != row.sha256:
            found.append(f"{uid} is kept with other bytes than were sent")
        if sent is not None and uid not in sent:
            found.append(f"{uid} is kept and was never sent")
    ledger = open_ledger(None, Path(data_dir), SystemClock())
    try:
        found += [f"{one} is in no row" for one in ledger.missing_from_ledger(files(data_dir))]
        if not ledger.verify().ok:
            found.append("the audit trail is broken")
    finally:
        ledger.close()
    found += [f"half-written: {name}" for name in half_written(data_dir)]
    return found


@dataclass(frozen=True)
class Vitals:
    """What a process has: megabytes resident (10^6), at most and of its own; threads, files."""

    resident: float
    peak: float
    anonymous: float
    threads: int
    descriptors: int

    def __str__(self):
        return (
            f"{self.resident:.0f} MB ({self.anonymous:.0f} of its own, peak {self.peak:.0f}), "
            f"{self.threads} threads, {self.descriptors} descriptors"
        )


def vitals(pid):
    """Look at a process."""
    told = Path(f"/proc/{pid}/status").read_text()

    def number(key):
        return int(re.search(rf"^{key}:\s+(\d+)", told, re.MULTILINE)[1])

    return Vitals(
        number("VmRSS") * 1024 / 1e6,
        number("VmHWM") * 1024 / 1e6,
        number("RssAnon") * 1024 / 1e6,
        number("Threads"),
        len(list(Path(f"/proc/{pid}/fd").iterdir())),
    )
