"""Reading what a peer sent, whatever it sent."""

import hashlib
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from node.dicom import header
from node.dicom.header import Header
from node.rules.failures import Refusal
from tests.fakes.scanner import Scanner, put_raw

SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    RLELossless,
    JPEGLSLossless,
    JPEG2000Lossless,
]


def over_the_wire(ds: Dataset) -> tuple[bytes, str]:
    """Give a data set as it comes over an association: without file meta information."""
    buffer = BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True)
    content = buffer.getvalue()
    meta_length = int.from_bytes(content[140:144], "little")
    return content[144 + meta_length :], str(ds.file_meta.TransferSyntaxUID)


def one_slice(**knobs: object) -> Dataset:
    return Scanner(**knobs).series(3)[1]


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
def test_a_header_reads_the_same_in_every_transfer_syntax(syntax: UID):
    ds = one_slice(transfer_syntax=syntax)
    read = header.read_header(*over_the_wire(ds))
    assert isinstance(read, Header)
    assert read.sop_instance_uid == ds.SOPInstanceUID
    assert read.series_instance_uid == ds.SeriesInstanceUID
    assert read.attributes["Modality"] == "MR"
    assert read.attributes["Rows"] == 48.0
    assert read.attributes["EchoTime"] == 10.0
    assert read.attributes["ImageType"] == ("ORIGINAL", "PRIMARY", "M")
    assert "KVP" not in read.attributes


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("ISO_IR 100", "Schädel"),
        ("ISO_IR 192", "头部 Kopf"),
        ("GB18030", "头部增强"),
        (["", "ISO 2022 IR 87"], "頭部"),
        (["", "ISO 2022 IR 149"], "머리"),
    ],
)
def test_descriptions_are_decoded_by_the_objects_own_character_set(charset, text):
    ds = one_slice(charset=charset, attributes={"SeriesDescription": text})
    read = header.read_header(*over_the_wire(ds))
    assert isinstance(read, Header)
    assert read.attributes["SeriesDescription"] == text


def test_chinese_by_escape_sequences_is_decoded_without_them():
    """Written by hand: pydicom leaves the sequences out when it writes, and in when it reads."""
    ds = one_slice(charset=["", "ISO 2022 IR 58"])
    put_raw(ds, "SeriesDescription", "LO", b"CT \x1b$)A" + "头部增强".encode("gb2312"))
    read = header.read_header(*over_the_wire(ds))
    assert isinstance(read, Header)
    assert read.attributes["SeriesDescription"] == "CT 头部增强"


@pytest.mark.parametrize("term", [b"GB2312", b"gb2312"])
def test_what_is_no_term_of_the_standard_but_written_in_china_is_understood(term):
    ds = one_slice(charset=None)
    put_raw(ds, "SpecificCharacterSet", "CS", term)
    put_raw(ds, "SeriesDescription", "LO", "头部增强".encode("gb2312"))
    read = header.read_header(*over_the_wire(ds))
    assert isinstance(read, Header)
    assert read.attributes["SeriesDescription"] == "头部增强"


def test_a_character_set_that_nobody_knows_does_not_matter():
    ds = one_slice(charset=None)
    data, syntax = over_the_wire(ds)
    odd = b"\x08\x00\x05\x00CS\x08\x00KLINGON "
    assert isinstance(header.read_header(odd + data, syntax), Header)


def test_nothing_of_the_patient_is_in_what_is_read():
    ds = one_slice(attributes={"PatientName": "Secret^Person", "PatientID": "SECRET-7"})
    read = header.read_header(*over_the_wire(ds))
    assert "SECRET" not in repr(read).upper()


@pytest.mark.parametrize(
    ("keyword", "value", "reason"),
    [
        ("SOPInstanceUID", None, "SOPInstanceUID is missing"),
        ("StudyInstanceUID", "", "StudyInstanceUID is missing"),
        ("SeriesInstanceUID", "1." + "2" * 63, "65 characters"),
        ("SOPInstanceUID", "1.2.drop", "numbers and dots"),
        ("SOPInstanceUID", "../../etc/passwd", "numbers and dots"),
    ],
)
def test_an_object_without_proper_uids_is_refused_with_the_reason(keyword, value, reason):
    ds = one_slice()
    if value is None:
        del ds[keyword]
    else:
        setattr(ds, keyword, value)
    ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    read = header.read_header(*over_the_wire(ds))
    assert isinstance(read, Refusal)
    assert reason in read.reason


def test_leading_zeros_in_a_uid_are_tolerated():
    ds = one_slice(attributes={"StudyInstanceUID": "1.2.003.4"})
    assert isinstance(header.read_header(*over_the_wire(ds)), Header)


@pytest.mark.parametrize("written", ["1,5", "nan", "1e999", "ten"])
def test_numbers_that_are_none_are_left_out(written):
    ds = one_slice()
    put_raw(ds, "EchoTime", "DS", written.encode())
    read = header.read_header(*over_the_wire(ds))
    assert isinstance(read, Header)
    assert "EchoTime" not in read.attributes


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
def test_an_object_cut_short_is_never_taken(syntax: UID):
    data, uid = over_the_wire(one_slice(transfer_syntax=syntax))
    for end in (0, 7, len(data) // 3, len(data) - 200, len(data) - 9):
        assert isinstance(header.read_header(data[:end], uid), Refusal), end


def test_bytes_after_the_pixels_do_no_harm():
    data, uid = over_the_wire(one_slice())
    assert isinstance(header.read_header(data + b"\0" * 13, uid), Header)


def test_a_whole_file_where_a_data_set_belongs_is_refused():
    buffer = BytesIO()
    one_slice().save_as(buffer, enforce_file_format=True)
    read = header.read_header(buffer.getvalue(), ExplicitVRLittleEndian)
    assert isinstance(read, Refusal)
    assert "preamble" in read.reason


def test_what_is_written_in_front_makes_it_a_dicom_file_with_its_sender(tmp_path: Path):
    data, uid = over_the_wire(one_slice(transfer_syntax=ImplicitVRLittleEndian))
    read = header.read_header(data, uid)
    assert isinstance(read, Header)
    prefix = header.part10_prefix(read, uid, calling_ae="SCANNER1", called_ae="RADNODE")
    path = tmp_path / "a.dcm"
    path.write_bytes(prefix + data)
    again = pydicom.dcmread(path)
    assert again.file_meta.SourceApplicationEntityTitle == "SCANNER1"
    assert again.file_meta.ReceivingApplicationEntityTitle == "RADNODE"
    assert again.file_meta.MediaStorageSOPInstanceUID == again.SOPInstanceUID
    assert again.pixel_array.shape == (48, 56)
    kept = header.read_part10(path)
    assert isinstance(kept, header.Part10)
    assert kept.header == read
    assert (kept.transfer_syntax_uid, kept.calling_ae) == (uid, "SCANNER1")
    assert kept.sha256 == hashlib.sha256(data).hexdigest()
    assert kept.size == len(data)


def test_a_file_that_is_no_dicom_is_refused(tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_text("not a picture")
    assert isinstance(header.read_part10(path), Refusal)


DATA, SYNTAX = over_the_wire(one_slice(transfer_syntax=RLELossless))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(DATA) - 1), st.integers(0, 255)), max_size=6),
    st.integers(0, len(DATA)),
    st.sampled_from([str(uid) for uid in SYNTAXES]),
)
def test_whatever_bytes_come_there_is_an_answer(changes, end, syntax):
    data = bytearray(DATA)
    for place, value in changes:
        data[place % 1500] = value
    answer = header.read_header(bytes(data[:end] if end % 3 else data), syntax)
    assert isinstance(answer, Header | Refusal)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([str(uid) for uid in SYNTAXES]))
def test_random_bytes_are_refused(data, syntax):
    assert isinstance(header.read_header(data, syntax), Refusal)


def test_sequences_nested_without_end_are_refused_not_followed():
    nest = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 5000
    read = header.read_header(nest, ExplicitVRLittleEndian)
    assert isinstance(read, Refusal)
    assert "nested" in read.reason


def test_the_listener_need_not_load_pixels_or_builders():
    code = (
        "import sys; import node.dicom.header, node.dicom.status, node.dicom.services;"
        "print([m for m in ('highdicom', 'SimpleITK', 'node.dicom.volume') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
