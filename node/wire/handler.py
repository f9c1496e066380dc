"""Who stands behind the listener: what it asks, and what it tells."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from node.rules.admitting import Admission
from node.rules.nouns import Caller
from node.wire.commitment import CommitmentReport
from node.wire.storing import Answer, Arrival, Draft


class Handler(Protocol):
    """Who decides and keeps; called from the association's own thread."""

    def admit(self, caller: Caller) -> Admission:
        """Decide on an association request, and write a refusal down."""
        ...

    def opened(self, association: str, peer: str, caller: Caller) -> None:
        """Note that an association was accepted."""
        ...

    def releasing(self, association: str) -> bool:
        """Make safe what was answered, before a release is; False when that cannot be done."""
        ...

    def closed(self, association: str, outcome: str, instances: int) -> None:
        """Note that it ended: released, aborted or lost."""
        ...

    def begin(self, arrival: Arrival) -> Draft | Answer:
        """Take an image in, or say at once what will be answered when it has come."""
        ...

    def crowded(self, caller: Caller) -> None:
        """Note that a caller was refused because too many associations are open."""
        ...

    def series_announced(self, association: str, source: str, images: Mapping[str, int]) -> None:
        """Note how many images each of these series has, by `source`, who must know."""
        ...

    def instances_announced(self, association: str, source: str, uids: Sequence[str]) -> None:
        """Note that, by `source`, these are all the images of their series."""
        ...

    def commitment_reported(self, report: CommitmentReport) -> None:
        """Note what a peer says of instances that we asked it to commit to."""
        ...
