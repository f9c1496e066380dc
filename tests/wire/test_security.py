"""TLS as DCMTK and others speak it: who is let in, who is not, whom a caller is taken for."""

import contextlib
import socket
import ssl
import subprocess
from contextlib import contextmanager

import pytest

from node.config import TlsSection
from node.rules.nouns import Peer
from node.wire import scu
from node.wire.porch import open_door
from node.wire.scp import Limits, Listener
from node.wire.security import Security, SecurityError, shows_our_certificate
from tests.fakes import raw_peer
from tests.fakes.authority import Authority
from tests.fakes.desk import Desk, wait_until

OWN_NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """An authority that the node does not know."""
    return Authority(tmp_path_factory.mktemp("tls"), "stranger")


@pytest.fixture(scope="module")
def own(authority):
    return authority.sign("node", "/O=Hospital/CN=radnode", OWN_NAMES)


@pytest.fixture(scope="module")
def scanner(authority):
    names = "subjectAltName=DNS:ct1.hospital.example,IP:10.0.0.7"
    return authority.sign("ct1", "/C=CH/O=Spital, Nörd/CN=ct1", names)


@pytest.fixture(scope="module")
def section(authority, own):
    return section_of(authority, own)


def section_of(authority, own, **more):
    named = {"certificate": own.certificate, "key": own.key, "authorities": authority.certificate}
    return TlsSection(port=0, **{**named, **more})


@pytest.fixture(params=[True, False], ids=["fast", "plain"])
def served(request, section):
    """A node that speaks TLS, and its desk, which remembers who called."""
    with serving(section, fast=request.param) as node:
        yield node


@pytest.fixture
def node(section):
    with serving(section) as node:
        yield node


@contextmanager
def serving(section, *, fast=True):
    desk, security = Desk(), Security(section)
    limits = Limits(request_seconds=3.0)
    listener = Listener("RADNODE", desk, limits=limits, security=security, fast=fast)
    door = open_door("127.0.0.1", 0, tls=True)
    listener.port, listener.desk, listener.security = (
        door.listening.getsockname()[1],
        desk,
        security,
    )
    listener.listen([door])
    yield listener
    listener.stop()


def echo(node, *options, authority=None, signed=None):
    """Have DCMTK's echoscu call; give whether it was answered."""
    tls = ["+tls", signed.key, signed.certificate] if signed else ["+tla"]
    trusted = ["+cf", authority.certificate] if authority else []
    command = ["echoscu", *tls, *trusted, *options, "-to", "5", "-ta", "5"]
    command += ["-aec", "RADNODE", "-aet", "CT1", "127.0.0.1", str(node.port)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30).returncode == 0


def handshake(node, context):
    """Shake hands and ask for an association; give version, suite, and the kind of PDU that came.

    With TLS 1.3 a refusal comes after the handshake.
    """
    with raw_peer.RawPeer(node.port, tls=context, seconds=5.0) as peer:
        peer.send(raw_peer.associate_rq())
        return peer.socket.version(), peer.socket.cipher()[0], peer.read()


def caller_context(authority, signed=None):
    context = ssl.create_default_context(cafile=authority.certificate)
    if signed is not None:
        context.load_cert_chain(signed.certificate, signed.key)
    return context


def refused(node, *arguments, **options):
    """Say that a caller had no answer, and that the desk never heard of it."""
    before = len(node.desk.callers)
    answered = echo(node, *arguments, **options)
    return not answered and len(node.desk.callers) == before


@pytest.mark.parametrize("profile", ["+py", "+px", "+pz"])
def test_dcmtk_is_let_in_with_a_certificate_and_its_subject_is_known(
    served, authority, scanner, profile
):
    assert echo(served, profile, authority=authority, signed=scanner)
    (caller,) = served.desk.callers
    assert caller.subject == "CN=ct1,O=Spital\\, Nörd,C=CH"
    assert caller.alternative_names == ("dns:ct1.hospital.example", "ip:10.0.0.7")


def test_an_rsa_certificate_does_as_well(node, authority):
    signed = authority.sign("rsa", "/CN=mr2", key="rsa")
    assert echo(node, authority=authority, signed=signed)
    assert node.desk.callers[0].subject == "CN=mr2"


def test_an_image_comes_through_unharmed(served, authority, scanner, tmp_path):
    from pydicom.data import get_testdata_file

    path = get_testdata_file("CT_small.dcm")
    command = ["storescu", "+tls", scanner.key, scanner.certificate]
    command += [
        "+cf",
        authority.certificate,
        "-aec",
        "RADNODE",
        "127.0.0.1",
        str(served.port),
        path,
    ]
    assert subprocess.run(command, capture_output=True, timeout=30).returncode == 0
    (kept,) = served.desk.kept
    assert kept.size > 32768
    assert kept.arrival.caller.subject.startswith("CN=ct1,")


def test_a_caller_without_a_certificate_is_refused(served, authority):
    assert refused(served, authority=authority)


def test_a_certificate_of_an_unknown_authority_is_refused(served, authority, stranger):
    signed = stranger.sign("ct1", "/CN=ct1")
    assert refused(served, authority=authority, signed=signed)


def test_an_expired_certificate_is_refused(served, authority):
    signed = authority.sign("old", "/CN=ct1", days=-1)
    assert refused(served, authority=authority, signed=signed)


def test_a_certificate_made_for_servers_only_is_refused(node, authority):
    signed = authority.sign("web", "/CN=ct1", "extendedKeyUsage=serverAuth")
    assert refused(node, authority=authority, signed=signed)


def test_a_cipher_that_encrypts_nothing_is_refused(node, authority, scanner):
    assert refused(node, "+pn", authority=authority, signed=scanner)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_are_refused(node, authority, scanner, version):
    context = caller_context(authority, scanner)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        handshake(node, context)


@pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA256", "NULL", "DHE"])
def test_suites_without_forward_secrecy_or_authenticated_encryption_are_refused(
    node, authority, scanner, cipher
):
    context = caller_context(authority, scanner)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        handshake(node, context)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_of_the_profile_are_spoken(served, authority, scanner, version):
    context = caller_context(authority, scanner)
    context.minimum_version = context.maximum_version = version
    spoken, cipher, answer = handshake(served, context)
    assert spoken == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]
    assert "GCM" in cipher
    assert answer == raw_peer.ASSOCIATE_AC


def test_the_context_keeps_to_the_profile(section):
    context = Security(section).server_context()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    for option in ("OP_NO_COMPRESSION", "OP_NO_RENEGOTIATION", "OP_NO_TICKET"):
        assert context.options & getattr(ssl, option), option
    names = [cipher["name"] for cipher in context.get_ciphers()]
    assert all(name.startswith(("TLS_", "ECDHE-")) for name in names)
    assert all("GCM" in name or "CHACHA20" in name for name in names)
    # PS3.15 B.13 wants servers to have these
    assert {"TLS_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"} <= set(names)


def test_who_speaks_no_tls_is_refused_and_the_next_one_is_heard(served, authority, scanner):
    with raw_peer.RawPeer(served.port) as peer:
        assert peer.associate().end in ("closed", "aborted")
    assert echo(served, authority=authority, signed=scanner)
    assert len(served.desk.callers) == 1


def test_a_call_without_tls_has_no_subject():
    desk = Desk()
    listener = Listener("RADNODE", desk)
    port = listener.start("127.0.0.1", 0)
    assert scu.echo(Peer("node", "RADNODE", "127.0.0.1", port), "CALLER") is None
    listener.stop()
    assert (desk.callers[0].subject, desk.callers[0].alternative_names) == ("", ())


# -- new certificates while the node runs ------------------------------------------------------


@pytest.fixture
def renewable(tmp_path, authority, own):
    """A section whose files a test may replace."""
    files = {"certificate": own.certificate, "key": own.key, "authorities": authority.certificate}
    for name, path in files.items():
        (tmp_path / name).write_bytes(path.read_bytes())
    return TlsSection(port=0, **{name: tmp_path / name for name in files})


def replace(section, signed=None, authority=None):
    if signed is not None:
        section.certificate.write_bytes(signed.certificate.read_bytes())
        section.key.write_bytes(signed.key.read_bytes())
    if authority is not None:
        section.authorities.write_bytes(authority.certificate.read_bytes())


def shown_by(node, authority, signed):
    """The serial number of the certificate that the node shows now."""
    with raw_peer.RawPeer(node.port, tls=caller_context(authority, signed)) as peer:
        return peer.socket.getpeercert()["serialNumber"]


def test_new_files_hold_for_new_connections_and_old_ones_go_on(renewable, authority, scanner):
    with serving(renewable) as node:
        held = raw_peer.RawPeer(node.port, tls=caller_context(authority, scanner)).associate()
        before = shown_by(node, authority, scanner)
        replace(renewable, authority.sign("renewed", "/CN=radnode", OWN_NAMES))
        assert shown_by(node, authority, scanner) == before
        assert node.security.reload() == ""
        assert shown_by(node, authority, scanner) != before
        held.send(raw_peer.echo())
        assert held.reply().status == 0
        assert held.release() == "released"


def test_an_authority_that_is_gone_after_a_reload_lets_nobody_in(
    renewable, authority, stranger, scanner
):
    with serving(renewable) as node:
        assert echo(node, authority=authority, signed=scanner)
        replace(renewable, authority=stranger)
        assert node.security.reload() == ""
        assert refused(node, authority=authority, signed=scanner)
        assert echo(node, authority=authority, signed=stranger.sign("ct1", "/CN=ct1"))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_from_before_a_reload_is_no_way_around_it(
    renewable, authority, stranger, scanner, version, capfd
):
    context = caller_context(authority, scanner)
    context.maximum_version = version
    with serving(renewable) as node:
        with raw_peer.RawPeer(node.port, tls=context) as peer:
            session = peer.associate().socket.session
        replace(renewable, authority=stranger)
        assert node.security.reload() == ""
        capfd.readouterr()
        with (
            socket.create_connection(("127.0.0.1", node.port), 5) as connected,
            # how the caller learns of it depends on who is faster: an alert, an end, a reset
            contextlib.suppress(OSError),
        ):
            secured = context.wrap_socket(connected, server_hostname="localhost", session=session)
            secured.sendall(raw_peer.associate_rq())
            assert secured.recv(1) == b""
        wait_until(lambda: "tls_refused" in capfd.readouterr().err)
        assert len(node.desk.callers) == 1


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda at, make: at.key.write_bytes(make("other").key.read_bytes()), "is not the key of"),
        (lambda at, make: at.certificate.write_text("no PEM"), "no certificate in PEM form"),
        (lambda at, make: at.authorities.write_text(""), "no certificate in PEM form"),
        (lambda at, make: at.key.write_text(""), "no key in PEM form that tls.key_password opens"),
        (lambda at, make: at.key.unlink(), "cannot be read (No such file or directory)"),
        (lambda at, make: replace(at, make("old", days=-1)), "certificate has expired"),
        (lambda at, make: replace(at, make("weak", key="weak")), "key too small"),
        (
            lambda at, make: replace(at, make("cl", "extendedKeyUsage=clientAuth")),
            "certificate purpose",
        ),
        (
            lambda at, make: replace(at, make("closed", password="secret")),
            "no key in PEM form that tls.key_password opens",
        ),
    ],
    ids=["key", "text", "empty", "no key", "gone", "expired", "weak", "client's", "closed"],
)
def test_bad_files_are_told_and_the_old_ones_stay(renewable, authority, scanner, spoil, said):
    def make(name, *extensions, **options):
        return authority.sign(name, "/CN=radnode", OWN_NAMES, *extensions, **options)

    with serving(renewable) as node:
        spoil(renewable, make)
        reason = node.security.reload()
        assert said in reason
        assert reason.startswith(("tls.certificate /", "tls.key /", "tls.authorities /"))
        assert echo(node, authority=authority, signed=scanner)


def test_a_node_does_not_start_with_files_that_cannot_be_used(renewable, scanner):
    renewable.key.write_bytes(scanner.key.read_bytes())
    with pytest.raises(SecurityError, match="is not the key of"):
        Security(renewable)


def test_an_expired_certificate_of_ours_is_a_problem_but_others_may_still_come(
    renewable, authority
):
    replace(renewable, authority.sign("late", "/CN=radnode", OWN_NAMES, days=-1))
    assert "certificate has expired" in Security(renewable).problem()


def test_a_key_with_a_password_is_opened(authority):
    signed = authority.sign("secret", "/CN=radnode", OWN_NAMES, password="open sesame")
    assert Security(section_of(authority, signed, key_password="open sesame")).problem() == ""


def test_a_node_that_runs_is_known_by_its_certificate(node, section, renewable, authority):
    assert shows_our_certificate(section.model_copy(update={"port": node.port}), "127.0.0.1")
    replace(renewable, authority.sign("else", "/CN=radnode"))
    other = renewable.model_copy(update={"port": node.port})
    assert not shows_our_certificate(other, "127.0.0.1")


# -- when we call ------------------------------------------------------------------------------


def call(node, section, certificate=None, host="127.0.0.1"):
    """Call the node as a node of the same section does; give why not, or None."""
    peer = Peer("pacs", "RADNODE", host, node.port, tls=True, certificate=certificate)
    return scu.echo(peer, "CALLER", Security(section, [peer]))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_peer_is_known_by_the_name_of_its_host(node, section, host):
    assert call(node, section, host=host) is None


def test_a_peer_whose_certificate_is_for_another_host_is_not_called(authority, section):
    elsewhere = authority.sign("elsewhere", "/CN=localhost", "subjectAltName=DNS:pacs.example")
    with serving(section_of(authority, elsewhere)) as node:
        assert call(node, section, host="localhost") is not None
        assert node.desk.callers == []


@pytest.mark.parametrize(
    "certificate", ["CN=radnode", "CN=radnode,O=Hospital", "dns:localhost", "dns:LOCALHOST"]
)
def test_a_peer_with_a_certificate_is_known_by_it(node, section, certificate):
    assert call(node, section, certificate) is None


@pytest.mark.parametrize("certificate", ["CN=pacs", "O=Hospital", "dns:pacs", "CN=radnode,O=Else"])
def test_a_peer_that_shows_another_certificate_is_not_spoken_to(node, section, certificate, capfd):
    assert call(node, section, certificate) is not None
    assert node.desk.callers == []
    assert "tls_refused" in capfd.readouterr().err


def test_a_peer_of_an_unknown_authority_is_not_spoken_to(node, section, stranger, scanner, capfd):
    ours = section.model_copy(update={"authorities": stranger.certificate})
    assert call(node, ours) is not None
    assert "in certificate chain" in capfd.readouterr().err


def test_dcmtk_is_called_over_tls(authority, section, own):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["storescp", "+tls", own.key, own.certificate, "+cf", authority.certificate]
    server = subprocess.Popen([*command, "-aet", "PACS", str(port)], stderr=subprocess.DEVNULL)
    try:
        peer = Peer("pacs", "PACS", "127.0.0.1", port, tls=True)
        security = Security(section, [peer])
        wait_until(lambda: scu.echo(peer, "RADNODE", security) is None)
    finally:
        server.terminate()
        server.wait()


def test_without_authorities_no_peer_is_called_over_tls():
    peer = Peer("pacs", "PACS", "127.0.0.1", 1, tls=True)
    refusal = scu.echo(peer, "RADNODE", Security(TlsSection(), [peer]))
    assert "tls.authorities" in str(refusal)
