"""Keeps large objects that go out from piling up in memory, and deaf peers from holding us up.

pynetdicom reads a file piece by piece (`node.wire` tells it to), but puts all the pieces into a
queue at once, from which the upper layer's own thread takes them as fast as the peer does: an
object of 300 MB lies in memory whole. Here the queue is short, and who fills it waits. Neither that
wait nor the socket's own would ever end with a peer that stays connected and takes nothing, so both
get an end.
"""

from queue import Full, Queue

from pynetdicom.association import Association
from pynetdicom.pdu_primitives import P_DATA, MaximumLengthNotification, _PDUPrimitiveType

ON_THE_WAY = 8 * 1024 * 1024
"""Most bytes of an object that lie in memory between its file and the socket."""
LARGEST_PDU = 256 * 1024
"""Larger ones are not sent, whatever the peer would take (0: of any length, PS3.8 D.1)."""
LOOK_SECONDS = 0.5


class GoneError(RuntimeError):
    """Nobody will ever take what is to be sent: the association ended, or its peer is deaf."""


class ShortQueue(Queue[_PDUPrimitiveType]):
    """What is to be sent; who adds data to a full one waits until some of it has gone."""

    def __init__(self, association: Association, length: int, patience: float) -> None:
        """Hold `length` pieces for an association whose peer may stall for `patience` seconds."""
        super().__init__(length)
        self._association = association
        self._looks = max(1, round(patience / LOOK_SECONDS))

    def put(
        self,
        item: _PDUPrimitiveType,
        block: bool = True,  # noqa: ARG002, FBT001, FBT002 - as the library has it
        timeout: float | None = None,  # noqa: ARG002
    ) -> None:
        """Add something; only data waits, a release or an abort never does.

        Raises:
            GoneError: it cannot be sent any more.
        """
        if not isinstance(item, P_DATA):
            with self.mutex:
                self._put(item)
                self.unfinished_tasks += 1
                self.not_empty.notify()
            return
        for _ in range(self._looks):
            try:
                super().put(item, timeout=LOOK_SECONDS)
                return
            except Full:
                if not self._association.dul.is_alive():
                    break
        raise GoneError("the peer takes no more data")


def hold_little(association: Association, patience: float) -> None:
    """Bound what an association that we opened holds in memory, and how long it waits (seconds)."""
    largest = LARGEST_PDU
    for item in association.acceptor.user_information:
        if isinstance(item, MaximumLengthNotification):
            largest = min(item.maximum_length_received or LARGEST_PDU, LARGEST_PDU)
            item.maximum_length_received = largest
    upper_layer = association.dul
    length = max(2, ON_THE_WAY // max(largest, 1))
    upper_layer.to_provider_queue = ShortQueue(association, length, patience)
    connection = upper_layer.socket
    if connection is not None and connection.socket is not None:
        connection.socket.settimeout(patience)
