"""Who may call."""

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.rules.admitting import Rejection, admit
from node.rules.nouns import Caller, Identity, Peer
from node.rules.recognising import is_recognised

SCANNER = Peer("scanner", "CT99", "ct.example", may=frozenset({"store"}))
ANYONE = Peer("lab", "*", "lab.example", may=frozenset({"store"}))
WHERE = {"scanner": frozenset({"10.0.0.7"}), "lab": frozenset({"10.0.0.9"})}


def decide(calling, address, called="RADNODE", *, room=True):
    caller = Caller(calling, called, address)
    return admit(caller, "RADNODE", [ANYONE, SCANNER], WHERE, room=room)


def test_a_peer_is_known_by_title_and_address():
    assert decide("CT99", "10.0.0.7").peer == SCANNER


def test_a_known_title_from_elsewhere_is_refused():
    admission = decide("CT99", "10.0.0.8")
    assert admission.rejection is Rejection.CALLING_AE
    assert "not at 10.0.0.8" in admission.reason


def test_an_unknown_title_is_refused():
    assert decide("NOBODY", "10.0.0.7").rejection is Rejection.CALLING_AE


def test_a_star_lets_in_any_title_from_its_host_only():
    assert decide("WHATEVER", "10.0.0.9").peer == ANYONE


def test_titles_are_no_patterns_but_for_the_star_alone():
    like = Peer("like", "CT*", "ct.example", may=frozenset({"store"}))
    caller = Caller("CT99", "RADNODE", "10.0.0.7")
    where = {"like": frozenset({"10.0.0.7"})}
    assert admit(caller, "RADNODE", [like], where, room=True).peer is None


def test_a_wrong_called_title_is_refused_even_for_a_known_caller():
    assert decide("CT99", "10.0.0.7", called="OTHER").rejection is Rejection.CALLED_AE


def test_a_full_disk_refuses_for_the_moment():
    assert decide("CT99", "10.0.0.7", room=False).rejection is Rejection.BUSY


# -- certificates, users and limits ------------------------------------------------------------

SECURED = Peer("secured", "CT99", "ct.example", certificate="CN=ct1")
NAMED = Peer("named", "CT99", "ct.example", user="ct", passcode="sesame")
HERE = "10.0.0.7"
AT = {name: frozenset({HERE}) for name in ("scanner", "lab", "secured", "named", "other", "busy")}


def come(peers, *, held=MappingProxyType({}), room=True, **shown):
    return admit(
        Caller("CT99", "RADNODE", HERE, **shown), "RADNODE", peers, AT, room=room, held=held
    )


def test_a_peer_with_a_certificate_must_show_it():
    assert come([SECURED], subject="CN=ct1,O=Hospital").peer == SECURED
    other = come([SECURED], subject="CN=mr2,O=Hospital", alternative_names=("dns:mr2",))
    assert other.rejection is Rejection.CERTIFICATE
    assert "CN=mr2,O=Hospital, dns:mr2" in other.reason


def test_a_call_without_tls_never_is_a_peer_with_a_certificate():
    admission = come([SECURED])
    assert admission.rejection is Rejection.CERTIFICATE
    assert "without TLS" in admission.reason


def test_a_listed_star_is_no_way_around_what_a_title_asks_for():
    anyone = Peer("lab", "*", "lab.example")
    assert come([anyone, SECURED]).rejection is Rejection.CERTIFICATE
    assert come([anyone, NAMED]).rejection is Rejection.IDENTITY


def test_of_two_peers_with_one_title_the_one_that_fits_is_recognised():
    other = Peer("other", "CT99", "ct.example", certificate="CN=ct2")
    assert come([SECURED, other], subject="CN=ct2").peer == other
    assert come([SECURED, other], subject="CN=ct1").peer == SECURED
    second = Peer("other", "CT99", "ct.example", user="mr", passcode="open")
    assert come([NAMED, second], identity=Identity(2, "mr", "open")).peer == second


@pytest.mark.parametrize(
    "identity",
    [
        None,
        Identity(1, "ct"),
        Identity(1, "ct", "sesame"),
        Identity(2, "ct", ""),
        Identity(2, "ct", "sesam"),
        Identity(2, "CT", "sesame"),
        Identity(2, "", "sesame"),
        Identity(2, "ctsesame", ""),
    ],
)
def test_a_peer_with_a_user_must_give_name_and_passcode(identity):
    admission = come([NAMED], identity=identity)
    assert admission.rejection is Rejection.IDENTITY
    assert "sesam" not in admission.reason
    assert come([NAMED], identity=Identity(2, "ct", "sesame")).peer == NAMED


@pytest.mark.parametrize("identity", [Identity(1, "ct"), Identity(2, "ct", "whatever")])
def test_a_peer_with_a_user_but_no_passcode_gives_its_name(identity):
    named = Peer("named", "CT99", "ct.example", user="ct")
    assert come([named], identity=identity).peer == named
    assert come([named], identity=Identity(1, "mr")).rejection is Rejection.IDENTITY


@pytest.mark.parametrize("identity", [Identity(1, "x"), Identity(2, "x", "y")])
def test_a_user_that_nobody_asked_for_is_let_in(identity):
    assert come([SCANNER], identity=identity).peer == SCANNER


@pytest.mark.parametrize(
    ("kind", "named"),
    [(3, "Kerberos"), (4, "SAML"), (5, "JSON web token"), (6, "type 6"), (0, "0")],
)
@pytest.mark.parametrize("peer", [SCANNER, NAMED])
def test_what_cannot_be_checked_is_refused_in_words(kind, named, peer):
    admission = come([peer], identity=Identity(kind))
    assert admission.rejection is Rejection.IDENTITY
    assert named in admission.reason


def test_a_wrong_user_learns_nothing_of_limits_and_disk():
    full = Peer("named", "CT99", "ct.example", user="ct", maximum_associations=1)
    assert come([full], held={"named": 1}, room=False).rejection is Rejection.IDENTITY


def test_a_peer_has_no_more_associations_than_it_may():
    busy = Peer("busy", "CT99", "ct.example", maximum_associations=2)
    assert come([busy], held={"busy": 1, "other": 99}).peer == busy
    refused = come([busy], held={"busy": 2})
    assert refused.rejection is Rejection.LIMIT
    assert "2 associations open" in refused.reason
    assert come([SCANNER], held={"scanner": 1000}).peer == SCANNER


def test_passcodes_are_in_no_words():
    caller = Caller("CT99", "RADNODE", HERE, identity=Identity(2, "ct", "sesame"))
    assert "sesame" not in repr((NAMED, caller))


@given(
    peer=st.builds(
        Peer,
        st.sampled_from(["scanner", "other"]),
        st.sampled_from(["CT99", "MR1", "*"]),
        st.just("ct.example"),
        maximum_associations=st.none() | st.integers(1, 3),
        certificate=st.none() | st.sampled_from(["CN=ct1", "dns:ct1", "CN=ct1,O=x"]),
        user=st.none() | st.sampled_from(["ct", "mr", "\ud800"]),
        passcode=st.none() | st.sampled_from(["a", "b", "ö"]),
    ),
    caller=st.builds(
        Caller,
        st.sampled_from(["CT99", "MR1", "*"]),
        st.sampled_from(["RADNODE", "OTHER"]),
        st.sampled_from([HERE, "10.0.0.8"]),
        st.sampled_from(["", "CN=ct1", "CN=ct1,O=x", "CN=ct2", "\\"]),
        st.sampled_from([(), ("dns:ct1",)]),
        st.none()
        | st.builds(
            Identity,
            st.integers(0, 6),
            st.sampled_from(["", "ct", "mr"]),
            st.sampled_from(["", "a", "b", "ö"]),
        ),
    ),
    held=st.integers(0, 4),
    room=st.booleans(),
)
def test_nobody_is_let_in_who_lacks_anything(peer, caller, held, room):
    admission = admit(caller, "RADNODE", [peer], AT, room=room, held={peer.name: held})
    assert (admission.peer is None) == (admission.rejection is not None) == bool(admission.reason)
    identity = caller.identity or Identity(1)
    let_in = [
        caller.called_ae == "RADNODE",
        peer.ae_title in ("*", caller.calling_ae),
        caller.address == HERE,
        peer.certificate is None
        or is_recognised(peer.certificate, caller.subject, caller.alternative_names),
        identity.kind in (1, 2),
        peer.user is None or (caller.identity is not None and identity.name == peer.user),
        peer.user is None
        or peer.passcode is None
        or (identity.kind, identity.passcode) == (2, peer.passcode),
        peer.maximum_associations is None or held < peer.maximum_associations,
        room,
    ]
    assert (admission.peer == peer) == all(let_in)
