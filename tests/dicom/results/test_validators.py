"""The validators that we believe would tell: each is shown a report that is wrong."""

from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from node.dicom import results
from node.rules.nouns import Result
from tests.dicom.results.validators import dciodvfy_said, needs_pixelmed, pixelmed


@pytest.fixture
def report(read, run_of, found) -> Path:
    volume = read(8, modality="CT")
    outcome = results.make(run_of(volume, found(volume)))
    assert isinstance(outcome, results.ResultSet), outcome
    return next(one.path for one in outcome.objects if one.kind == "SR")


def value_item(item: Dataset, value_type: str) -> Dataset:
    """Give the first item of this value type, from the top of the tree down."""
    for child in item.get("ContentSequence", ()):
        if child.ValueType == value_type:
            return child
        if "ContentSequence" in child and (below := value_item(child, value_type)) is not None:
            return below
    return None


def relate_wrongly(ds: Dataset) -> None:
    value_item(ds, "NUM").RelationshipType = "HAS PROPERTIES"


def put_the_measurements_under_the_wrong_name(ds: Dataset) -> None:
    measurements = value_item(ds, "CONTAINER")
    measurements.ConceptNameCodeSequence[0].CodeValue = "999999"


def take_the_segment_for_an_image_region(ds: Dataset) -> None:
    segment = value_item(ds, "IMAGE")
    segment.ConceptNameCodeSequence[0].CodeValue = "111030"
    segment.ConceptNameCodeSequence[0].CodeMeaning = "Image Region"


def test_pixelmed_has_nothing_against_a_report_of_ours(report):
    needs_pixelmed()
    verdict = pixelmed(report)
    assert verdict.errors == ()
    assert verdict.root == "TID_1500"


def test_nobody_has_anything_against_a_report_that_names_what_was_before(tool, read, run_of, found):
    volume = read(8, modality="CT")
    first = results.make(run_of(volume, found(volume)))
    before = [
        Result(
            str(pydicom.dcmread(one.path, stop_before_pixels=True).SOPInstanceUID),
            str(pydicom.dcmread(one.path, stop_before_pixels=True).SOPClassUID),
            f"2.25.{number}",
            "",
            one.kind,
            "",
            "",
            1,
        )
        for number, one in enumerate(first.objects, 1)
        if one.kind in ("SEG", "SR", "ENHANCED_SR")
    ]
    later = results.make(run_of(volume, found(volume), predecessors=before))
    path = next(one.path for one in later.objects if one.kind == "SR")
    (study,) = pydicom.dcmread(path).PredecessorDocumentsSequence
    assert len(study.ReferencedSeriesSequence) == 2
    assert not [line for line in dciodvfy_said(tool, path) if "Error" in line]
    needs_pixelmed()
    assert pixelmed(path).errors == ()


@pytest.mark.parametrize(
    "spoil",
    [
        relate_wrongly,
        put_the_measurements_under_the_wrong_name,
        take_the_segment_for_an_image_region,
    ],
)
def test_pixelmed_sees_a_report_that_breaks_its_template(
    report: Path, tmp_path: Path, spoil: Callable[[Dataset], None]
):
    needs_pixelmed()
    ds = pydicom.dcmread(report)
    spoil(ds)
    ds.save_as(tmp_path / "spoiled.dcm")
    assert pixelmed(tmp_path / "spoiled.dcm").errors


def test_pixelmed_says_of_another_kind_of_document_that_it_knows_no_template(
    report: Path, tmp_path: Path
):
    needs_pixelmed()
    ds = pydicom.dcmread(report)
    ds.ConceptNameCodeSequence[0].CodeValue = "999999"
    del ds.ContentTemplateSequence
    ds.save_as(tmp_path / "unknown.dcm")
    assert pixelmed(tmp_path / "unknown.dcm").root == ""


def test_dciodvfy_sees_a_value_of_the_wrong_kind(report: Path, tmp_path: Path, tool):
    ds = pydicom.dcmread(report)
    ds.CompletionFlag = "PERHAPS"
    ds.save_as(tmp_path / "spoiled.dcm")
    assert dciodvfy_said(tool, tmp_path / "spoiled.dcm")
    assert dciodvfy_said(tool, report) == []
