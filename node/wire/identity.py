"""Whom a caller says that it acts for (user identity, PS3.7 D.3.3.7), and our word that it may."""

from pynetdicom.events import Event
from pynetdicom.pdu_primitives import UserIdentityNegotiation

from node.rules.admitting import USERNAME, USERNAME_AND_PASSCODE
from node.rules.nouns import Identity, Peer


def identity_of(event: Event) -> Identity | None:
    """Give the user identity of an association request; None when it brings none.

    Tickets, assertions and tokens are not kept. A name or passcode that is no UTF-8, as the
    Standard wants it, fits none in the configuration.
    """
    item = event.assoc.requestor.user_identity
    if item is None:
        return None
    kind = item.user_identity_type or 0
    if kind not in {USERNAME, USERNAME_AND_PASSCODE}:
        return Identity(kind)
    passcode = _text(item.secondary_field) if kind == USERNAME_AND_PASSCODE else ""
    return Identity(kind, _text(item.primary_field), passcode)


def confirm_identity(event: Event, peer: Peer) -> None:
    """Have the acceptance say that the user was checked, if the caller asks, and it was.

    To be called in `evt.EVT_REQUESTED` after the caller was admitted as `peer`; pynetdicom itself
    has no answer for user names. An acceptor that checks none leaves the answer out.
    """
    item = event.assoc.requestor.user_identity
    if item is None or not item.positive_response_requested or peer.user is None:
        return
    answer = UserIdentityNegotiation()
    answer.server_response = b""  # PS3.7 D.3.3.7.2: empty for user names
    event.assoc.acceptor.add_negotiation_item(answer)


def _text(field: bytes | None) -> str:
    return (field or b"").decode("utf-8", "backslashreplace")
