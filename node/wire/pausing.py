"""Keeps pynetdicom's reactor from taking an answer that somebody else waits for.

A requestor's association has a thread (the reactor) that takes incoming messages off a queue, and
`send_c_store` and its like pause it, wait for their answer on the same queue, and let it go on.
In pynetdicom 3.0.4 the pause has a gap: the reactor says that it is paused, passes the checkpoint,
and only then says that it is not; a sender that looks in between believes it paused, and the
reactor takes the answer ("Received unexpected C-STORE service message"). The sender then waits for
its time-out and aborts. Here the reactor is paused for certain, and stays so for several messages.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

from pynetdicom.association import Association

ARRIVAL_SECONDS = 5.0


class _Gate(Event):
    """A checkpoint that stays closed whatever the senders do, and knows who waits at it."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.arrived.set()
        return super().wait(timeout)

    def set(self) -> None:
        """Stay closed: the senders open it after each message."""

    def open(self) -> None:
        """Let the reactor go on."""
        super().set()


@contextmanager
def paused(association: Association) -> Iterator[None]:
    """Hold the reactor of an association until the end of the `with`."""
    checkpoint = association._reactor_checkpoint  # noqa: SLF001 - pinned, and the only way
    gate = _Gate()
    association._reactor_checkpoint = gate  # noqa: SLF001
    gate.arrived.wait(ARRIVAL_SECONDS)
    try:
        yield
    finally:
        association._reactor_checkpoint = checkpoint  # noqa: SLF001
        gate.open()
