"""The plain path: pynetdicom as it comes, where its shape is not the one that the fast path needs.

It is slower, and an image is in memory while it comes; what it answers and promises is the same.
"""

import io
import socket
import ssl
from collections.abc import Callable, Sequence
from threading import Thread

from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import ThreadedAssociationServer

from node.wire.porch import BACKLOG, Door, shake_hands
from node.wire.storing import BUFFER, Answer, Intake

LONGEST_DATA_SET = 2 << 30
"""Most bytes of a data set, which is in memory here."""


class _Server(ThreadedAssociationServer):
    """pynetdicom's server on a socket that listens already."""

    request_queue_size = BACKLOG
    daemon_threads = True

    def __init__(
        self,
        ae: AE,
        *arguments: object,
        door: Door,
        context: Callable[[], ssl.SSLContext] | None,
        **more: object,
    ) -> None:
        self._door = door
        self._context = context
        super().__init__(ae, *arguments, **more)

    def server_bind(self) -> None:
        unbound: socket.socket = self.socket
        unbound.close()
        self.socket: socket.socket = self._door.listening
        self.server_address = self.socket.getsockname()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accept a connection; over TLS, with the certificates as they are now."""
        connected, address = self._door.listening.accept()
        if self._context is None:
            return connected, address
        secured = shake_hands(connected, self._context(), self.ae.acse_timeout or 0.0)
        if secured is None:
            raise ConnectionError("no TLS was agreed on")  # the library lets such a caller go
        return secured, address


def serve(
    ae: AE,
    door: Door,
    contexts: list[PresentationContext],
    handlers: Sequence[evt.EventHandlerType],
    context: Callable[[], ssl.SSLContext] | None,
) -> None:
    """Accept associations at a door, in threads of the library's own; `context` for TLS."""
    server = ae.make_server(
        door.listening.getsockname(),
        contexts=contexts,
        evt_handlers=list(handlers),
        server_class=_Server,
        door=door,
        context=context,
    )
    ae._servers.append(server)  # noqa: SLF001 - what start_server does, which knows no class
    Thread(target=server.serve_forever, name="plain", daemon=True).start()


def stop_accepting(ae: AE) -> None:
    """Close the doors; associations go on."""
    for server in list(ae._servers):  # noqa: SLF001
        server.shutdown()


def pass_on(intake: Intake, data: io.BytesIO | None) -> Answer:
    """Pass a data set on as the fast path does, and give the answer."""
    view = data.getbuffer() if data is not None else memoryview(b"")
    while len(view) > BUFFER:
        intake.add(view[:BUFFER])
        view = view[BUFFER:]
    return intake.finish(view)


def dismiss(event: Event) -> None:
    """End at once the threads of a caller that hung up without a request (a health check).

    pynetdicom would keep them until the ACSE time-out; an empty entry is what that time-out gives.
    """
    if event.assoc.requestor.primitive is None:
        event.assoc.dul.to_user_queue.put(None)
