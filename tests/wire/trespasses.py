"""What peers say to a listener against the rules, or do not finish, and what must come of it."""

from tests.fakes import raw_peer as raw
from tests.fakes.raw_peer import COMMAND, DATA, LAST, MR, p_data, pdv
from tests.wire.scenarios import ENDED, FINISHED, IMAGE, OK, SMALL, data, outcome, rq, uid

# -- messages that are none of ours ----------------------------------------------------------------


@outcome((OK, 2, 3))
def a_cancel_with_nothing_to_cancel(peer):
    cancel = raw.command({0x100: raw.short(raw.C_CANCEL), 0x120: raw.short(1), 0x800: b"\1\1"})
    peer.send(p_data(pdv(1, COMMAND | LAST, cancel)), raw.echo(2))
    peer.reply()
    peer.release()


@outcome(end=ENDED)
def a_find_on_the_verification_context(peer):
    find = raw.simple_rq(raw.C_FIND, 1, "1.2.840.10008.5.1.4.1.2.1.1", 1, x700=raw.short(0))
    peer.send(p_data(pdv(3, COMMAND | LAST, find)), p_data(data(SMALL, LAST, 3)))
    peer.read_all()


@outcome(end=ENDED)
def a_find_on_a_storage_context(peer):
    find = raw.simple_rq(raw.C_FIND, 1, "1.2.840.10008.5.1.4.1.2.1.1", 1, x700=raw.short(0))
    peer.send(p_data(pdv(1, COMMAND | LAST, find)), p_data(data(SMALL)))
    peer.read_all()


@outcome(end=ENDED)
def a_command_that_there_is_not(peer):
    peer.send(p_data(pdv(1, COMMAND | LAST, raw.simple_rq(0x0666, 1, MR, raw.NO_DATA_SET))))
    peer.read_all()


@outcome(end=ENDED)
def a_command_set_that_is_no_dicom(peer):
    peer.send(p_data(pdv(1, COMMAND | LAST, b"GET / HTTP/1.1\r\n\r\n")))
    peer.read_all()


@outcome(end=ENDED)
def an_empty_command_set(peer):
    peer.send(p_data(pdv(1, COMMAND | LAST)))
    peer.read_all()


@outcome(end=ENDED)
def an_answer_that_nobody_asked_for(peer):
    answer = raw.simple_rq(raw.C_STORE | raw.RESPONSE, 1, MR, raw.NO_DATA_SET, x900=b"\0\0")
    peer.send(p_data(pdv(1, COMMAND | LAST, answer)))
    peer.read_all()


@outcome(OK, kept=[b""])
def an_image_without_a_data_set(peer):
    """An empty one, as far as the handler can tell; the real one refuses it."""
    peer.send(p_data(rq(data_set=raw.NO_DATA_SET)))
    peer.reply()
    peer.release()


@outcome(end=ENDED)
def a_context_that_was_refused(peer):
    peer.send(raw.store(uid(), SMALL, context=9, sop_class=raw.UNHEARD_OF))
    peer.read_all()


@outcome(end=ENDED)
def a_context_that_nobody_spoke_of(peer):
    peer.send(raw.store(uid(), SMALL, context=99))
    peer.read_all()


@outcome(end=ENDED)
def an_image_without_an_instance_uid(peer):
    peer.send(p_data(rq(x1000=b""), data(SMALL)))
    peer.read_all()


@outcome(end=ENDED)
def an_image_without_a_message_id(peer):
    peer.send(p_data(rq(x110=b""), data(SMALL)))
    peer.read_all()


# -- order -------------------------------------------------------------------------------------


@outcome(end=ENDED)
def a_data_set_without_a_command(peer):
    peer.send(p_data(data(SMALL)))
    peer.read_all()


@outcome(end=ENDED)
def a_command_in_the_middle_of_a_data_set(peer):
    peer.send(p_data(rq(1)), p_data(data(SMALL, 0)), p_data(rq(2)), p_data(data(SMALL)))
    peer.read_all()


@outcome(end=ENDED)
def another_contexts_value_in_the_middle_of_a_data_set(peer):
    peer.send(p_data(rq()), p_data(data(SMALL, 0)), p_data(data(SMALL, 0, 5)), p_data(data(SMALL)))
    peer.read_all()


@outcome(end=ENDED)
def an_echo_in_the_middle_of_a_data_set(peer):
    peer.send(p_data(rq()), p_data(data(SMALL, 0)), raw.echo(2), p_data(data(SMALL)))
    peer.read_all()


@outcome(end=ENDED)
def a_data_set_in_the_middle_of_a_command(peer):
    peer.send(p_data(pdv(1, COMMAND, raw.c_store_rq(uid())[:40])), p_data(data(SMALL)))
    peer.read_all()


@outcome(end=ENDED)
def another_contexts_command_in_the_middle_of_a_command(peer):
    whole = raw.c_store_rq(uid())
    peer.send(p_data(pdv(1, COMMAND, whole[:40])), p_data(pdv(5, COMMAND | LAST, whole[40:])))
    peer.read_all()


# -- values and PDUs that are none ------------------------------------------------------------


@outcome(end=ENDED)
def a_value_of_no_length(peer):
    peer.send(p_data(rq()), raw.pdu(raw.P_DATA, bytes(4)))
    peer.read_all()


@outcome(end=ENDED)
def a_value_of_length_one(peer):
    peer.send(p_data(rq()), raw.pdu(raw.P_DATA, b"\0\0\0\1\1"))
    peer.read_all()


@outcome(end=ENDED)
def a_pdu_without_a_value(peer):
    peer.send(p_data(rq()), p_data())
    peer.read_all()


@outcome(end=ENDED)
def a_value_longer_than_its_pdu(peer):
    peer.send(p_data(rq()), p_data(pdv(1, DATA | LAST, SMALL, length=len(SMALL) + 200)))
    peer.read_all()


@outcome(end=ENDED)
def a_value_shorter_than_its_pdu(peer):
    peer.send(p_data(rq()), p_data(pdv(1, DATA, SMALL, length=len(SMALL) - 2)))
    peer.read_all()


@outcome(end=ENDED)
def a_pdu_of_unknown_type(peer):
    peer.send(raw.pdu(0x4D, b"what?"))
    peer.read_all()


@outcome(end=ENDED)
def a_pdu_of_unknown_type_in_the_middle_of_an_image(peer):
    peer.send(p_data(rq()), p_data(data(SMALL, 0)), raw.pdu(0x4D, b"what?"))
    peer.read_all()


@outcome(end=ENDED)
def a_second_request(peer):
    peer.send(raw.associate_rq())
    peer.read_all()


@outcome(end=ENDED)
def a_second_request_in_the_middle_of_an_image(peer):
    peer.send(p_data(rq()), p_data(data(SMALL, 0)), raw.associate_rq())
    peer.read_all()


@outcome(end=ENDED)
def a_release_response_that_nobody_asked_for(peer):
    peer.send(raw.pdu(raw.RELEASE_RP, bytes(4)))
    peer.read_all()


@outcome(end=FINISHED)
def a_release_with_the_wrong_length(peer):
    peer.send(raw.pdu(raw.RELEASE_RQ, b""))
    peer.read_all()


# -- leaving -----------------------------------------------------------------------------------


@outcome(end=ENDED)
def an_abort_in_the_middle_of_an_image(peer):
    peer.send(p_data(rq()), p_data(data(IMAGE, 0)), raw.abort())
    peer.read_all()


@outcome(end=ENDED)
def an_abort_between_command_and_data_set(peer):
    peer.send(p_data(rq()), raw.abort())
    peer.read_all()


@outcome(OK, end=ENDED, kept=[SMALL])
def an_abort_after_the_answer(peer):
    peer.store(uid(), SMALL)
    peer.send(raw.abort())
    peer.read_all()


@outcome(end=FINISHED)
def a_release_in_the_middle_of_an_image(peer):
    peer.send(p_data(rq()), p_data(data(IMAGE, 0)), raw.release_rq())
    peer.read_all()


@outcome(end=ENDED)
def hanging_up_in_the_middle_of_an_image(peer):
    peer.send(p_data(rq()), p_data(data(IMAGE, 0)))
    peer.close()
    peer.end = "closed"


@outcome(end=ENDED)
def hanging_up_in_the_middle_of_a_pdu(peer):
    peer.send(p_data(rq()), p_data(data(IMAGE))[:70000])
    peer.close()
    peer.end = "closed"


@outcome(end=ENDED)
def hanging_up_in_the_middle_of_a_pdus_head(peer):
    peer.send(p_data(rq()), p_data(data(IMAGE))[:3])
    peer.close()
    peer.end = "closed"


@outcome(OK, end=ENDED, kept=[SMALL])
def hanging_up_after_the_answer(peer):
    peer.store(uid(), SMALL)
    peer.close()
    peer.end = "closed"


@outcome(end=ENDED)
def hanging_up_at_once(peer):
    peer.close()
    peer.end = "closed"
