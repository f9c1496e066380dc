"""Over TLS it is the same listener: each conversation comes to the same end as in the open."""

import ssl

import pytest

from node.config.sections import TlsSection
from node.wire.porch import open_door
from node.wire.scp import Limits, Listener
from node.wire.security import Security
from tests.fakes.authority import Authority
from tests.fakes.desk import Desk, belongings, wait_until
from tests.fakes.raw_peer import RawPeer
from tests.wire import trespasses  # noqa: F401 - they register themselves
from tests.wire.scenarios import ENDED, SCENARIOS

SOME = [
    "echo_twice",
    "one_image_after_the_other",
    "several_values_in_one_pdu",
    "fragments_of_one_byte",
    "tiny_pdus",
    "a_pdu_larger_than_we_announced",
    "forty_images_before_the_first_answer",
    "a_commitment_report_between_two_images",
    "refused_before_it_comes",
    "a_handler_that_fails_at_a_piece",
    "a_command_in_the_middle_of_a_data_set",
    "a_value_longer_than_its_pdu",
    "an_abort_in_the_middle_of_an_image",
    "a_release_in_the_middle_of_an_image",
    "hanging_up_in_the_middle_of_a_pdu",
    "hanging_up_at_once",
]
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def caller(authority):
    """The context of a peer whose certificate is good."""
    signed = authority.sign("peer", "/CN=peer")
    context = ssl.create_default_context(cafile=authority.certificate)
    context.check_hostname = False
    context.load_cert_chain(signed.certificate, signed.key)
    return context


@pytest.fixture(scope="module", params=["fast", "plain"])
def listener(request, authority):
    signed = authority.sign("node", "/CN=localhost", "subjectAltName=DNS:localhost")
    section = TlsSection(
        port=0,
        certificate=signed.certificate,
        key=signed.key,
        authorities=authority.certificate,
    )
    desk = Desk()
    fast = request.param == "fast"
    listener = Listener("RADNODE", desk, limits=Limits(), fast=fast, security=Security(section))
    door = open_door("127.0.0.1", 0, tls=True)
    listener.desk, listener.port = desk, door.listening.getsockname()[1]
    listener.listen([door])
    yield listener
    listener.stop()


@pytest.mark.parametrize("name", SOME)
def test_a_conversation_over_tls_comes_to_the_same_end(listener, caller, name):
    scenario, desk = BY_NAME[name], listener.desk
    desk.reset()
    scenario.prepare(desk)
    before = belongings()
    with RawPeer(listener.port, seconds=5, tls=caller, **(scenario.request or {})) as peer:
        peer.associate()
        scenario.talk(peer)
    wait_until(lambda: desk.opened_ids and desk.idle)
    answers = [(one.status, one.message_id, one.context) for one in peer.replies]
    assert answers == list(scenario.answers)
    assert (ENDED if peer.end in ("aborted", "closed") else peer.end) == scenario.end
    assert [one.data for one in desk.kept] == list(scenario.kept)
    assert [count for _, _, count in desk.closings] == [scenario.counted]
    assert desk.misuses == []
    wait_until(
        lambda: all(now <= then for now, then in zip(belongings(), before, strict=True)),
        what=lambda: f"{before}, now {belongings()}",
    )
