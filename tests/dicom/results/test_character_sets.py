"""Names from anywhere come out of every result as they went in: the bytes, and the characters."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from node.dicom import results
from node.dicom.results import Made
from node.dicom.volume import Volume, read_volume
from node.rules.nouns import Output
from tests.fakes.scanner import Scanner, put_raw, save

pytestmark = pytest.mark.filterwarnings("error::UserWarning")  # pydicom re-encoding what it decoded


@dataclass(frozen=True)
class Writing:
    """How a scanner writes a name and a hospital, and what a person reads there.

    `dcmtk` says whether DCMTK as Debian builds it (with the C library's iconv) can read it,
    `becomes` what results declare where images declare what the Standard does not know.
    """

    charset: str | list[str]
    name: bytes
    hospital: bytes
    reads: tuple[str, str]
    dcmtk: bool = True
    becomes: str = ""


WRITINGS = {
    "Chinese GB18030": Writing(
        "GB18030",
        "Wang^XiaoDong=王^小东".encode("gb18030"),
        "北京协和医院".encode("gb18030"),
        ("Wang^XiaoDong=王^小东", "北京协和医院"),
    ),
    "Chinese UTF-8": Writing(
        "ISO_IR 192",
        "Wang^XiaoDong=王^小东".encode(),
        "北京协和医院".encode(),
        ("Wang^XiaoDong=王^小东", "北京协和医院"),
    ),
    "Chinese ISO 2022": Writing(
        ["", "ISO 2022 IR 58"],
        b"Wang^XiaoDong=\x1b$)A" + "王".encode("gb2312") + b"^\x1b$)A" + "小东".encode("gb2312"),
        b"\x1b$)A" + "北京协和医院".encode("gb2312"),
        ("Wang^XiaoDong=王^小东", "北京协和医院"),
    ),
    "Chinese by a term that is none": Writing(
        "GB2312",
        "Wang^XiaoDong=王^小东".encode("gb2312"),
        "北京协和医院".encode("gb2312"),
        ("Wang^XiaoDong=王^小东", "北京协和医院"),
        becomes="GB18030",
    ),
    "Japanese kanji": Writing(
        ["", "ISO 2022 IR 87"],
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        b"\x1b$BEl5~\x1b(B",
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "東京"),
        dcmtk=False,
    ),
    "Japanese katakana": Writing(
        ["ISO 2022 IR 13", "ISO 2022 IR 87"],
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
        b"\x1b$BEl5~\x1b(J",
        ("ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎", "東京"),
        dcmtk=False,
    ),
    "Korean": Writing(
        ["", "ISO 2022 IR 149"],
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7",
        b"\x1b$)C" + "서울병원".encode("euc_kr"),
        ("Hong^Gildong=洪^吉洞", "서울병원"),
    ),
    "Greek": Writing(
        "ISO_IR 126",
        "Παπαδόπουλος^Γιώργος".encode("iso8859_7"),
        "Νοσοκομείο".encode("iso8859_7"),
        ("Παπαδόπουλος^Γιώργος", "Νοσοκομείο"),
    ),
}


@pytest.fixture
def made(tmp_path: Path, requirement, found, run_of) -> Callable[[Writing], list[Made]]:
    """Carry a small series in some writing to every result."""

    def go(writing: Writing) -> list[Made]:
        slices = Scanner(charset=None if writing.becomes else writing.charset).series(6)
        for ds in slices:
            if writing.becomes:
                put_raw(ds, "SpecificCharacterSet", "CS", str(writing.charset).encode())
            put_raw(ds, "PatientName", "PN", writing.name)
            put_raw(ds, "InstitutionName", "LO", writing.hospital)
        volume = read_volume(save(slices, tmp_path / "in"), requirement)
        assert isinstance(volume, Volume), volume
        outcome = results.make(run_of(volume, found(volume)), frozenset(Output))
        assert isinstance(outcome, results.ResultSet), outcome
        return [one for one in outcome.objects if one.kind != "PREVIEW"]

    return go


def bytes_of(ds: Dataset, keyword: str) -> bytes:
    return bytes(ds.get_item(keyword).value).rstrip(b" ")


@pytest.mark.parametrize("which", WRITINGS)
def test_names_keep_their_bytes_and_their_characters_in_every_result(made, which):
    writing = WRITINGS[which]
    for one in made(writing):
        ds = pydicom.dcmread(one.path)
        assert ds.SpecificCharacterSet == (writing.becomes or writing.charset), one.kind
        assert bytes_of(ds, "PatientName") == writing.name, one.kind
        assert bytes_of(ds, "InstitutionName") == writing.hospital, one.kind
        said = (str(ds.PatientName), ds.InstitutionName)
        # pydicom decodes what follows this escape sequence, but leaves the sequence where it is
        assert tuple(text.replace("\x1b$)A", "") for text in said) == writing.reads, one.kind


@pytest.mark.parametrize("which", [name for name, one in WRITINGS.items() if one.dcmtk])
def test_dcmtk_reads_the_same_characters_from_every_result(made, tool, which):
    writing = WRITINGS[which]
    asked = ("+U8", "+P", "0010,0010", "+P", "0008,0080")
    objects = made(writing)
    for one in objects:
        said = tool("dcmdump", *asked, one.path).stdout
        assert f"[{writing.reads[0]}]" in said, one.kind
        assert f"[{writing.reads[1]}]" in said, one.kind
    for one in objects:
        if one.kind in ("SR", "ENHANCED_SR", "KEY_OBJECTS"):
            assert writing.reads[0].partition("=")[0] in tool("dsrdump", "+U8", one.path).stdout


@pytest.mark.parametrize("which", [name for name, one in WRITINGS.items() if not one.dcmtk])
def test_where_dcmtk_cannot_convert_it_finds_in_results_what_it_finds_in_images(
    made, tool, tmp_path: Path, which
):
    objects = made(WRITINGS[which])
    asked = ("+P", "0010,0010", "+P", "0008,0080", "+P", "0008,0005")
    image = tool("dcmdump", *asked, next((tmp_path / "in").iterdir())).stdout
    assert image.count("\n") == 3
    for one in objects:
        said = tool("dcmdump", *asked, one.path).stdout
        assert lines_of(said) == lines_of(image), one.kind


def lines_of(said: str) -> set[str]:
    """Give what was printed; the hospital comes twice, once as that of the scanner."""
    return {line.strip() for line in said.splitlines()}


@pytest.mark.parametrize("which", WRITINGS)
def test_dciodvfy_accepts_every_writing(made, tool, which):
    """It warns that it cannot check UTF-8 and GB18030 values; that is no complaint."""
    for one in made(WRITINGS[which]):
        said = tool("dciodvfy", "-new", one.path)
        assert "Error" not in said.stdout + said.stderr, one.kind
