"""May this caller open an association, and may it do what it asks?"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from node.rules.nouns import Attribute, Caller, Identity, Peer
from node.rules.recognising import is_recognised

ANY_TITLE = "*"
"""The AE title of a peer that may call itself anything."""
MANUFACTURER_MODEL = "radnode"
"""(0008,1090) of every object that a radnode makes; one that comes back is recognised by it."""

USERNAME, USERNAME_AND_PASSCODE = 1, 2
"""The user identity types that we can check (PS3.7 D.3.3.7.1)."""
_UNCHECKED = {3: "a Kerberos ticket", 4: "a SAML assertion", 5: "a JSON web token"}
_NOBODY: Mapping[str, int] = {}


class Rejection(StrEnum):
    """Why an association is refused; `wire.scp` knows the PS3.8 9.3.4 codes."""

    CALLED_AE = "called AE title not recognised"
    CALLING_AE = "calling AE title not recognised"
    CERTIFICATE = "certificate not recognised"
    IDENTITY = "user identity not accepted"
    LIMIT = "local limit exceeded"
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
    held: Mapping[str, int] = _NOBODY,
) -> Admission:
    """Decide on an association request.

    A peer is recognised by calling AE title *and* address: titles are no authentication, and an
    address alone does not tell two applications on one machine apart. A peer that has a
    certificate or a user must show them too. Where a title is listed, a listed "*" of the same
    host is no way around what that title asks for.

    Args:
        caller: titles, address, certificate and user identity of the association request.
        own_ae: our AE title; a called title that differs is refused.
        peers: everyone we know.
        addresses: peer name -> the addresses its host stands for.
        room: whether the spool has room for more images.
        held: peer name -> how many associations it has open already.
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
    exact = [p for p in known if p.ae_title == caller.calling_ae]
    identified = _identified(caller, exact or known)
    if identified.peer is None:
        return identified
    return fit_in(identified.peer, room=room, held=held)


def _identified(caller: Caller, candidates: Sequence[Peer]) -> Admission:
    """Give the first candidate that the caller proves to be, or what is missing for the last."""
    shown = [p for p in candidates if p.certificate is None or _shows(caller, p.certificate)]
    if not shown:
        return Admission(None, Rejection.CERTIFICATE, _other_certificate(caller, candidates[0]))
    kind = caller.identity.kind if caller.identity is not None else USERNAME
    if kind not in {USERNAME, USERNAME_AND_PASSCODE}:
        brought = _UNCHECKED.get(kind, f"a user identity of type {kind}")
        why = f"it brings {brought}; only a user name, with or without passcode, can be checked"
        return Admission(None, Rejection.IDENTITY, why)
    named = [p for p in shown if not _misidentified(caller.identity, p)]
    if not named:
        return Admission(None, Rejection.IDENTITY, _misidentified(caller.identity, shown[0]))
    return Admission(named[0])


def _shows(caller: Caller, certificate: str) -> bool:
    return is_recognised(certificate, caller.subject, caller.alternative_names)


def _other_certificate(caller: Caller, peer: Peer) -> str:
    if not caller.subject and not caller.alternative_names:
        return f"{peer.name} must call over TLS with its certificate, and this call is without TLS"
    names = ", ".join(filter(None, (caller.subject, *caller.alternative_names)))
    return f"{peer.name} has the certificate {peer.certificate!r}, but the caller shows {names!r}"


def _misidentified(identity: Identity | None, peer: Peer) -> str:
    """Say what is wrong with a user identity; "" when nothing is.

    The words do not tell a wrong name from a wrong passcode, and take as long for either.
    """
    if peer.user is None:
        return ""
    if identity is None:
        return f"{peer.name} must give a user name, and this caller gives none"
    if peer.passcode is not None and identity.kind != USERNAME_AND_PASSCODE:
        return f"{peer.name} must give a passcode, and this caller gives only a user name"
    name_fits = _same(identity.name, peer.user)
    passcode_fits = peer.passcode is None or _same(identity.passcode, peer.passcode)
    if name_fits & passcode_fits:
        return ""
    what = "user name" if peer.passcode is None else "user name or passcode"
    return f"the {what} is not that of {peer.name}"


def _same(one: str, other: str) -> bool:
    """Compare in a time that does not tell where they differ."""
    return hmac.compare_digest(
        one.encode(errors="surrogatepass"), other.encode(errors="surrogatepass")
    )


def fit_in(peer: Peer, *, room: bool, held: Mapping[str, int]) -> Admission:
    """See whether there is a place for a peer that may come."""
    most, has = peer.maximum_associations, held.get(peer.name, 0)
    if most is not None and has >= most:
        why = f"{peer.name} has {has} associations open; its maximum_associations is {most}"
        return Admission(None, Rejection.LIMIT, why)
    if not room:
        return Admission(None, Rejection.BUSY, "the disk of the spool is nearly full")
    return Admission(peer)


def made_by_us(attributes: Mapping[str, Attribute]) -> bool:
    """Say whether the header is of an object that a radnode made (the loop guard)."""
    return attributes.get("ManufacturerModelName") == MANUFACTURER_MODEL
