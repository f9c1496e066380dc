"""A small archive that keeps what it is sent: a destination for demonstrations and tests.

It is a real C-STORE SCP with C-ECHO, and nothing more: no query, no list of peers, no retention.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from node.dicom import header, status
from node.rules.admitting import Admission
from node.rules.failures import Refusal
from node.rules.nouns import Caller, Peer
from node.wire.commitment import CommitmentReport
from node.wire.scp import Answer, Arrival, Listener


class Archive:
    """Keeps every object as `folder/study/series/instance.dcm`; a resend replaces the file."""

    def __init__(self, folder: Path, noticed: Callable[[Path], None] | None = None) -> None:
        """Keep under `folder`; `noticed` is called with the path of each object kept."""
        self._folder = folder
        self._noticed = noticed

    def listen(self, own_ae: str, host: str, port: int) -> tuple[Listener, int]:
        """Start listening; give the listener, to be stopped, and the port.

        Raises:
            OSError: the port is taken.
        """
        listener = Listener(own_ae, self)
        return listener, listener.start(host, port)

    def admit(self, caller: Caller) -> Admission:
        """Let everybody in."""
        return Admission(Peer(caller.calling_ae, caller.calling_ae, caller.address))

    def opened(self, association: str, peer: str, caller: Caller) -> None:
        """Nothing is noted."""

    def closed(self, association: str, outcome: str, instances: int) -> None:
        """Nothing is noted."""

    def crowded(self, caller: Caller) -> None:
        """Nothing is noted."""

    def series_announced(self, association: str, source: str, images: Mapping[str, int]) -> None:
        """Nothing waits for it here."""

    def instances_announced(self, association: str, source: str, uids: Sequence[str]) -> None:
        """Nothing waits for it here."""

    def commitment_reported(self, report: CommitmentReport) -> None:
        """Nobody is asked to commit, so nobody reports."""

    def releasing(self, association: str) -> bool:  # noqa: ARG002 - the protocol has it
        """Every object is synced already."""
        return True

    def begin(self, arrival: Arrival) -> "_Copy":
        """Take an object in."""
        return _Copy(arrival, self.keep)

    def keep(self, arrival: Arrival, data: bytes) -> Answer:
        """Write an object as a Part 10 file, sync it, and answer."""
        read = header.read_header(data, arrival.transfer_syntax_uid)
        if isinstance(read, Refusal):
            return Answer(status.CANNOT_UNDERSTAND, read.reason)
        folder = self._folder / read.study_instance_uid / read.series_instance_uid
        path = folder / f"{read.sop_instance_uid}.dcm"
        prefix = header.part10_prefix(
            read,
            arrival.transfer_syntax_uid,
            calling_ae=arrival.caller.calling_ae,
            called_ae=arrival.caller.called_ae,
        )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(".part")
            with temporary.open("wb") as file:
                file.write(prefix)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(path)
        except OSError as error:
            return Answer(status.OUT_OF_RESOURCES, f"cannot write: {error.strerror}")
        if self._noticed is not None:
            self._noticed(path)
        return Answer(status.SUCCESS)


class _Copy:
    """An object on its way in, in memory until it is whole."""

    def __init__(self, arrival: Arrival, keep: Callable[[Arrival, bytes], Answer]) -> None:
        self._arrival = arrival
        self._keep = keep
        self._data = bytearray()

    def add(self, piece: memoryview) -> None:
        self._data += piece

    def finish(self, piece: memoryview) -> Answer:
        self._data += piece
        return self._keep(self._arrival, bytes(self._data))

    def abandon(self) -> None:
        self._data = bytearray()
