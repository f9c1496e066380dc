"""The presentation state: outlines where the mask is, in the right window, valid for validators."""

from dataclasses import replace

import numpy as np
import pydicom
import pytest

from node.dicom.findings import Findings
from node.dicom.results import presentation_state
from node.dicom.results.validation import pointers
from tests.dicom.results.looking import filled, read_all


@pytest.fixture
def state(read, found, run_of, model, segments):
    """Draw the ellipsoid as a finding with axes; give the run, what was made, and its data set."""

    def make(**knobs):
        model.segments = (replace(segments[0], is_finding=True, axes=True), segments[1])
        volume = read(**knobs)
        run = run_of(volume, found(volume))
        made = presentation_state.write_presentation_state(run)
        return run, made, pydicom.dcmread(made.path)

    return make


def points_of(graphic) -> np.ndarray:
    """Give a graphic's points [points, (row, column)]."""
    return np.array(graphic.GraphicData).reshape(-1, 2)[:, ::-1]


@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_the_outline_encloses_the_mask_of_the_largest_slice(state, modality):
    run, made, ds = state(modality=modality)
    assert made.optional
    index = int((run.findings.labels > 0).sum(axis=(1, 2)).argmax())
    item = ds.GraphicAnnotationSequence[0]
    shown = item.ReferencedImageSequence[0].ReferencedSOPInstanceUID
    assert shown == run.volume.sources[index].SOPInstanceUID
    outline, long_axis, short_axis = (points_of(one) for one in item.GraphicObjectSequence)
    inside = filled([outline[:-1].astype(int)], run.volume.voxels.shape[1:])
    assert (inside == (run.findings.labels[index] > 0)).all()
    axes = run.measured[3].axes
    steps = np.array(run.volume.spacing_mm[1:])
    lengths = [np.linalg.norm((line[1] - line[0]) * steps) for line in (long_axis, short_axis)]
    expected = [axes.long_axis.length_mm, axes.short_axis.length_mm]
    assert lengths == pytest.approx(expected, abs=0.01)
    assert long_axis[0] == pytest.approx(np.array(axes.long_axis.start) + 0.5)
    said = [
        t.UnformattedTextValue for i in ds.GraphicAnnotationSequence for t in i.TextObjectSequence
    ]
    assert said[0].startswith("Ellipsoid ")
    assert said[0].endswith(" mL")
    assert "not for diagnosis" in said[1]


@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"modality": "CT", "slope": 1.0, "intercept": -1024.0},
        {"attributes": {"BodyPartExamined": ""}},
    ],
    ids=str,
)
def test_validators_find_nothing_wrong(state, tool, knobs):
    run, made, ds = state(**knobs)
    assert pointers.problems(run, {"PRESENTATION_STATE": [ds]}) == []
    said = tool("dciodvfy", "-new", made.path)
    assert "Error" not in said.stdout + said.stderr
    checked = tool("dcmpschk", made.path)
    wrong = [line for line in checked.stderr.splitlines() if "Affected attribute" in line]
    # DCMTK 3.6.7 does not take a DT with an offset, though the form that it names has one
    assert [line for line in wrong if "ContributionDateTime" not in line] == []


def test_units_of_the_images_are_repeated_for_the_window_is_in_them(state):
    _, _, ds = state(modality="CT", slope=1.0, intercept=-1024.0)
    assert (float(ds.RescaleSlope), float(ds.RescaleIntercept)) == (1.0, -1024.0)
    assert ds.RescaleType == "HU"
    window = ds.SoftcopyVOILUTSequence[0]
    assert (float(window.WindowCenter), float(window.WindowWidth)) == (40.0, 400.0)


def test_images_that_differ_in_their_units_get_windows_in_stored_values(
    read, run_of, model, segments
):
    model.segments = tuple(replace(one, is_finding=True) for one in segments)
    slopes = {index: {"RescaleSlope": str(1 + index / 10)} for index in range(20)}
    volume = read(slope=1.0, intercept=0.0, per_slice=slopes)
    labels = np.zeros(volume.voxels.shape, np.uint8)
    labels[4, 5:9, 5:9], labels[15, 20:30, 20:30] = 3, 7
    run = run_of(volume, Findings(labels))
    ds = pydicom.dcmread(presentation_state.write_presentation_state(run).path)
    assert "RescaleSlope" not in ds
    first, second = ds.SoftcopyVOILUTSequence
    ratio = float(volume.sources[15].RescaleSlope) / float(volume.sources[4].RescaleSlope)
    assert float(first.WindowWidth) / float(second.WindowWidth) == pytest.approx(ratio, rel=1e-6)


def test_the_same_finding_gives_the_same_bytes(state):
    assert state()[1].sha256 == state()[1].sha256


def test_organs_alone_are_not_drawn(read, found, run_of):
    volume = read()
    assert presentation_state.write_presentation_state(run_of(volume, found(volume))) is None


def test_a_long_outline_is_drawn_in_pieces_that_meet(read, run_of, model, segments, tool):
    model.segments = (replace(segments[0], is_finding=True),)
    volume = read(n=3, rows=256, columns=256)
    comb = np.zeros(volume.voxels.shape, np.uint8)
    comb[1, ::2, ::2] = comb[1, 10] = 3
    comb[1, 10:, ::2] = 3
    comb[1, 11::2, 4::8] = 3
    run = run_of(volume, Findings(comb))
    made = presentation_state.write_presentation_state(run)
    ds = pydicom.dcmread(made.path)
    assert pointers.problems(run, {"PRESENTATION_STATE": [ds]}) == []
    graphics = ds.GraphicAnnotationSequence[0].GraphicObjectSequence
    assert all(one.NumberOfGraphicPoints <= presentation_state.MOST_POINTS for one in graphics)
    assert all(len(one.GraphicData) == 2 * one.NumberOfGraphicPoints for one in graphics)
    said = tool("dciodvfy", "-new", made.path)
    assert "Error" not in said.stdout + said.stderr


def test_graphics_beside_their_segment_do_not_pass(state):
    run, made, ds = state()
    graphic = ds.GraphicAnnotationSequence[0].GraphicObjectSequence[0]
    graphic.GraphicData = [value + 1 for value in graphic.GraphicData]
    assert "Ellipsoid where it is not" in str(pointers.problems(run, {made.kind: [ds]}))
    graphic.GraphicData = [-value for value in graphic.GraphicData]
    assert "outside of an image" in str(pointers.problems(run, read_all([]) | {made.kind: [ds]}))


def test_a_layer_under_another_name_does_not_pass(state):
    run, made, ds = state()
    ds.GraphicLayerSequence[0].GraphicLayerDescription = "Left kidney"
    assert "not a layer for each segment" in str(pointers.problems(run, {made.kind: [ds]}))


def test_a_slice_that_no_image_shows_is_not_drawn_on(read, found, run_of, model, segments):
    model.segments = (replace(segments[0], is_finding=True, axes=True),)
    volume = read()
    findings = found(volume)
    largest = int((findings.labels > 0).sum(axis=(1, 2)).argmax())
    sources = list(volume.sources)
    sources[largest] = sources[largest - 1]
    gappy = replace(volume, sources=tuple(sources), filled=(largest,))
    run = run_of(gappy, findings)
    made = presentation_state.write_presentation_state(run)
    ds = pydicom.dcmread(made.path)
    shown = ds.GraphicAnnotationSequence[0].ReferencedImageSequence[0].ReferencedSOPInstanceUID
    assert shown in {sources[largest - 1].SOPInstanceUID, sources[largest + 1].SOPInstanceUID}
    assert pointers.problems(run, {"PRESENTATION_STATE": [ds]}) == []


def test_a_picture_keeps_its_own_window_and_a_coloured_one_has_no_state(
    read, found, run_of, model, segments
):
    model.segments = (replace(segments[0], is_finding=True),)
    volume = read(attributes={"WindowCenter": "300", "WindowWidth": "200"})
    scaled = replace(volume, voxels=volume.voxels / np.float32(1000), placed=False)
    made = presentation_state.write_presentation_state(run_of(scaled, found(volume)))
    window = pydicom.dcmread(made.path).SoftcopyVOILUTSequence[0]
    assert (float(window.WindowCenter), float(window.WindowWidth)) == (300.0, 200.0)
    for source in volume.sources:
        source.SamplesPerPixel = 3
    coloured = replace(scaled, sources=tuple(volume.sources))
    if coloured.sources[0].SamplesPerPixel != 3:  # headers are made anew when they are looked at
        pytest.fail("the case is not one of colour")
    assert presentation_state.write_presentation_state(run_of(coloured, found(volume))) is None
