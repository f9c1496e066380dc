"""Who may call."""

from node.rules.admitting import Rejection, admit
from node.rules.nouns import Caller, Peer

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
