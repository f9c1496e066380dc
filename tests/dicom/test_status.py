"""What a destination's answer makes us do."""

import pytest

from node.dicom import status
from node.rules.failures import Fault


@pytest.mark.parametrize("answer", [0x0000, 0xB000, 0xB006, 0xB007, 0x0111])
def test_success_and_the_warnings_count_as_stored(answer):
    assert status.is_stored(answer)
    assert status.refusal(answer, "pacs") is None


@pytest.mark.parametrize("answer", [0xA700, 0xA701, 0xA7FF, 0x0110, 0x0213])
def test_a_full_or_stumbling_destination_is_tried_again(answer):
    refusal = status.refusal(answer, "pacs")
    assert refusal is not None
    assert refusal.again
    assert refusal.fault is Fault.PEER


@pytest.mark.parametrize("answer", [0xA900, 0xA9FF, 0xC000, 0xCFFF, 0x0122, 0x0124, 0x0117, 0xFE01])
def test_a_destination_that_will_never_take_it_is_not_tried_again(answer):
    refusal = status.refusal(answer, "pacs")
    assert refusal is not None
    assert not refusal.again
    assert refusal.advice


def test_the_reason_names_the_peer_the_code_and_its_comment_without_control_characters():
    refusal = status.refusal(0xA700, "pacs", "disk\nfull")
    assert str(refusal) == "pacs answered A700 out of resources (disk full)."


def test_silence_is_tried_again():
    refusal = status.refusal(None, "pacs")
    assert refusal is not None
    assert refusal.again


def test_a_commitment_failure_is_told_in_words():
    assert status.commitment_failure(status.NO_SUCH_INSTANCE) == "0112 no such SOP instance"
    assert "no reason known" in status.commitment_failure(0x0999)
