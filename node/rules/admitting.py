"""May this caller open an association, and may it do what it asks?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from node.rules.nouns import Attribute, Caller, Peer

ANY_TITLE = "*"
"""The AE title of a peer that may call itself anything."""
MANUFACTURER_MODEL = "radnode"
"""(0008,1090) of every object that a radnode makes; one that comes back is recognised by it."""


class Rejection(StrEnum):
    """Why an association is refused; `wire.scp` knows the PS3.8 9.3.4 codes."""

    CALLED_AE = "called AE title not recognised"
    CALLING_AE = "calling AE title not recognised"
    BUSY = "temporary congestion"


@dataclass(frozen=True, slots=True)
class Admission:
    """The decision on one caller: the peer it was recognised as, or the reason why not."""

    peer: Peer | None
    rejection: Rejection | None = None
    reason: str = ""


def admit(
    caller: Caller,
    own_ae: str,
    peers: Sequence[Peer],
    addresses: Mapping[str, frozenset[str]],
    *,
    room: bool,
) -> Admission:
    """Decide on an association request.

    A peer is recognised by calling AE title *and* address: titles are no authentication, and an
    address alone does not tell two applications on one machine apart.

    Args:
        caller: titles and address of the association request.
        own_ae: our AE title; a called title that differs is refused.
        peers: everyone we know.
        addresses: peer name -> the addresses its host stands for.
        room: whether the spool has room for more images.
    """
    if caller.called_ae != own_ae:
        why = f"it called {caller.called_ae!r}, but this node is {own_ae!r}"
        return Admission(None, Rejection.CALLED_AE, why)
    titled = [p for p in peers if p.ae_title in (caller.calling_ae, ANY_TITLE)]
    known = [p for p in titled if caller.address in addresses.get(p.name, frozenset())]
    if not known:
        why = (
            f"{caller.calling_ae!r} is known, but not at {caller.address}"
            if titled
            else f"no peer in the configuration is called {caller.calling_ae!r}"
        )
        return Admission(None, Rejection.CALLING_AE, why)
    if not room:
        return Admission(None, Rejection.BUSY, "the disk of the spool is nearly full")
    exact = [p for p in known if p.ae_title == caller.calling_ae]
    return Admission((exact or known)[0])


def made_by_us(attributes: Mapping[str, Attribute]) -> bool:
    """Say whether the header is of an object that a radnode made (the loop guard)."""
    return attributes.get("ManufacturerModelName") == MANUFACTURER_MODEL
