"""The floor: the same bytes over a loopback connection into a file each, and no protocol at all.

    python -m bench.receive.floor PORT FOLDER {none,instance}

What no receiver can do much better than: read, write, with `instance` sync, acknowledge with one
byte. One process a connection, so that nothing but the machine holds it up.
"""

import os
import socket
import sys
from pathlib import Path

BUFFER = 1 << 20
HEAD = 8  # bytes: the length of what follows, little endian


def main() -> None:
    """Serve until killed."""
    port, folder, durable = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    with socket.create_server(("127.0.0.1", port), backlog=64) as server:
        while True:
            connected, _ = server.accept()
            if not os.fork():
                server.close()
                serve(connected, folder, synced=durable == "instance")
                os._exit(0)
            connected.close()
            while reap():
                pass


def reap() -> bool:
    """Take leave of a connection's process that has ended; say whether there was one."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] > 0
    except ChildProcessError:
        return False


def serve(connected: socket.socket, folder: Path, *, synced: bool) -> None:
    """Take objects until the sender hangs up."""
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head, buffer = memoryview(bytearray(HEAD)), memoryview(bytearray(BUFFER))
    number = 0
    while _filled(connected, head):
        left = int.from_bytes(head, "little")
        path = folder / f"{os.getpid()}-{number}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        while left:
            piece = buffer[: min(left, BUFFER)]
            if not _filled(connected, piece):
                return
            os.write(descriptor, piece)
            left -= len(piece)
        if synced:
            os.fsync(descriptor)
        os.close(descriptor)
        connected.sendall(b"k")
        number += 1


def _filled(connected: socket.socket, view: memoryview) -> bool:
    done = 0
    while done < len(view):
        got = connected.recv_into(view[done:], 0, socket.MSG_WAITALL)
        if not got:
            return False
        done += got
    return True


if __name__ == "__main__":
    main()
