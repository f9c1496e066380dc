"""What segments and classes are called: the same in every result, and nothing else the same."""

from dataclasses import replace

import numpy as np
import pytest

from node.dicom import results
from node.dicom.findings import Findings
from node.dicom.results.names import display_names
from node.rules.nouns import Code, Output
from tests.dicom.results.looking import read_all

LIVER = Code("10200004", "SCT", "Liver")


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["Liver", "Spleen"], ["Liver", "Spleen"]),
        (["\u809d\u810f", "\u813e\u810f"], ["Liver 1", "Liver 2"]),
        (["Liver 2", "\u813e\u810f"], ["Liver 2", "Liver 2 (2)"]),
        (["x" * 70, "x" * 71], ["x" * 64, "x" * 60 + " (2)"]),
        (["", " "], ["Liver 1", "Liver 2"]),
    ],
)
def test_names_are_ascii_short_and_used_once(names, shown):
    things = [(number, name, LIVER) for number, name in enumerate(names, 1)]
    assert list(display_names(things).values()) == shown


def test_a_code_whose_meaning_is_not_ascii_either_is_numbered():
    assert display_names([(4, "\u809d", replace(LIVER, meaning="\u809d"))]) == {4: "Finding 4"}


@pytest.fixture
def outcome(read, run_of, model, segments, classes):
    """All results of a run whose segments and classes have Chinese names."""
    model.segments = tuple(
        replace(one, name=name, axes=True, is_finding=True)
        for one, name in zip(segments, ("\u809d\u810f", "\u813e\u810f"), strict=True)
    )
    model.classes = (replace(classes[0], name="\u78c1\u5171\u632f"),)
    volume = read()
    labels = np.zeros(volume.voxels.shape, np.uint8)
    labels[4:9, 5:19, 5:15], labels[8:15, 20:30, 20:34] = 3, 7
    run = run_of(volume, Findings(labels, {"\u78c1\u5171\u632f": 0.97}))
    return results.make(run, frozenset(Output))


def test_chinese_names_reach_no_result_as_question_marks(outcome):
    assert isinstance(outcome, results.ResultSet), outcome
    there = read_all(one for one in outcome.objects if one.kind != "PREVIEW")
    expected = ["Brain 3", "Kidney 7"]
    for kind in ("SEG", "LABELMAP"):
        described = there[kind][0].SegmentSequence
        assert [one.SegmentLabel for one in described] == expected
        assert [one.TrackingID for one in described] == expected
    layers = there["PRESENTATION_STATE"][0].GraphicLayerSequence
    assert [one.GraphicLayerDescription for one in layers] == expected
    regions = there["RTSTRUCT"][0].StructureSetROISequence
    assert [one.ROIName for one in regions] == expected
    for kind, many in there.items():
        for ds in many:
            assert "??" not in str(ds), kind


def test_every_result_tracks_the_same_thing_by_the_same_name(outcome):
    there = read_all(one for one in outcome.objects if one.kind in ("SEG", "SR"))
    said = {one.TrackingUID: one.TrackingID for one in there["SEG"][0].SegmentSequence}
    for group in there["SR"][0].ContentSequence[-1].ContentSequence:
        items = {one.ConceptNameCodeSequence[0].CodeValue: one for one in group.ContentSequence}
        uid, name = items["112040"].UID, items["112039"].TextValue
        assert said.setdefault(uid, name) == name
    assert len(set(said.values())) == len(said) == 5
