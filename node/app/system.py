"""What the node and the operating system say to each other: who we are, and how we are."""

import os
import resource
import socket
from contextlib import suppress
from pathlib import Path

from node import log


def allow_descriptors() -> None:
    """Ask for as many open files as the system lets us have: each association is several."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # a sandbox may forbid it, and has set its own number
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def worker_name() -> str:
    """Name this process in leases: the host, the process, and when it began."""
    return f"{socket.gethostname()}:{os.getpid()}:{_began(os.getpid())}"


def is_gone(worker: str) -> bool:
    """Say whether a worker of this host has ended; of other hosts only their leases tell."""
    host, _, rest = worker.partition(":")
    pid, _, began = rest.partition(":")
    return host == socket.gethostname() and pid.isdigit() and _began(int(pid)) != began


def lives(worker: str) -> bool:
    """Say whether a worker is a process of this host and alive, as far as it can be seen."""
    host, _, rest = worker.partition(":")
    pid, _, began = rest.partition(":")
    return host == socket.gethostname() and pid.isdigit() and _began(int(pid)) == began != ""


def _began(pid: int) -> str:
    """Give the process's start time in ticks since boot (proc(5)), "" when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rsplit(")", 1)[1].split()[19]


def notify(message: str) -> None:
    """Tell systemd how we are, when it asked to be told (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")  # noqa: TID251 - systemd's own door
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        if address.startswith("@"):
            address = "\0" + address[1:]
        try:
            channel.connect(address)
            channel.send(message.encode())
        except OSError as error:
            log.say("notify_failed", "warning", error=error.strerror)
