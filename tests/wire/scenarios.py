"""What peers say to a listener, and what must come of it; `trespasses` has what breaks rules.

Each scenario is one conversation of a raw peer, with the answers that it gets as (status, message
ID, context ID), how it ends, and the data sets that are kept. `test_contract` runs them on both
paths.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from node.dicom import status
from node.wire.scp import Answer
from tests.fakes import raw_peer as raw
from tests.fakes.raw_peer import COMMAND, CT, DATA, LAST, p_data, pdv

OK = status.SUCCESS
BUG = status.PROCESSING_FAILURE
IMAGE = bytes(range(256)) * 500
ODD = IMAGE[:12345]
SMALL = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100"
ENDED = "ended"
"""Aborted or closed: which of the two a peer sees is a matter of who is faster."""
FINISHED = "released"


@dataclass(frozen=True)
class Scenario:
    """A conversation and its outcome; `prepare` sets the desk's knobs before it."""

    talk: Callable[[raw.RawPeer], None]
    answers: Sequence[tuple[int, int, int]] = ()
    end: str = FINISHED
    kept: Sequence[bytes] = ()
    counted: int = 0
    prepare: Callable = lambda desk: None
    request: dict | None = None
    reports: int = 0

    @property
    def name(self):
        return self.talk.__name__


SCENARIOS: list[Scenario] = []


def outcome(*answers, kept=(), end=FINISHED, counted=None, **more):
    """Register a conversation; each answer is a status, or (status, message ID, context ID)."""
    whole = [
        one if isinstance(one, tuple) else (one, number, 1)
        for number, one in enumerate(answers, start=1)
    ]

    def register(talk):
        count = len(kept) if counted is None else counted
        SCENARIOS.append(Scenario(talk, whole, end, list(kept), count, **more))
        return talk

    return register


def uid(number=1):
    return f"1.2.826.0.1.{number}"


def rq(number=1, **more):
    return pdv(more.pop("context", 1), COMMAND | LAST, raw.c_store_rq(uid(number), number, **more))


def data(fragment, control=LAST, context=1):
    return pdv(context, DATA | control, fragment)


# -- right, in every shape -------------------------------------------------------------------------


@outcome((OK, 1, 3), (OK, 2, 3))
def echo_twice(peer):
    peer.send(raw.echo(1))
    peer.reply()
    peer.send(raw.echo(2))
    peer.reply()
    peer.release()


@outcome(OK, OK, kept=[IMAGE, ODD])
def one_image_after_the_other(peer):
    peer.store(uid(1), IMAGE, message_id=1)
    peer.store(uid(2), ODD, message_id=2)
    peer.release()


@outcome(OK, kept=[IMAGE])
def a_command_in_two_fragments(peer):
    whole = raw.c_store_rq(uid())
    peer.send(p_data(pdv(1, COMMAND, whole[:50])), p_data(pdv(1, COMMAND | LAST, whole[50:])))
    peer.send(p_data(data(IMAGE)))
    peer.reply()
    peer.release()


@outcome(OK, kept=[SMALL])
def a_command_byte_by_byte(peer):
    whole = raw.c_store_rq(uid())
    peer.send(p_data(*[pdv(1, COMMAND, whole[i : i + 1]) for i in range(len(whole))]))
    peer.send(p_data(pdv(1, COMMAND | LAST)), p_data(data(SMALL)))
    peer.reply()
    peer.release()


@outcome(OK, kept=[SMALL])
def command_and_data_set_in_one_pdu(peer):
    peer.send(p_data(rq(), data(SMALL)))
    peer.reply()
    peer.release()


@outcome(OK, kept=[IMAGE])
def several_values_in_one_pdu(peer):
    pieces = [data(IMAGE[i : i + 9000], 0) for i in range(0, 90000, 9000)]
    peer.send(p_data(rq()), p_data(*pieces), p_data(data(IMAGE[90000:])))
    peer.reply()
    peer.release()


@outcome(OK, kept=[SMALL])
def an_empty_last_fragment(peer):
    peer.send(p_data(rq()), p_data(data(SMALL, 0)), p_data(data(b"")))
    peer.reply()
    peer.release()


@outcome(OK, kept=[SMALL])
def an_empty_fragment_in_the_middle(peer):
    peer.send(p_data(rq()), p_data(data(SMALL[:4], 0), data(b"", 0)), p_data(data(SMALL[4:])))
    peer.reply()
    peer.release()


@outcome(OK, kept=[b""])
def a_data_set_that_is_empty(peer):
    peer.send(p_data(rq()), p_data(data(b"")))
    peer.reply()
    peer.release()


@outcome(OK, kept=[ODD[:301]])
def fragments_of_one_byte(peer):
    peer.send(p_data(rq()))
    peer.send(*[p_data(data(ODD[i : i + 1], 0)) for i in range(300)], p_data(data(ODD[300:301])))
    peer.reply()
    peer.release()


@outcome(OK, kept=[ODD])
def a_data_set_of_odd_length(peer):
    peer.store(uid(), ODD)
    peer.release()


@outcome(OK, kept=[IMAGE], request={"maximum": 4096})
def tiny_pdus(peer):
    peer.store(uid(), IMAGE, size=4096)
    peer.release()


@outcome(OK, (OK, 2, 3), kept=[IMAGE], request={"maximum": 0})
def a_peer_that_takes_pdus_of_any_length(peer):
    peer.store(uid(), IMAGE, size=131072)
    peer.send(raw.echo(2))
    peer.reply()
    peer.release()


@outcome(OK, kept=[IMAGE * 30])
def a_pdu_larger_than_we_announced(peer):
    peer.send(p_data(rq()), p_data(data(IMAGE * 30)))
    peer.reply()
    peer.release()


@outcome(OK, OK, kept=[SMALL, SMALL[::-1]])
def two_images_in_one_segment(peer):
    peer.send(raw.store(uid(1), SMALL, 1) + raw.store(uid(2), SMALL[::-1], 2))
    peer.reply()
    peer.reply()
    peer.release()


@outcome(*[OK] * 40, kept=[SMALL] * 40)
def forty_images_before_the_first_answer(peer):
    peer.send(*[raw.store(uid(n), SMALL, n) for n in range(1, 41)])
    for _ in range(40):
        peer.reply()
    peer.release()


@outcome(OK, kept=[SMALL])
def a_release_behind_the_image(peer):
    peer.send(raw.store(uid(), SMALL), raw.release_rq())
    peer.read_all()


@outcome((OK, 1, 1), (OK, 2, 5), (OK, 3, 1), (OK, 4, 3), kept=[IMAGE, ODD, SMALL])
def contexts_that_alternate(peer):
    peer.store(uid(1), IMAGE, message_id=1)
    peer.store(uid(2), ODD, message_id=2, context=5, sop_class=CT)
    peer.store(uid(3), SMALL, message_id=3)
    peer.send(raw.echo(4))
    peer.reply()
    peer.release()


@outcome(OK, kept=[SMALL])
def priority_and_move_originator(peer):
    mover = {"x700": raw.short(1), "x1030": b"MOVER ", "x1031": raw.short(77)}
    peer.send(p_data(rq(**mover), data(SMALL)))
    peer.reply()
    peer.release()


@outcome(OK, kept=[SMALL])
def a_command_without_group_length(peer):
    peer.send(p_data(pdv(1, COMMAND | LAST, raw.c_store_rq(uid())[12:]), data(SMALL)))
    peer.reply()
    peer.release()


@outcome(OK, kept=[SMALL])
def a_data_set_type_of_nought(peer):
    peer.send(p_data(rq(data_set=0), data(SMALL)))
    peer.reply()
    peer.release()


@outcome((OK, 65535, 1), kept=[SMALL])
def the_largest_message_id(peer):
    peer.send(raw.store(uid(), SMALL, 65535))
    peer.reply()
    peer.release()


@outcome((OK, 1, 1), (OK, 2, 7), (OK, 3, 1), kept=[SMALL, SMALL], reports=1)
def a_commitment_report_between_two_images(peer):
    peer.store(uid(1), SMALL)
    report = raw.simple_rq(
        raw.N_EVENT_REPORT,
        2,
        raw.COMMITMENT,
        1,
        x1000=raw.uid_value("1.2.840.10008.1.20.1.1"),
        x1002=raw.short(1),
    )
    transaction = b"\x08\x00\x95\x11UI\x06\x001.2.3\0"
    peer.send(p_data(pdv(7, COMMAND | LAST, report)), p_data(data(transaction, LAST, 7)))
    peer.reply()
    peer.store(uid(3), SMALL, message_id=3)
    peer.release()


# -- answers -------------------------------------------------------------------------------------


def answering(code, comment=""):
    return lambda desk: setattr(desk, "answer", Answer(code, comment))


def refusing(code, comment=""):
    return lambda desk: setattr(desk, "refusal", Answer(code, comment))


def raising(verb):
    return lambda desk: setattr(desk, "raises", verb)


def two_images(peer):
    peer.store(uid(1), IMAGE * 20, message_id=1, size=131072)
    peer.store(uid(2), SMALL, message_id=2)
    peer.release()


def variant(name, *answers, **more):
    """Register the conversation of two images once more, with another handler."""

    def talk(peer):
        two_images(peer)

    talk.__name__ = name
    outcome(*answers, **more)(talk)


BOTH = [IMAGE * 20, SMALL]
variant(
    "no_room",
    *[status.OUT_OF_RESOURCES] * 2,
    kept=BOTH,
    counted=0,
    prepare=answering(status.OUT_OF_RESOURCES, "the disk is full, or so it seems"),
)
variant(
    "another_data_set_than_announced",
    *[status.DATA_SET_DOES_NOT_MATCH] * 2,
    kept=BOTH,
    counted=0,
    prepare=answering(status.DATA_SET_DOES_NOT_MATCH),
)
variant(
    "a_comment_that_is_too_long",
    *[status.CANNOT_UNDERSTAND] * 2,
    kept=BOTH,
    counted=0,
    prepare=answering(status.CANNOT_UNDERSTAND, "because of this and that, " * 9),
)
variant(
    "a_comment_that_is_no_ascii",
    *[status.CANNOT_UNDERSTAND] * 2,
    kept=BOTH,
    counted=0,
    prepare=answering(status.CANNOT_UNDERSTAND, "Gerät \u4e0d"),
)
variant(
    "stored_with_a_warning",
    *[status.ELEMENTS_DISCARDED] * 2,
    kept=BOTH,
    prepare=answering(status.ELEMENTS_DISCARDED, "odd"),
)
variant(
    "refused_before_it_comes",
    *[status.NOT_AUTHORIZED] * 2,
    prepare=refusing(status.NOT_AUTHORIZED, "not you"),
)
variant("a_handler_that_fails_as_it_begins", BUG, BUG, prepare=raising("begin"))
variant("a_handler_that_fails_at_a_piece", BUG, OK, kept=[SMALL], prepare=raising("add"))
variant("a_handler_that_fails_at_the_end", BUG, BUG, prepare=raising("finish"))


def _cannot_sync(desk):
    desk.safe = False


@outcome(OK, kept=[SMALL], end=ENDED, prepare=_cannot_sync)
def a_release_that_cannot_be_made_safe(peer):
    peer.store(uid(), SMALL)
    peer.release()
