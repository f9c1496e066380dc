"""Segmentations of a whole body: written and looked at again in little memory."""

import copy
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from node.dicom.findings import Findings
from node.dicom.results import ModelRun, seg
from node.dicom.results.measuring import Measured
from node.dicom.results.validation import masks
from node.dicom.results.validation.documents import read as read_result
from node.dicom.volume import Volume
from node.rules.naming import derived_uid
from node.rules.nouns import Code, Segment
from tests.dicom.conftest import ANATOMY
from tests.fakes.scanner import Scanner

SLICES, SIDE, SEGMENTS = 1000, 512, 104
MEGABYTE = 1 << 20


@pytest.fixture
def body(tmp_path: Path, model, job_of) -> ModelRun:
    """A thousand slices of 512 x 512 with 104 structures; the images themselves have no voxels."""
    first = Scanner(modality="CT", rows=SIDE, columns=SIDE).save(tmp_path / "series", 1)
    header = pydicom.dcmread(first[0], stop_before_pixels=True)
    spacing = (3.0, 2.0, 1.5)
    origin = np.array(header.ImagePositionPatient, float)
    sources = []
    for index in range(SLICES):
        source = copy.deepcopy(header)
        source.SOPInstanceUID = derived_uid("body", index)
        source.ImagePositionPatient = [*origin[:2], origin[2] + spacing[0] * index]
        sources.append(source)
    affine = np.array([[0, 0, 1.5, 0], [0, 2.0, 0, 0], [3.0, 0, 0, 0], [0, 0, 0, 1]])
    affine[:3, 3] = origin
    labels = np.zeros((SLICES, SIDE, SIDE), np.uint8)
    for number in range(SEGMENTS):
        top, left = number % 10 * 50, number // 10 % 10 * 50
        begin = number * 9
        labels[begin : begin + 60, top : top + 45, left : left + 40] = number + 1
    bone = Code("272673000", "SCT", "Bone")
    model.segments = tuple(
        Segment(number, f"bone {number}", ANATOMY, bone, (number, 40, 50))
        for number in range(1, SEGMENTS + 1)
    )
    nothing = np.broadcast_to(np.int16(0), labels.shape)
    volume = Volume(nothing, affine, spacing, tuple(sources), tuple(first) * SLICES)
    measured = {n: Measured(n, 60 * 45 * 40, 0.0) for n in range(1, SEGMENTS + 1)}
    return ModelRun(volume, Findings(labels), model, job_of(volume), tmp_path, measured)


def first_slices(run: ModelRun) -> ModelRun:
    whole = run.volume
    few = Volume(
        whole.voxels[:3], whole.affine, whole.spacing_mm, whole.sources[:3], whole.paths[:3]
    )
    return replace(run, volume=few, findings=Findings(run.findings.labels[:3]))


def peak_of(work):
    """Give what it returns, and by how much memory grew meanwhile, in MiB."""
    tracemalloc.start()
    try:
        result = work()
        return result, tracemalloc.get_traced_memory()[1] / MEGABYTE
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("write", [seg.write_seg, seg.write_labelmap])
def test_a_body_with_a_hundred_structures_is_written_and_checked_in_little_memory(body, write):
    write(first_slices(body))  # the library reads its tables once
    made, writing = peak_of(lambda: write(body))
    assert made.size > 180e6
    assert writing < 64
    problems, checking = peak_of(lambda: masks.problems(body, made, read_result(made)))
    assert problems == []
    assert checking < 64


def test_a_single_voxel_too_many_is_found_among_six_thousand_frames(body):
    made = seg.write_seg(body)
    with made.path.open("r+b") as file:
        file.seek(-SIDE * SIDE // 8, 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] | 128]))
    problems = masks.problems(body, made, read_result(made))
    assert problems == ["bone 104 has 108001 voxels in the SEG, 108000 in the mask"]
