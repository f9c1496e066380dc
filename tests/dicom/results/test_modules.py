"""What an IOD demands is there: types 1 and 2 of its mandatory modules, at any depth."""

import time
from dataclasses import replace

import pydicom
import pytest
from pydicom.dataset import Dataset

from node.dicom import results, services
from node.dicom.results import validation
from node.dicom.results.validation.modules import module_problems, rules_of
from node.rules.nouns import Output


@pytest.fixture
def there(read, found, run_of, model, segments):
    """A run with a finding, and every kind of result of it."""
    model.segments = (replace(segments[0], is_finding=True, axes=True), segments[1])
    volume = read(n=10, rows=32, columns=32, slice_spacing=8.0)
    run = run_of(volume, found(volume))
    outcome = results.make(run, frozenset(Output))
    assert isinstance(outcome, results.ResultSet), outcome
    return run, {one.kind: one for one in outcome.objects if one.kind != "PREVIEW"}


def without(path, empty=False):
    """Take out, or empty, what stands at a path of keywords; the first item of each sequence."""

    def spoil(ds):
        *above, keyword = path.split(".")
        for one in above:
            ds = ds[one].value[0]
        if empty:
            ds[keyword].value = [] if ds[keyword].VR == "SQ" else ""
        else:
            del ds[keyword]

    return spoil


SPOILED = [
    ("SEG", without("ImageType"), "has no ImageType, which is of type 1"),
    ("SEG", without("PatientBirthDate"), "has no PatientBirthDate, which is of type 2"),
    ("SEG", without("SegmentSequence.SegmentLabel"), "no SegmentLabel"),
    (
        "LABELMAP",
        without("SegmentSequence.SegmentedPropertyTypeCodeSequence.CodeMeaning"),
        "no CodeMeaning",
    ),
    ("SR", without("CompletionFlag", empty=True), "an empty CompletionFlag"),
    ("SR", without("PerformedProcedureCodeSequence"), "no PerformedProcedureCodeSequence"),
    (
        "SR",
        without("CurrentRequestedProcedureEvidenceSequence.ReferencedSeriesSequence", empty=True),
        "an empty ReferencedSeriesSequence",
    ),
    ("ENHANCED_SR", without("ContentSequence.RelationshipType"), "without RelationshipType"),
    ("ENHANCED_SR", without("ContentSequence.ConceptCodeSequence"), "(CODE) without ConceptCode"),
    ("CAPTURE", without("ConversionType"), "no ConversionType"),
    ("KEY_OBJECTS", without("ReferencedPerformedProcedureStepSequence"), "no ReferencedPerformed"),
    (
        "PRESENTATION_STATE",
        without("DisplayedAreaSelectionSequence.PresentationSizeMode"),
        "no PresentationSizeMode",
    ),
    ("PDF", without("DocumentTitle"), "no DocumentTitle"),
    ("RTSTRUCT", without("StructureSetROISequence.ROIName"), "no ROIName"),
    ("RTSTRUCT", without("ROIContourSequence.ContourSequence.ContourData"), "no ContourData"),
]


def test_what_is_missing_is_named_and_what_is_whole_passes(there):
    run, made = there
    for kind, one in made.items():
        assert list(module_problems(kind, pydicom.dcmread(one.path))) == []
    for kind, spoil, complaint in SPOILED:
        ds = pydicom.dcmread(made[kind].path)
        spoil(ds)
        problems = list(module_problems(kind, ds))
        assert any(complaint in problem for problem in problems), (kind, problems)
    ds = pydicom.dcmread(made["SEG"].path)
    without("SegmentSequence.SegmentLabel")(ds)
    ds.save_as(made["SEG"].path)
    assert "no SegmentLabel" in str(validation.mask_problems(run, [made["SEG"]]))


def test_it_takes_milliseconds(there):
    _, made = there
    read = {kind: pydicom.dcmread(one.path) for kind, one in made.items()}
    for kind, ds in read.items():
        list(module_problems(kind, ds))  # tables and headers are read once
    started = time.process_time()
    for kind, ds in read.items():
        list(module_problems(kind, ds))
    assert (time.process_time() - started) / len(read) < 0.02


@pytest.mark.parametrize("kind", services.RESULT_CLASSES)
def test_every_kind_of_result_has_rules(kind):
    said = {rule.keyword: rule.kind for rule in rules_of(services.RESULT_CLASSES[kind])}
    assert said["PatientID"] == 2
    assert said["SOPInstanceUID"] == 1


def test_an_object_of_no_known_class_does_not_pass():
    ds = Dataset()
    ds.SOPClassUID = "1.2.3"
    assert list(module_problems("SEG", ds)) == ["the SEG is of no SOP class that is known"]
