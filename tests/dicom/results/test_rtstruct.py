"""The structure set: outlines that, filled again, are the mask voxel for voxel."""

from dataclasses import replace

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pydicom.dataset import Dataset

from node.dicom.findings import Findings
from node.dicom.results import contouring, rtstruct
from node.dicom.results.validation import pointers
from tests.dicom.results.looking import filled
from tests.fakes.scanner import CORONAL, SAGITTAL

MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=14), elements=st.booleans())


@settings(max_examples=300, deadline=None)
@given(mask=MASKS)
def test_lines_around_any_mask_enclose_it_and_nothing_else(mask):
    assert (filled(contouring.outlines(mask), mask.shape) == mask).all()
    assert (filled(contouring.keyholed(mask), mask.shape) == mask).all()


@settings(max_examples=300, deadline=None)
@given(mask=MASKS)
def test_keyholes_leave_a_line_for_each_part_and_the_area_of_its_pixels(mask):
    loops = contouring.keyholed(mask)
    parts = components(mask)
    assert len(loops) == parts
    areas = [
        loop[:, 0] @ np.roll(loop[:, 1], -1) - loop[:, 1] @ np.roll(loop[:, 0], -1)
        for loop in loops
    ]
    assert abs(sum(areas)) / 2 == mask.sum()
    assert len({area > 0 for area in areas}) <= 1, "lines run round in different directions"


def components(mask: np.ndarray) -> int:
    """Count the parts of a mask; pixels that touch at a corner only are apart."""
    left = {(int(row), int(column)) for row, column in np.argwhere(mask)}
    parts = 0
    while left:
        parts += 1
        edge = [left.pop()]
        while edge:
            row, column = edge.pop()
            beside = {(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)}
            edge += beside & left
            left -= beside
    return parts


def ring(volume) -> Findings:
    """Find the ellipsoid, hollow and with an island in it, and something in a corner."""
    bright = volume.voxels > volume.voxels.mean() + volume.voxels.std()
    labels = (bright * 3).astype(np.uint8)
    slices, rows, columns = (round(float(at.mean())) for at in np.nonzero(bright))
    labels[slices - 1 : slices + 2, rows - 3 : rows + 4, columns - 4 : columns + 5] = 0
    labels[slices, rows, columns] = 3
    labels[0, :2, :2] = labels[0, 2, 2] = 7
    return Findings(labels)


@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"modality": "CT", "reverse": True},
        {"orientation": SAGITTAL},
        {"orientation": CORONAL},
        {"orientation": (0.8, 0.6, 0.0, -0.6, 0.8, 0.0), "row_spacing": 0.7},
    ],
    ids=str,
)
def test_filled_by_the_images_own_headers_it_is_the_mask(read, run_of, tool, knobs):
    volume = read(**knobs)
    findings = ring(volume)
    run = run_of(volume, findings)
    made = rtstruct.write_rtstruct(run)
    assert made.optional
    ds = pydicom.dcmread(made.path)
    assert ds.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2"
    assert ds.PatientName == volume.sources[0].PatientName
    again = np.zeros_like(findings.labels)
    slices = {one.SOPInstanceUID: at for at, one in enumerate(volume.sources)}
    for segment, region in zip(run.present, ds.ROIContourSequence, strict=True):
        for contour in region.ContourSequence:
            assert contour.ContourGeometricType == "CLOSED_PLANAR"
            index = slices[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
            loop = on_lattice(contour, volume.sources[index])
            again[index][filled([loop], again.shape[1:])] = segment.label
    assert (again == findings.labels).all()
    assert pointers.problems(run, {"RTSTRUCT": [ds]}) == []
    said = tool("dciodvfy", "-new", made.path)
    assert "Error" not in said.stdout + said.stderr


def on_lattice(contour, image) -> np.ndarray:
    """Bring a contour onto the corners of an image's pixels, by PS3.3 C.7.6.2.1.1 backwards."""
    points = np.array(contour.ContourData, np.float64).reshape(-1, 3)
    assert len(points) == contour.NumberOfContourPoints
    off = points - np.array(image.ImagePositionPatient, np.float64)
    cosines = np.array(image.ImageOrientationPatient, np.float64)
    tall, wide = (float(step) for step in image.PixelSpacing)
    exact = np.column_stack([off @ cosines[3:] / tall, off @ cosines[:3] / wide]) + 0.5
    whole = np.rint(exact).astype(int)
    assert np.abs(exact - whole).max() < 0.01
    return whole


def test_regions_are_named_coloured_and_measured(read, run_of):
    volume = read()
    run = run_of(volume, ring(volume))
    ds = pydicom.dcmread(rtstruct.write_rtstruct(run).path)
    assert [one.ROIName for one in ds.StructureSetROISequence] == ["Ellipsoid", "Left kidney"]
    assert list(ds.ROIContourSequence[1].ROIDisplayColor) == [185, 102, 83]
    volumes = [float(one.ROIVolume) for one in ds.StructureSetROISequence]
    assert volumes == [run.measured[label].volume_ml for label in (3, 7)]
    codes = [one.RTROIIdentificationCodeSequence[0] for one in ds.RTROIObservationsSequence]
    assert [one.CodeValue for one in codes] == ["12738006", "64033007"]
    frame = ds.ReferencedFrameOfReferenceSequence[0]
    assert frame.FrameOfReferenceUID == volume.sources[0].FrameOfReferenceUID


def test_the_same_run_gives_the_same_bytes(read, run_of):
    volume = read()
    first, second = (rtstruct.write_rtstruct(run_of(volume, ring(volume))) for _ in range(2))
    assert first.sha256 == second.sha256


def test_names_that_nobody_can_decode_keep_their_bytes(read, run_of):
    other = Dataset()
    other.PatientID, other.TypeOfPatientID = "AB\xdc1", "TEXT"
    named = {"PatientName": "M\xfcller^A", "OtherPatientIDsSequence": [other]}
    volume = read(charset="ISO_IR 192", attributes=named)
    wrong = {b"M\xc3\xbcller": b"M\xff\xfeller", b"AB\xc3\x9c1": b"AB\xff\xfe1"}
    for path in volume.paths:
        content = path.read_bytes()
        for old, new in wrong.items():
            assert old in content
            content = content.replace(old, new)
        path.write_bytes(content)
    content = rtstruct.write_rtstruct(run_of(volume, ring(volume))).path.read_bytes()
    assert all(new in content for new in wrong.values())


def test_nothing_found_and_far_too_much_make_no_structure_set(read, run_of, monkeypatch):
    volume = read()
    nothing = Findings(np.zeros(volume.voxels.shape, np.uint8))
    assert rtstruct.write_rtstruct(run_of(volume, nothing)) is None
    monkeypatch.setattr(rtstruct, "MOST_POINTS", 20)
    assert rtstruct.write_rtstruct(run_of(volume, ring(volume))) is None


@pytest.mark.parametrize(
    ("moved_mm", "complaint"),
    [((1.5, 0, 0), "where it is not"), ((0, 0, 3.0), "off the planes")],
)
def test_outlines_at_another_place_do_not_pass(read, run_of, moved_mm, complaint):
    volume = read()
    run = run_of(volume, ring(volume))
    ds = pydicom.dcmread(rtstruct.write_rtstruct(run).path)
    for contour in ds.ROIContourSequence[0].ContourSequence:
        points = np.array(contour.ContourData, np.float64).reshape(-1, 3) + moved_mm
        contour.ContourData = [f"{value:.3f}" for value in points.ravel()]
    assert complaint in str(pointers.problems(run, {"RTSTRUCT": [ds]}))


def test_outlines_that_miss_a_part_do_not_pass(read, run_of):
    volume = read()
    run = run_of(volume, ring(volume))
    ds = pydicom.dcmread(rtstruct.write_rtstruct(run).path)
    del ds.ROIContourSequence[0].ContourSequence[3]
    assert "voxels of Ellipsoid" in str(pointers.problems(run, {"RTSTRUCT": [ds]}))


def test_a_slice_that_no_image_shows_has_outlines_without_one(read, run_of, tool):
    volume = read()
    filled = 9
    sources = list(volume.sources)
    sources[filled] = sources[filled - 1]
    gappy = replace(volume, sources=tuple(sources), filled=(filled,))
    run = run_of(gappy, ring(volume))
    made = rtstruct.write_rtstruct(run)
    ds = pydicom.dcmread(made.path)
    lines = ds.ROIContourSequence[0].ContourSequence
    assert sum("ContourImageSequence" not in one for one in lines) == 1
    series = ds.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    assert len(series.RTReferencedSeriesSequence[0].ContourImageSequence) == len(sources) - 1
    assert pointers.problems(run, {"RTSTRUCT": [ds]}) == []
    said = tool("dciodvfy", "-new", made.path)
    assert "Error" not in said.stdout + said.stderr
    unplaced = run_of(replace(volume, placed=False), ring(volume))
    assert rtstruct.write_rtstruct(unplaced) is None
