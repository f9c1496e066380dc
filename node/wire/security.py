"""DICOM TLS: who may call over it, whom we trust when we call, and new certificates while we run.

The profile is that of BCP 195 (PS3.15 B.12, within what B.13 permits; RFC 9325): TLS 1.2 and 1.3,
ephemeral elliptic curves, authenticated encryption, no compression, no renegotiation, no tickets.
What new certificates or authorities change holds from the next connection on. Callers must show a
certificate that our authorities signed. Whom we call must, too: one for its host's name, or, if
the configuration says which certificate the peer has, that one. Revocation lists are not looked at.
"""

import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from node import log
from node.config import TlsSection
from node.rules.nouns import Peer
from node.rules.recognising import is_recognised, subject_text

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:@SECLEVEL=2"
"""For TLS 1.2; level 2 wants keys of 112 bits strength (RSA 2048) and no SHA-1. TLS 1.3 has only
suites that the profile permits."""
ASK_SECONDS = 5.0
_LONGEST_FLIGHT = 6
_ALTERNATIVES = {"DNS": "dns", "IP Address": "ip", "URI": "uri", "email": "email"}


class SecurityError(Exception):
    """Certificate, key or authorities cannot be used; the text says which, and why."""


class Shown(NamedTuple):
    """What a certificate says: its subject (RFC 4514), and the subject alternative names."""

    subject: str = ""
    alternative_names: tuple[str, ...] = ()


class _Context(ssl.SSLContext):
    """A context for calling; `wanted` is the certificate that one peer is known by."""

    wanted: str | None = None


class _Calling(ssl.SSLSocket):
    """A socket for calling: its handshake fails unless the certificate is the one wanted."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - the library's
        try:
            super().do_handshake(block)
            self._look_at_certificate()
        except ssl.SSLError as error:
            log.say("tls_refused", "warning", reason=reason_of(error))
            raise

    def _look_at_certificate(self) -> None:
        wanted = getattr(self.context, "wanted", None)
        if wanted is not None and not is_recognised(wanted, *subject_of(self)):
            raise ssl.SSLCertVerificationError(f"the certificate is not that of {wanted!r}")


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The contexts made of one reading of the files."""

    listening: ssl.SSLContext | None
    calling: dict[str | None, ssl.SSLContext]


class Security:
    """Certificate, key and authorities of this node, as contexts for both directions."""

    def __init__(self, tls: TlsSection, peers: Iterable[Peer] = ()) -> None:
        """Read the files that `tls` names; `peers` are those that may be called.

        Raises:
            SecurityError: a file cannot be used.
        """
        self._tls = tls
        self._wanted = {peer.certificate for peer in peers if peer.tls}
        self._loaded = self._load()

    def server_context(self) -> ssl.SSLContext:
        """Give the context for the next connection that comes in; callers must show a certificate.

        Raises:
            SecurityError: the configuration names no certificate, key or authorities.
        """
        if self._loaded.listening is None:
            raise SecurityError("tls.certificate, tls.key and tls.authorities are not all set")
        return self._loaded.listening

    def client_context(self, peer: Peer) -> tuple[ssl.SSLContext, str]:
        """Give the context and the host name for a call to a peer: pynetdicom's `tls_args`.

        The handshake fails with `ssl.SSLError`, and a line in the journal, unless the peer is who
        it has to be.

        Raises:
            SecurityError: the configuration names no authorities, or not this peer.
        """
        context = self._loaded.calling.get(peer.certificate)
        if context is None:
            raise SecurityError(f"{peer.name} cannot be called over TLS: no tls.authorities")
        return context, peer.host

    def reload(self) -> str:
        """Take the files as they are now for new connections; give "" or why the old ones stay.

        Connections that are open stay as they are.
        """
        try:
            loaded = self._load()
        except SecurityError as error:
            return str(error)
        problem = self.problem()
        if not problem:
            self._loaded = loaded
        return problem

    def problem(self) -> str:
        """Try our certificate as it lies in its file now; give what is wrong, "" when nothing is.

        It is tried as others would, in a handshake in memory with somebody who knows just this
        certificate. So it is also seen when it has expired, or is not made for its use.
        """
        tls = self._tls
        if tls.certificate is None or tls.key is None:
            return ""
        uses = {ssl.Purpose.SERVER_AUTH} if tls.port is not None else set()
        uses |= {ssl.Purpose.CLIENT_AUTH} if self._wanted or not uses else set()
        try:
            for use in uses:
                _rehearse(tls, use)
        except SecurityError as error:
            return str(error)
        except ssl.SSLError as error:
            return f"tls.certificate {tls.certificate}: {reason_of(error)}"
        return ""

    def _load(self) -> _Loaded:
        tls = self._tls
        if tls.authorities is None:
            return _Loaded(None, {})
        listening = None
        if tls.certificate is not None:
            listening = _profiled(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
            listening.num_tickets = 0
            _equip(listening, tls)
            listening.verify_mode = ssl.CERT_REQUIRED
        return _Loaded(listening, {wanted: _calling(tls, wanted) for wanted in self._wanted})


def subject_of(connected: ssl.SSLSocket) -> Shown:
    """Give what the other side's verified certificate says; all empty if it showed none."""
    return _shown(connected.getpeercert() or {})


def shows_our_certificate(tls: TlsSection, address: str) -> bool:
    """Say whether who listens on `tls.port` of an address has our certificate: it is our node."""
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname = False
    asking.verify_mode = ssl.CERT_NONE  # it is held against the very file
    try:
        with (
            socket.create_connection((address, tls.port or 0), ASK_SECONDS) as connected,
            asking.wrap_socket(connected) as secured,
        ):
            shown = ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True) or b"")
        return tls.certificate is not None and shown in tls.certificate.read_text()
    except (OSError, ValueError):
        return False


def reason_of(error: OSError) -> str:
    """Say in a few words why a handshake failed; nothing of what was sent is in them."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(getattr(error, "verify_message", "") or error.args[0])
    reason = getattr(error, "reason", None)
    return str(reason).replace("_", " ").lower() if reason else type(error).__name__


def _profiled(context: ssl.SSLContext) -> ssl.SSLContext:
    """Hold a context to the profile."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= (
        ssl.OP_NO_COMPRESSION
        | ssl.OP_NO_RENEGOTIATION
        | ssl.OP_NO_TICKET
        | ssl.OP_CIPHER_SERVER_PREFERENCE
    )
    return context


def _calling(tls: TlsSection, wanted: str | None) -> ssl.SSLContext:
    """Make a context to call peers that are known by their host's name, or by one certificate."""
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    _profiled(context)
    context.sslsocket_class = _Calling
    context.hostname_checks_common_name = False  # RFC 9325 6.1: names are in the alternatives
    context.check_hostname = wanted is None
    context.wanted = wanted
    _equip(context, tls)
    return context


def _equip(context: ssl.SSLContext, tls: TlsSection) -> None:
    """Give a context our certificate, if we have one, and the authorities that we trust."""
    if tls.certificate is not None and tls.key is not None:
        _trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), tls.certificate, "certificate")
        _load_key(context, tls)
    if tls.authorities is not None:
        _trust(context, tls.authorities, "authorities")


def _trust(context: ssl.SSLContext, path: Path | None, key: str) -> None:
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise SecurityError(f"tls.{key} {path}: it holds no certificate in PEM form") from error
    except OSError as error:
        raise SecurityError(f"tls.{key} {path}: cannot be read ({error.strerror})") from error


def _load_key(context: ssl.SSLContext, tls: TlsSection) -> None:
    try:
        # never None: the library would ask for the password on the terminal
        context.load_cert_chain(str(tls.certificate), tls.key, tls.key_password or "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            what = f"tls.key {tls.key}: it is not the key of {tls.certificate}"
        elif error.reason:
            what = f"tls.certificate {tls.certificate}: {reason_of(error)}"
        else:
            what = f"tls.key {tls.key}: it holds no key in PEM form that tls.key_password opens"
        raise SecurityError(what) from error
    except OSError as error:
        raise SecurityError(f"tls.key {tls.key}: cannot be read ({error.strerror})") from error


def _rehearse(tls: TlsSection, use: ssl.Purpose) -> None:
    """Shake hands in memory, with our certificate used for one side, and looked at by the other.

    Raises:
        SecurityError: a file cannot be used.
        ssl.SSLError: the certificate was not accepted.
    """
    serving = _profiled(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    calling = _profiled(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    calling.check_hostname = False
    looking, other = (calling, serving) if use is ssl.Purpose.SERVER_AUTH else (serving, calling)
    other.verify_mode = ssl.CERT_NONE
    looking.verify_mode = ssl.CERT_REQUIRED
    looking.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    for context in (serving, calling):
        _equip(context, tls)
    _trust(looking, tls.certificate, "certificate")
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = serving.wrap_bio(there, back, server_side=True)
    client = calling.wrap_bio(back, there)
    for _ in range(_LONGEST_FLIGHT):
        for side in (client, server):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()


def _shown(certificate: object) -> Shown:
    """Read what Python makes of a certificate (`SSLSocket.getpeercert`)."""
    held = certificate if isinstance(certificate, dict) else {}
    names = [
        f"{_ALTERNATIVES[kind]}:{name}"
        for kind, name in held.get("subjectAltName", ())
        if kind in _ALTERNATIVES and str(name).isprintable()
    ]
    return Shown(subject_text(held.get("subject", ())), tuple(names))
