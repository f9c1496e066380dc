"""What a result takes over from its images: the very bytes, whatever the character set."""

from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from node.dicom import results
from node.dicom.encoding import from_bytes
from node.dicom.results.lineage import series_description, series_number
from node.dicom.volume import Volume, read_volume
from node.rules.nouns import ModelIdentity
from tests.fakes.scanner import Scanner, put_raw, save

NAMES = {
    "latin": ("ISO_IR 100", "Müller^Jürgen".encode("latin-1")),
    "utf8": ("ISO_IR 192", "Wang^XiaoDong=王^小東".encode()),
    "gb18030": ("GB18030", "Wang^XiaoDong=王^小东".encode("gb18030")),
    "gbk": ("GBK", "Wang^XiaoDong=王^小东".encode("gbk")),
    "gbk without a character set": (None, "王^小东".encode("gbk")),
    "japanese": (
        ["", "ISO 2022 IR 87"],
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
    ),
    "japanese katakana": (["ISO 2022 IR 13", "ISO 2022 IR 87"], b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3"),
    "korean": (["", "ISO 2022 IR 149"], b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7"),
    "broken": ("ISO_IR 192", b"\xff\xfe\xe4^caf\xe9"),
}


def value_in(ds: Dataset, keyword: str) -> bytes:
    return bytes(ds.get_item(keyword).value).rstrip(b" ")


@pytest.fixture
def carried(tmp_path: Path, requirement, found, run_of):
    """Carry slices to SEG and SR, read back."""

    def go(slices: list[Dataset]) -> dict[str, Dataset]:
        volume = read_volume(save(slices, tmp_path / "in"), requirement)
        assert isinstance(volume, Volume), volume
        outcome = results.make(run_of(volume, found(volume)))
        assert isinstance(outcome, results.ResultSet), outcome
        for one in outcome.objects:
            (tmp_path / f"{one.kind}.dcm").write_bytes(one.path.read_bytes())
        return {
            o.kind: from_bytes(o.path.read_bytes()) for o in outcome.objects if o.kind != "PREVIEW"
        }

    return go


@pytest.mark.parametrize("which", NAMES)
@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian], ids=lambda uid: uid.name
)
def test_a_name_keeps_its_bytes_and_its_character_set(carried, which, syntax):
    charset, name = NAMES[which]
    slices = Scanner(charset=charset, transfer_syntax=syntax).series(8)
    for ds in slices:
        put_raw(ds, "PatientName", "PN", name)
        put_raw(ds, "StudyDescription", "LO", name.split(b"=")[-1])
    for ds in carried(slices).values():
        assert value_in(ds, "PatientName") == name
        assert value_in(ds, "StudyDescription") == name.split(b"=")[-1]
        if charset is None:
            assert "SpecificCharacterSet" not in ds
        else:
            assert ds.SpecificCharacterSet == charset


def rich(ds: Dataset) -> None:
    ds.IssuerOfPatientID = "HOSPITAL"
    ds.PatientWeight = "70.5"
    ds.PatientAge = "026Y"
    issuer = Dataset()
    issuer.LocalNamespaceEntityID = "RIS"
    ds.IssuerOfAccessionNumberSequence = [issuer]
    other = Dataset()
    other.PatientID = "ALSO-1"
    other.TypeOfPatientID = "TEXT"
    ds.OtherPatientIDsSequence = [other]
    request = Dataset()
    request.RequestedProcedureID = "RP1"
    request.ScheduledProcedureStepID = "SPS1"
    request.RequestedProcedureDescription = "Schädel"
    ds.RequestAttributesSequence = [request]
    ds.TimezoneOffsetFromUTC = "+0800"
    ds.InstitutionName = "Krankenhaus"


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian],
    ids=lambda uid: uid.name,
)
def test_issuers_requests_and_other_identifiers_come_along(carried, syntax, tool, tmp_path: Path):
    slices = Scanner(transfer_syntax=syntax).series(8)
    for ds in slices:
        rich(ds)
    made = carried(slices)
    for ds in made.values():
        assert ds.IssuerOfPatientID == "HOSPITAL"
        assert ds.IssuerOfAccessionNumberSequence[0].LocalNamespaceEntityID == "RIS"
        assert ds.OtherPatientIDsSequence[0].PatientID == "ALSO-1"
        assert ds.AccessionNumber == "ACC1"
        assert ds.PatientWeight == 70.5
    request = made["SEG"].RequestAttributesSequence[0]
    assert request.RequestedProcedureDescription == "Schädel"
    assert made["SEG"].BodyPartExamined == "BRAIN"
    for kind in made:
        said = tool("dciodvfy", "-new", tmp_path / f"{kind}.dcm")
        assert "Error" not in said.stdout + said.stderr
        assert "Warning" not in said.stdout + said.stderr


def test_times_are_those_of_the_images_in_their_own_zone(carried):
    slices = Scanner(attributes={"TimezoneOffsetFromUTC": "+0800"}).series(8)
    for ds in carried(slices).values():
        assert (ds.ContentDate, ds.ContentTime) == ("20260102", "101500")
        assert ds.SeriesDate == ds.InstanceCreationDate == "20260102"
        ours = ds.ContributingEquipmentSequence[-1]
        assert ours.ContributionDateTime == "20260102101500+0800"


def test_what_the_images_lack_is_written_empty(carried, tool, tmp_path: Path):
    slices = Scanner().series(8)
    lacking = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID")
    for ds in slices:
        for keyword in (*lacking, "AccessionNumber", "ReferringPhysicianName", "StudyTime"):
            del ds[keyword]
    for ds in carried(slices).values():
        for keyword in lacking:
            assert keyword in ds
            assert ds[keyword].is_empty
    said = tool("dciodvfy", "-new", tmp_path / "SEG.dcm")
    assert "Error - Missing" not in said.stdout + said.stderr


def test_private_elements_and_pixels_of_the_source_stay_behind(carried):
    slices = Scanner().series(8)
    for ds in slices:
        ds.private_block(0x99, "SECRET MAKER", create=True).add_new(1, "LO", "secret")
    for ds in carried(slices).values():
        assert not [element for element in ds if element.tag.is_private]


def test_series_are_described_and_numbered_in_bounds():
    long = ModelIdentity("m" * 80, "1.0", "0" * 64, "research")
    assert len(series_description(long)) == 64
    assert series_description(long).endswith(" RESEARCH")
    assert series_number(long, "SR") == series_number(long, "SEG") + 1
    assert 9000 <= series_number(long, "SEG") <= 9999


def test_what_is_written_reads_without_a_warning(carried, tmp_path: Path, recwarn):
    carried(Scanner(charset=["", "ISO 2022 IR 87"]).series(8))
    recwarn.clear()
    ds = pydicom.dcmread(BytesIO((tmp_path / "SR.dcm").read_bytes()))
    assert str(ds)
    assert [str(one.message) for one in recwarn] == []
