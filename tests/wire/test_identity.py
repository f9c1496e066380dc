"""User names as DCMTK and pynetdicom bring them: what is heard, and what is answered."""

import struct
import subprocess

import pytest
from pydicom.data import get_testdata_file
from pynetdicom import AE
from pynetdicom.pdu_primitives import UserIdentityNegotiation
from pynetdicom.sop_class import Verification

from node.rules.admitting import admit
from node.rules.nouns import Identity, Peer
from node.wire.scp import Listener
from tests.fakes import raw_peer
from tests.fakes.desk import Desk

CT = get_testdata_file("CT_small.dcm")
HERE = {"ct": frozenset({"127.0.0.1"})}
USER = Peer("ct", "*", "127.0.0.1", user="röntgen", passcode="s3cret")
ANYBODY = Peer("ct", "*", "127.0.0.1")


class Gate(Desk):
    """A desk that admits as the rules do, so that it can be wrong with nobody."""

    peer = USER

    def admit(self, caller):
        self.callers.append(caller)
        self.admission = admit(caller, "RADNODE", [self.peer], HERE, room=True)
        return self.admission


@pytest.fixture(params=[True, False], ids=["fast", "plain"])
def node(request):
    listener = Listener("RADNODE", Gate(), fast=request.param)
    listener.port = listener.start("127.0.0.1", 0)
    listener.desk = listener._handler
    yield listener
    listener.stop()


def storescu(node, *options):
    """Have DCMTK's storescu send an image; give whether it did, and what it said."""
    command = ["storescu", "-d", *options, "-aec", "RADNODE", "127.0.0.1", str(node.port), CT]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30)
    return ran.returncode == 0, ran.stdout + ran.stderr


def associate(node, kind, primary, secondary=b"", *, response=True):
    ae = AE(ae_title="CALLER")
    item = UserIdentityNegotiation()
    item.user_identity_type, item.positive_response_requested = kind, response
    item.primary_field, item.secondary_field = primary, secondary
    contexts = [(Verification, "1.2.840.10008.1.2")]
    for context in contexts:
        ae.add_requested_context(*context)
    return ae.associate("127.0.0.1", node.port, ae_title="RADNODE", ext_neg=[item])


def test_the_right_user_and_passcode_are_let_in(node):
    sent, _ = storescu(node, "-usr", "röntgen", "-pwd", "s3cret")
    assert sent
    assert node.desk.callers[0].identity == Identity(2, "röntgen", "s3cret")
    assert len(node.desk.kept) == 1


def test_dcmtk_hears_that_the_user_was_checked_and_only_then(node):
    """With -rsp storescu goes on only if the acceptance has a response for its user."""
    sent, said = storescu(node, "-usr", "röntgen", "-pwd", "s3cret", "-rsp")
    assert sent, said
    node.desk.peer = ANYBODY
    sent, said = storescu(node, "-usr", "röntgen", "-pwd", "s3cret", "-rsp")
    assert not sent
    assert "Positive response requested but none received" in said


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-usr", "röntgen"],
        ["-usr", "röntgen", "-pwd", "wrong"],
        ["-usr", "röntgen", "-epw"],
        ["-usr", "other", "-pwd", "s3cret"],
    ],
    ids=["none", "no passcode", "wrong passcode", "empty passcode", "other user"],
)
def test_the_wrong_ones_are_rejected_for_good(node, options):
    sent, said = storescu(node, *options)
    assert not sent
    assert "Rejected Permanent" in said
    assert node.desk.kept == []


@pytest.mark.parametrize("option", ["--kerberos", "--saml", "--jwt"])
def test_what_cannot_be_checked_is_rejected_in_words(node, tmp_path, option):
    (tmp_path / "token").write_bytes(b"a.b.c")
    node.desk.peer = ANYBODY
    sent, _ = storescu(node, option, str(tmp_path / "token"))
    assert not sent
    assert "only a user name" in node.desk.admission.reason
    assert "a.b.c" not in repr(node.desk.callers)


def test_a_user_that_nobody_asked_for_is_let_in_without_our_word(node):
    node.desk.peer = ANYBODY
    association = associate(node, 1, b"somebody")
    assert association.is_established
    assert association.acceptor.user_identity is None
    association.release()


@pytest.mark.parametrize("response", [True, False])
def test_our_word_is_given_to_who_asks_for_it(node, response):
    association = associate(node, 2, "röntgen".encode(), b"s3cret", response=response)
    assert association.is_established
    given = association.acceptor.user_identity
    assert (given.server_response if given else None) == (b"" if response else None)
    association.release()


def test_our_word_is_given_for_a_name_alone(node):
    node.desk.peer = Peer("ct", "*", "127.0.0.1", user="röntgen")
    association = associate(node, 1, "röntgen".encode())
    assert association.acceptor.user_identity.server_response == b""
    association.release()


def test_bytes_that_are_no_text_are_no_users(node):
    assert associate(node, 2, b"r\xf6ntgen", b"\xff\xfe").is_rejected


@pytest.mark.parametrize("kind", [0, 6, 255])
@pytest.mark.parametrize("node", [True], ids=["fast"], indirect=True)
def test_a_type_that_the_standard_does_not_know_is_not_let_in(node, kind):
    """The plain path is pynetdicom's, which leaves such a caller without an answer."""
    identity = struct.pack(">BBH", kind, 0, 4) + b"user" + struct.pack(">H", 0)
    request = bytearray(raw_peer.associate_rq())
    request += raw_peer.item(0x58, identity)
    extra = len(identity) + 4
    request[2:6] = struct.pack(">I", struct.unpack(">I", request[2:6])[0] + extra)
    at = request.index(b"\x50\x00", 74 + 21)
    length = struct.unpack(">H", request[at + 2 : at + 4])[0]
    request[at + 2 : at + 4] = struct.pack(">H", length + extra)
    with raw_peer.RawPeer(node.port) as peer:
        peer.send(bytes(request))
        peer.read()
        assert peer.end in ("rejected", "aborted", "closed")
    association = associate(node, 2, "röntgen".encode(), b"s3cret")
    assert association.is_established
    association.release()
