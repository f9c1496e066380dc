"""Which certificate is whose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.config.sections import _SUBJECT
from node.rules.recognising import is_recognised, subject_parts, subject_text

SUBJECT = "CN=ct1,OU=Radiology,O=Spital\\, Nord,C=CH"
NAMES = ("dns:ct1.hospital.example", "ip:10.0.0.7")
LONG = {"CN": "commonName", "O": "organizationName", "OU": "organizationalUnitName"}
TYPES = st.sampled_from(["CN", "O", "OU", "emailAddress", "serialNumber", "1.2.840.113549"])
VALUES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
SUBJECTS = st.lists(st.lists(st.tuples(TYPES, VALUES), min_size=1, max_size=2), min_size=1)
WRITTEN = st.text(st.sampled_from('CN=O,+;<>"#\\ a1.ö4\n'), max_size=24)


@pytest.mark.parametrize(
    "wanted",
    [
        "CN=ct1",
        "cn = ct1",
        "commonName=ct1",
        SUBJECT,
        "CN=ct1, OU=Radiology, O=Spital\\, Nord, C=CH",
        "CN=ct1,OU=Radiology,O=Spital\\2C Nord,C=CH",
        "dns:ct1.hospital.example",
        "DNS:CT1.hospital.example",
    ],
)
def test_a_certificate_is_recognised_however_its_name_is_written(wanted):
    assert is_recognised(wanted, SUBJECT, NAMES)


@pytest.mark.parametrize(
    "wanted",
    [
        "CN=CT1",
        "CN=ct",
        "CN=ct1,O=Spital\\, Nord,C=CH",
        "C=CH,O=Spital\\, Nord,OU=Radiology,CN=ct1",
        "O=Spital\\, Nord",
        "CN=ct1.hospital.example",
        "dns:ct1",
        "dns:hospital.example",
        "dns:10.0.0.7",
        "ct1",
        "",
    ],
)
def test_another_one_is_not(wanted):
    assert not is_recognised(wanted, SUBJECT, NAMES)


def test_a_subject_with_two_common_names_has_to_be_named_whole():
    assert not is_recognised("CN=ct1", "CN=ct1,CN=other", ())
    assert is_recognised("CN=ct1,CN=other", "CN=ct1,CN=other", ())


def test_a_value_that_looks_like_further_parts_is_one_value():
    subject = subject_text([[("organizationName", "x")], [("commonName", "ct1,O=Hospital")]])
    assert not is_recognised("CN=ct1,O=Hospital", subject, ())
    assert not is_recognised("CN=ct1,O=Hospital,O=x", subject, ())
    assert is_recognised("CN=ct1\\,O\\=Hospital", subject, ())


def test_a_name_in_the_subject_is_no_alternative_name():
    assert not is_recognised("dns:ct1", "CN=dns:ct1", ())


@given(SUBJECTS)
def test_what_is_written_is_read_again(parts):
    def plain(kind):
        return {long.casefold(): short for short, long in LONG.items()}.get(kind.casefold(), kind)

    text = subject_text([[(LONG.get(kind, kind), value) for kind, value in one] for one in parts])
    expected = tuple(frozenset((plain(kind), v) for kind, v in one) for one in reversed(parts))
    assert subject_parts(text) == expected
    assert is_recognised(text, text, ())
    assert not any(ord(sign) < 32 for sign in text)


@given(SUBJECTS, SUBJECTS)
def test_two_subjects_are_the_same_only_if_they_say_the_same(one, other):
    same = [set(map(tuple, part)) for part in one] == [set(map(tuple, part)) for part in other]
    wanted, shown = subject_text(one), subject_text(other)
    if len(one) > 1 or len(one[0]) > 1:
        assert is_recognised(wanted, shown, ()) == same


@given(WRITTEN)
def test_what_the_configuration_takes_for_a_subject_can_be_read_and_the_other_way_round(text):
    parts = subject_parts(text)
    is_whole = parts is not None and all(value for part in parts for _, value in part)
    if _SUBJECT.fullmatch(text):
        assert parts is not None or "\\" in text  # escaped bytes that are no UTF-8
    else:
        assert not is_whole


@given(st.text(max_size=40), st.text(max_size=40))
def test_nothing_is_recognised_by_accident_or_raises(wanted, subject):
    if is_recognised(wanted, subject, ()):
        assert subject_parts(wanted)
        assert subject_parts(subject)
