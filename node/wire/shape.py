"""Says whether the installed pynetdicom has the shape that the fast path stands on.

The fast path overrides methods and reads attributes that pynetdicom does not promise to keep. Each
is named here with the parameters that it is called with. Where one is missing, the plain path is
taken, and the journal says what was missing: slower, never wrong.
"""

import inspect
from collections.abc import Callable, Mapping
from operator import attrgetter

import pynetdicom
from pynetdicom import AE, dul
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.acse import ACSE
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.fsm import StateMachine
from pynetdicom.transport import AddressInformation, AssociationSocket

TRIED = "3.0."
"""The releases that the contract tests have run against begin like this."""

_METHODS: Mapping[Callable[..., object], tuple[str, ...]] = {
    dul.DULServiceProvider.__init__: ("self", "assoc"),
    dul.DULServiceProvider._decode_pdu: ("self", "bytestream"),  # noqa: SLF001
    dul.DULServiceProvider._process_recv_primitive: ("self",),  # noqa: SLF001
    dul.DULServiceProvider._is_transport_event: ("self",),  # noqa: SLF001
    dul.DULServiceProvider.send_pdu: ("self", "primitive"),
    dul.DULServiceProvider.receive_pdu: ("self", "wait", "timeout"),
    dul.DULServiceProvider.peek_next_pdu: ("self",),
    Association.__init__: ("self", "ae", "mode"),
    Association._serve_request: ("self", "msg", "context_id"),  # noqa: SLF001
    Association._abort_blocking: ("self", "block"),  # noqa: SLF001
    Association.set_socket: ("self", "socket"),
    Association.bind: ("self", "event", "handler", "args"),
    ACSE.negotiate_association: ("self",),
    ACSE.is_release_requested: ("self",),
    ACSE.is_aborted: ("self", "abort_type"),
    ACSE.send_release: ("self", "is_response"),
    ACSE.send_abort: ("self", "source"),
    DIMSEServiceProvider.__init__: ("self", "assoc"),
    DIMSEServiceProvider.receive_primitive: ("self", "primitive"),
    DIMSEServiceProvider.get_msg: ("self", "block"),
    StateMachine.do_action: ("self", "event"),
    AssociationSocket.__init__: ("self", "assoc", "client_socket", "address"),
    AssociationSocket.close: ("self",),
    AddressInformation.from_tuple: ("address_info",),
}
_ATTRIBUTES = {
    "": ("_accepted_cx", "_kill", "_sent_abort", "is_aborted", "is_released", "network_timeout"),
    "dul": ("_kill_thread", "_recv_pdu", "_idle_timer", "artim_timer", "state_machine", "socket"),
    "dul.artim_timer": ("timeout", "expired", "remaining"),
    "dimse": ("message", "msg_queue"),
    "acceptor": ("_contexts", "maximum_length", "address_info"),
}
"""Attributes of an association and its parts that are set when it is made."""


def missing() -> str:
    """Say what is missing or different; "" when the fast path can be taken."""
    if not pynetdicom.__version__.startswith(TRIED):
        return f"pynetdicom {pynetdicom.__version__} was never tried"
    for method, wanted in _METHODS.items():
        found = tuple(inspect.signature(method).parameters)
        if found != wanted:
            return f"{method.__qualname__} takes {', '.join(found)}"
    association = Association(AE(), MODE_ACCEPTOR)
    for part, names in _ATTRIBUTES.items():
        owner = attrgetter(part)(association) if part else association
        for name in names:
            if not hasattr(owner, name):
                return f"{part or 'Association'} has no {name}"
    if len(dul._PDU_TYPES) != 7:  # noqa: SLF001 - PS3.8 9.3.1
        return "the table of PDUs is another one"
    return ""
