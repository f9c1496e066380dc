"""The Segmentations that we write ourselves, held against the library that writes them slowly."""

import json

import numpy as np
import pydicom
import pytest
import SimpleITK
from highdicom.seg import Segmentation, segread
from pydicom.uid import ExplicitVRLittleEndian

from node.dicom.encoding import from_bytes, to_bytes
from node.dicom.findings import Findings
from node.dicom.results import frames, lineage, seg
from node.dicom.results.validation import masks
from node.dicom.results.validation.documents import read as read_result
from node.rules.nouns import Code, Segment
from tests.dicom.conftest import ANATOMY
from tests.fakes.scanner import CORONAL, SAGITTAL

OBLIQUE = (0.8, 0.6, 0.0, 0.0, 0.0, -1.0)
GEOMETRIES = {
    "axial": {},
    "reversed": {"reverse": True},
    "sagittal": {"orientation": SAGITTAL},
    "coronal": {"orientation": CORONAL, "reverse": True},
    "oblique": {"orientation": OBLIQUE},
    "head first": {"orientation": (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)},
    "odd": {"rows": 47, "columns": 53},
    "bytes": {"rows": 13, "columns": 16},
    "one": {"n": 3, "rows": 9, "columns": 7},
}
VARYING = {"DimensionOrganizationType", "PixelData", "PerFrameFunctionalGroupsSequence"}


def some_labels(volume, count, seed=1, kind=np.uint8):
    """Blobs that leave planes and corners empty; labels are 2, 4, 6 …"""
    rng = np.random.default_rng(seed)
    labels = np.zeros(volume.voxels.shape, kind)
    slices, rows, columns = labels.shape
    for number in range(1, count + 1):
        at = [int(rng.integers(0, size)) for size in (slices, rows, columns)]
        size = [int(rng.integers(1, max(2, n // 3))) for n in (slices, rows, columns)]
        box = tuple(slice(a, a + s) for a, s in zip(at, size, strict=True))
        labels[box] = 2 * number
    return labels


def segments_of(count):
    kind = Code("12738006", "SCT", "Brain")
    return tuple(
        Segment(2 * number, f"part {number}", ANATOMY, kind, (number % 256, 20, 30))
        for number in range(1, count + 1)
    )


@pytest.fixture
def carried(read, run_of, model):
    def go(count=3, seed=1, kind=np.uint8, **knobs):
        volume = read(knobs.pop("n", 12), **knobs)
        model.segments, model.classes = segments_of(count), ()
        return run_of(volume, Findings(some_labels(volume, count, seed, kind)))

    return go


def by_the_library(run, encoding, like):
    """Build all of it with highdicom, every frame an object."""
    numbers = np.zeros(int(run.findings.labels.max()) + 1, np.uint16)
    for number, segment in enumerate(run.present, 1):
        numbers[segment.label] = number
    pixels = numbers[run.findings.labels].astype(seg._kind(run.present))
    made = Segmentation(
        source_images=lineage.stand_ins(run.volume, range(len(run.volume.sources))),
        pixel_array=pixels,
        segmentation_type=encoding,
        segment_descriptions=[
            seg._described(number, one, run.segment_names[one.label], run)
            for number, one in enumerate(run.present, 1)
        ],
        series_instance_uid=like.SeriesInstanceUID,
        series_number=like.SeriesNumber,
        sop_instance_uid=like.SOPInstanceUID,
        instance_number=1,
        manufacturer=lineage.MAKER,
        manufacturer_model_name=lineage.MAKER,
        software_versions=tuple(lineage.software_versions(run.model.identity)),
        device_serial_number=lineage.SERIAL_NUMBER,
        content_label="SEGMENTATION",
        content_description=lineage.content_description(run.model.identity),
        series_description=lineage.series_description(run.model.identity),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        specific_character_set="ISO_IR 192",
    )
    lineage.complete(made, run.volume.paths[0], run.model.identity, run.when)
    made["PixelData"].VR = "OB" if made.BitsAllocated <= 8 else "OW"
    if "PixelPaddingValue" in made:
        made["PixelPaddingValue"].VR = "US"
    return from_bytes(to_bytes(made))


def assert_same(ours, theirs):
    for element in theirs:
        if element.keyword not in VARYING:
            assert element.keyword in ours, element.keyword
            if element.keyword != "SharedFunctionalGroupsSequence":
                assert ours[element.tag] == element, element.keyword
    assert {e.keyword for e in ours} - {e.keyword for e in theirs} == set()
    ours_shared = ours.SharedFunctionalGroupsSequence[0]
    theirs_shared = theirs.SharedFunctionalGroupsSequence[0]
    for one, other in zip(
        ours.PerFrameFunctionalGroupsSequence,
        theirs.PerFrameFunctionalGroupsSequence,
        strict=True,
    ):
        for keyword in (*one.dir(), *other.dir()):
            mine = one.get(keyword) or ours_shared.get(keyword)
            assert mine == (other.get(keyword) or theirs_shared.get(keyword)), keyword


@pytest.mark.parametrize("knobs", GEOMETRIES.values(), ids=GEOMETRIES)
@pytest.mark.parametrize("count", [1, 3, 7])
def test_a_seg_is_the_one_that_the_library_would_write(carried, knobs, count):
    run = carried(count, **knobs)
    ours = pydicom.dcmread(seg.write_seg(run).path)
    theirs = by_the_library(run, "BINARY", ours)
    assert_same(ours, theirs)
    bits = ours.NumberOfFrames * ours.Rows * ours.Columns
    assert ours.PixelData[: bits // 8] == theirs.PixelData[: bits // 8]
    assert len(ours.PixelData) == (bits + 7) // 8 + (bits + 7) // 8 % 2


@pytest.mark.parametrize("knobs", GEOMETRIES.values(), ids=GEOMETRIES)
def test_a_label_map_is_the_librarys_without_its_background_segment(carried, knobs):
    run = carried(3, **knobs)
    ours = pydicom.dcmread(seg.write_labelmap(run).path)
    theirs = by_the_library(run, "LABELMAP", ours)
    theirs.SegmentSequence = [one for one in theirs.SegmentSequence if one.SegmentNumber]
    assert_same(ours, theirs)
    assert ours.pixel_array.tobytes() == theirs.pixel_array.tobytes()
    assert ours.PixelPaddingValue == 0
    assert [one.SegmentNumber for one in ours.SegmentSequence] == [1, 2, 3][: len(run.present)]


def test_three_hundred_segments_have_sixteen_bits(carried):
    run = carried(300, kind=np.uint16, n=30)
    ours = pydicom.dcmread(seg.write_labelmap(run).path)
    assert ours.BitsAllocated == 16
    numbers = {one.TrackingID: one.SegmentNumber for one in ours.SegmentSequence}
    binary = segread(seg.write_seg(run).path)
    assert len(binary.SegmentSequence) == len(run.present)
    for segment in run.present[::40]:
        assert numbers[segment.name] == binary.get_segment_numbers(tracking_id=segment.name)[0]
        expected = np.count_nonzero(run.findings.labels == segment.label)
        assert np.count_nonzero(ours.pixel_array == numbers[segment.name]) == expected


def test_both_say_the_same_of_every_segment(carried):
    run = carried(4)
    binary, map_ = (pydicom.dcmread(w(run).path) for w in (seg.write_seg, seg.write_labelmap))
    assert binary.SegmentSequence == map_.SegmentSequence
    assert binary.SeriesInstanceUID != map_.SeriesInstanceUID


@pytest.mark.parametrize("write", [seg.write_seg, seg.write_labelmap])
def test_the_library_reads_every_voxel_back_where_it_was(carried, write):
    run = carried(5, orientation=OBLIQUE, reverse=True)
    read = segread(write(run).path)
    volume = read.get_volume(
        combine_segments=True, skip_overlap_checks=True, allow_missing_positions=True
    )
    expected = {
        tuple(np.round(run.volume.affine @ (*index, 1), 2)[:3]): run.present.index(
            next(one for one in run.present if one.label == run.findings.labels[tuple(index)])
        )
        + 1
        for index in np.argwhere(run.findings.labels)
    }
    found = {
        tuple(np.round(volume.affine @ (*index, 1), 2)[:3]): int(volume.array[tuple(index)])
        for index in np.argwhere(volume.array)
    }
    assert found == expected


@pytest.mark.parametrize("write", [seg.write_seg, seg.write_labelmap])
def test_validators_find_no_error(carried, write, tool):
    made = write(carried(3, rows=47, columns=53))
    said = tool("dciodvfy", "-new", made.path)
    assert "Error" not in said.stdout + said.stderr
    dumped = tool("dcmdump", made.path)
    assert dumped.returncode == 0
    assert "error" not in dumped.stderr.lower()


@pytest.mark.parametrize("write", [seg.write_seg, seg.write_labelmap])
@pytest.mark.parametrize("knobs", [{}, {"rows": 47, "columns": 53}, {"orientation": OBLIQUE}])
def test_dcmqi_reads_every_voxel_back_where_it_was(carried, write, knobs, tool, tmp_path):
    run = carried(4, **knobs)
    folder = tmp_path / "read"
    folder.mkdir()
    said = tool(
        *("segimage2itkimage", "--outputType", "nrrd", "--outputDirectory", folder),
        *("--inputDICOM", write(run).path),
    )
    assert said.returncode == 0, said.stderr
    meta = json.loads((folder / "meta.json").read_text())
    described = {one["labelID"]: one for group in meta["segmentAttributes"] for one in group}
    found = set()
    for path in folder.glob("*.nrrd"):
        image = SimpleITK.ReadImage(str(path))
        voxels = SimpleITK.GetArrayFromImage(image)
        for index in np.argwhere(voxels):
            point = image.TransformIndexToPhysicalPoint([int(i) for i in index[::-1]])
            name = described[int(voxels[tuple(index)])]["SegmentLabel"]
            found.add((*np.round(point, 2), name))
    names = {one.label: one.name for one in run.present}
    assert found == {
        (
            *np.round(run.volume.affine @ (*index, 1), 2)[:3],
            names[run.findings.labels[tuple(index)]],
        )
        for index in np.argwhere(run.findings.labels)
    }


def test_a_mask_that_dicom_cannot_hold_is_refused(carried, tmp_path):
    run = carried(1)
    with pytest.raises(frames.TooLargeError, match="DICOM allows"):
        pixels = frames.Pixels([], (1 << 32) - 1)
        frames.append_frames(tmp_path / "none.dcm", run.volume, [], pixels)
    assert not (tmp_path / "none.dcm").exists()


def test_a_frame_that_names_the_image_of_another_plane_does_not_pass(carried):
    run = carried(3)
    made = seg.write_seg(run)
    spoiled = from_bytes(made.path.read_bytes())
    frame = spoiled.PerFrameFunctionalGroupsSequence[0]
    image = frame.DerivationImageSequence[0].SourceImageSequence[0]
    others = [str(one.SOPInstanceUID) for one in run.volume.sources]
    image.ReferencedSOPInstanceUID = others[others.index(image.ReferencedSOPInstanceUID) - 1]
    made.path.write_bytes(to_bytes(spoiled))
    problems = masks.problems(run, made, read_result(made))
    assert problems == ["1 frames of the SEG do not lie where their source images do"]


@pytest.mark.parametrize("write", [seg.write_seg, seg.write_labelmap])
def test_a_number_that_no_segment_has_does_not_pass(carried, write):
    run = carried(3)
    made = write(run)
    spoiled = from_bytes(made.path.read_bytes())
    if made.kind == "SEG":
        frame = spoiled.PerFrameFunctionalGroupsSequence[0]
        frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber = 9
    else:
        spoiled.PixelData = b"\x09" + spoiled.PixelData[1:]
    made.path.write_bytes(to_bytes(spoiled))
    assert "not described" in masks.problems(run, made, read_result(made))[0]


@pytest.mark.parametrize("write", [seg.write_seg, seg.write_labelmap])
@pytest.mark.parametrize("knobs", GEOMETRIES.values(), ids=GEOMETRIES)
def test_a_good_one_passes_in_every_geometry(carried, write, knobs):
    run = carried(5, **knobs)
    made = write(run)
    assert masks.problems(run, made, read_result(made)) == []
