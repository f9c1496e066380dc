"""Pictures that any viewer shows: what is in them, in what order, and what is not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from node.dicom.findings import Findings
from node.dicom.results import captures, drawing, overlays, preview
from node.dicom.results.validation import pointers
from node.rules.naming import result_uid
from tests.dicom.results.looking import boxes
from tests.fakes.scanner import CORONAL, SAGITTAL

RIGHT = (slice(255, 300), slice(440, 512))
"""Where the letter at the right of a slice is."""


@pytest.fixture
def shots(read, found, run_of):
    def make(**knobs):
        volume = read(**knobs)
        run = run_of(volume, found(volume))
        return run, [pydicom.dcmread(one.path) for one in captures.write_captures(run)]

    return make


def test_the_first_picture_shows_three_planes_and_the_next_ones_the_slices(shots):
    run, made = shots()
    assert [ds.InstanceNumber for ds in made] == list(range(1, len(made) + 1))
    assert len({ds.SeriesInstanceUID for ds in made}) == 1
    assert made[0].pixel_array.shape[1] == 3 * preview.PANEL
    assert "SourceImageSequence" not in made[0]
    sources = [text(ds) for ds in made[1:]]
    with_mask = [
        source.SOPInstanceUID
        for source, plane in zip(run.volume.sources, run.findings.labels, strict=True)
        if plane.any()
    ]
    assert sources == with_mask
    for ds in made[1:]:
        assert (ds.pixel_array == (240, 200, 160)).all(axis=-1).sum() > 50, "no outline"


def text(ds: Dataset) -> str:
    return str(ds.SourceImageSequence[0].ReferencedSOPInstanceUID)


@pytest.mark.parametrize("knobs", [{}, {"modality": "CT"}, {"orientation": SAGITTAL}], ids=str)
def test_dciodvfy_and_our_own_checks_find_nothing_wrong(shots, tool, knobs):
    run, made = shots(**knobs)
    assert pointers.problems(run, {"CAPTURE": made}) == []
    for number, ds in enumerate(made[:3], 1):
        uid = result_uid(run.job.job_id, f"CAPTURE/{number}", "instance")
        assert ds.SOPInstanceUID == uid
        assert (ds.BurnedInAnnotation, ds.ContentQualification) == ("YES", "RESEARCH")
        said = tool("dciodvfy", "-new", ds.filename)
        assert "Error" not in said.stdout + said.stderr


def test_pictures_of_an_image_without_body_part_are_valid_too(shots, tool):
    _, made = shots(attributes={"BodyPartExamined": ""})
    said = tool("dciodvfy", "-new", made[0].filename)
    assert "Error" not in said.stdout + said.stderr


def test_the_same_run_draws_the_same_bytes(read, found, run_of):
    volume = read()
    first, second = (captures.write_captures(run_of(volume, found(volume))) for _ in range(2))
    assert [one.sha256 for one in first] == [one.sha256 for one in second]


def test_that_it_is_research_is_burned_into_every_picture(read, found, run_of, model):
    volume = read(n=8)
    warned = captures.write_captures(run_of(volume, found(volume)))
    model.identity = replace(model.identity, intended_use="clinical")
    quiet = captures.write_captures(run_of(volume, found(volume)))
    for one, other in zip(warned, quiet, strict=True):
        there = [pydicom.dcmread(made.path).pixel_array for made in (one, other)]
        amber = [(pixels == drawing.WARNING).all(axis=-1).sum() for pixels in there]
        assert amber[0] > 100
        assert amber[1] == 0


def test_a_run_without_finding_is_one_picture(read, run_of, model):
    volume = read()
    nothing = run_of(volume, Findings(np.zeros(volume.voxels.shape, np.uint8)))
    assert len(captures.write_captures(nothing)) == 1
    model.segments = ()
    probable = run_of(volume, Findings(None, {"Magnetic resonance": 0.97}))
    assert len(captures.write_captures(probable)) == 1


def test_many_slices_are_spread_and_keep_each_largest_one(read, run_of):
    volume = read(n=80)
    labels = np.zeros(volume.voxels.shape, np.uint8)
    labels[2:70, 10:20, 10:20] = 3
    labels[41, 5:30, 5:30] = 3
    labels[73, 4:6, 4:6] = 7
    run = run_of(volume, Findings(labels))
    chosen = overlays.chosen_slices(run)
    assert len(chosen) == overlays.MOST_SLICES
    assert {41, 73} <= set(chosen)
    assert chosen == sorted(chosen)
    assert max(np.diff(chosen)) < 8


def test_a_hundred_segments_stay_on_the_page(read, run_of, model, segments):
    volume = read()
    model.segments = tuple(replace(segments[0], label=n, name=f"Part {n}") for n in range(1, 131))
    labels = (np.arange(volume.voxels.size) % 130 + 1).astype(np.uint8)
    run = run_of(volume, Findings(labels.reshape(volume.voxels.shape)))
    rows = preview.table(run)
    assert len(rows) == 130
    page = preview.draw(run)
    assert page.size[1] < 1200
    pixels = np.asarray(page)
    assert not pixels[-4:].any(), "something runs off the page"
    swatches = boxes(pixels[preview.PANEL :], (240, 200, 160), 12)
    assert swatches == 107, "36 rows in 3 columns, the last of which counts the others"


@pytest.mark.parametrize(
    ("orientation", "letters"),
    [
        ((1.0, 0, 0, 0, 1.0, 0), ("L", "P")),
        (SAGITTAL, ("P", "F")),
        (CORONAL, ("L", "F")),
        ((0.8, 0.6, 0, 0, 0, -1.0), ("LP", "F")),
    ],
    ids=str,
)
def test_letters_name_where_rows_and_columns_run_to(read, orientation, letters):
    assert overlays.directions(read(orientation=orientation, n=8).affine) == letters
    assert overlays.opposite("LP") == "RA"


def test_text_is_a_picture_of_its_own(read, found, run_of, model, tool, tmp_path: Path):
    volume = read()
    run = run_of(volume, found(volume))
    lines = ["AI did not run: no reason was given.", "word " * 300, "x" * 400]
    made = [
        captures.write_text_capture(
            volume.paths[0], model.identity, run.job, said, run.folder, "NOT_RUN_CAPTURE"
        )
        for said in (lines, lines, lines[:2])
    ]
    assert made[0] == made[1]
    assert made[2].sop_instance_uid != made[0].sop_instance_uid
    ds = pydicom.dcmread(made[0].path)
    assert ds.PatientID == volume.sources[0].PatientID
    pixels = ds.pixel_array
    assert pixels.max() > 200
    assert (pixels[:, -30:] == pixels[0, 0]).all(), "text runs off the page"
    said = tool("dciodvfy", "-new", made[0].path)
    assert "Error" not in said.stdout + said.stderr


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda ds: setattr(ds, "PixelData", ds.PixelData[2:]), "as many pixels"),
        (lambda ds: setattr(ds, "BurnedInAnnotation", "NO"), "that there is text"),
        (lambda ds: setattr(ds, "InstanceNumber", 7), "bears the number"),
        (lambda ds: delattr(ds, "ConversionType"), "no ConversionType"),
        (
            lambda ds: setattr(ds.SourceImageSequence[0], "ReferencedSOPInstanceUID", "1.2.3"),
            "refers to 1.2.3",
        ),
    ],
)
def test_a_spoiled_picture_does_not_pass(shots, spoil, complaint):
    run, made = shots(n=8)
    assert pointers.problems(run, {"CAPTURE": made}) == []
    spoil(made[1])
    problems = pointers.problems(run, {"CAPTURE": made})
    assert any(complaint in one for one in problems), problems


def test_nobody_is_named_in_a_picture(shots):
    run, made = shots(attributes={"PatientName": "Secret^Person"})
    plain_run, plain = shots(attributes={"PatientName": "Other^Body"})
    assert len(made) == len(plain)
    for one, other in zip(made, plain, strict=True):
        assert one.PixelData == other.PixelData
    assert run.job.job_id == plain_run.job.job_id


def test_a_picture_without_a_place_in_the_patient_bears_no_letters(read, found, run_of):
    volume = read(n=8)
    unplaced = replace(volume, placed=False)
    made = captures.write_captures(run_of(unplaced, found(volume)))
    ds = pydicom.dcmread(made[1].path)
    assert ds["PatientOrientation"].is_empty
    assert not ds.pixel_array[RIGHT].max() > 200, "a letter at the right"
    placed = captures.write_captures(run_of(volume, found(volume)))
    assert pydicom.dcmread(placed[1].path).pixel_array[RIGHT].max() > 200
