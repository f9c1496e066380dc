"""An image while it comes: from its first byte to a file that we may not lose, or to none."""

from typing import Protocol

from node.dicom import header, status
from node.rules.failures import Refusal
from node.spool import Incoming, Spool
from node.wire.scp import Answer, Arrival

NO_ROOM = "no room; try again later"


class Keeper(Protocol):
    """Who decides what may come, and writes down what became of it."""

    def too_large(self, size: int) -> str:
        """Say why an image that has come to `size` bytes cannot be taken; "" when it can."""
        ...

    def received(self, arrival: Arrival, read: header.Header, name: str, size: int) -> Answer:
        """Have the row written of an image that is safe, and give the answer."""
        ...

    def refuse(self, arrival: Arrival, code: int, reason: str) -> Answer:
        """Write down that an image is refused, and give the answer."""
        ...


class Coming:
    """An image that is coming: nothing of it is on disk before it needs to be.

    One that fits into the first piece is looked at in memory, and written once it is known to be
    sound. A larger one goes to its file as it comes, and is looked at there.
    """

    def __init__(self, keeper: Keeper, arrival: Arrival, spool: Spool) -> None:
        """Take in what `arrival` announces."""
        self._keeper = keeper
        self._arrival = arrival
        self._spool = spool
        self._file: Incoming | None = None
        self._prefix = b""
        self._size = 0
        self._refused = (0, "")

    def add(self, piece: memoryview) -> None:
        """Take a piece that is not the last."""
        if self._refused[0]:
            return
        self._size += piece.nbytes
        if why := self._keeper.too_large(self._size):
            self._give_up(status.OUT_OF_RESOURCES, why)
            return
        try:
            self._write(piece)
        except OSError as error:
            self._give_up(status.OUT_OF_RESOURCES, _cannot_write(error))

    def finish(self, piece: memoryview) -> Answer:
        """Take the last piece, keep the image, and answer only then."""
        if self._file is not None:
            self.add(piece)
        if self._refused[0]:
            return self._keeper.refuse(self._arrival, *self._refused)
        if self._file is None:
            self._size = piece.nbytes
            return self._keep(self._look(piece), piece)
        with self._file.read(len(self._prefix)) as written:
            read = self._look(written)
        return self._keep(read, None)

    def abandon(self) -> None:
        """Forget it: the rest will not come."""
        self._give_up(status.PROCESSING_FAILURE, "it did not come whole")

    def _write(self, piece: memoryview) -> None:
        if self._file is None:
            arrival = self._arrival
            told = header.Header(arrival.sop_class_uid, arrival.sop_instance_uid, "", "")
            self._prefix = self._part10_prefix(told)
            self._file = self._spool.incoming()
            self._file.write(self._prefix, piece)
        else:
            self._file.write(piece)

    def _look(self, data: memoryview) -> header.Header | None:
        """Read the header; None, with the refusal noted, if it is not what was announced."""
        read = header.read_header(data, self._arrival.transfer_syntax_uid)
        if isinstance(read, Refusal):
            self._refused = (status.CANNOT_UNDERSTAND, read.reason)
            return None
        told = (self._arrival.sop_class_uid, self._arrival.sop_instance_uid)
        if (read.sop_class_uid, read.sop_instance_uid) != told:
            why = "the SOP UIDs inside differ from the command's"
            self._refused = (status.DATA_SET_DOES_NOT_MATCH, why)
            return None
        return read

    def _keep(self, read: header.Header | None, whole: memoryview | None) -> Answer:
        if read is None:
            self._give_up(*self._refused)
            return self._keeper.refuse(self._arrival, *self._refused)
        try:
            if whole is not None:
                name = self._spool.keep_instance((self._part10_prefix(read), whole))
            else:
                assert self._file is not None  # noqa: S101 - it is in memory or in a file
                file, self._file = self._file, None
                name = file.keep()
        except OSError as error:
            self._file = None
            return self._keeper.refuse(self._arrival, status.OUT_OF_RESOURCES, _cannot_write(error))
        return self._keeper.received(self._arrival, read, name, self._size)

    def _part10_prefix(self, read: header.Header) -> bytes:
        caller = self._arrival.caller
        return header.part10_prefix(
            read,
            self._arrival.transfer_syntax_uid,
            calling_ae=caller.calling_ae,
            called_ae=caller.called_ae,
        )

    def _give_up(self, code: int, reason: str) -> None:
        self._refused = (code, reason)
        file, self._file = self._file, None
        if file is not None:
            file.discard()


def _cannot_write(error: OSError) -> str:
    return f"cannot write: {error.strerror}"
