"""A voxel that a model marks is at the same place in the patient in the SEG, always.

Each pixel of these series holds a number of its own, so that a voxel tells from which pixel of
which image it came; where that is in the patient is reckoned from that image's header alone.
"""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import RLELossless

from node.dicom import results
from node.dicom.findings import Findings
from node.dicom.results import ResultSet
from node.dicom.volume import Volume, read_volume
from node.rules.nouns import InputRequirement
from tests.dicom.hazards.places import ORIENTATIONS
from tests.fakes.compressing import compress
from tests.fakes.scanner import Scanner, save

N, COUNT, LABEL = 20, 300, 3
ACQUISITIONS = {
    **{name: {"orientation": axes} for name, axes in ORIENTATIONS.items()},
    "reversed order": {"reverse": True},
    "sagittal, reversed order": {"orientation": ORIENTATIONS["sagittal"], "reverse": True},
    "a tilted gantry": {"tilt": 15.0},
    "an oblique and tilted one": {"orientation": ORIENTATIONS["oblique"], "tilt": -12.0},
    "a slice that is filled": {"missing": (8,)},
}


def numbered(folder: Path, syntax=None, **knobs):
    """Scan; give the files, and for each number the place of its pixel's centre in LPS mm."""
    slices = Scanner(**knobs).series(N)
    where = {}
    for ds in slices:
        rows, columns = np.mgrid[: ds.Rows, : ds.Columns]
        numbers = (int(ds.InstanceNumber) - 1) * ds.Rows * ds.Columns + rows * ds.Columns + columns
        ds.PixelData = numbers.astype("<u2").tobytes()
        place = np.array(ds.ImagePositionPatient, float)
        cosines = np.array(ds.ImageOrientationPatient, float)
        between_rows, between_columns = map(float, ds.PixelSpacing)
        places = (
            place
            + columns[..., None] * between_columns * cosines[:3]
            + rows[..., None] * between_rows * cosines[3:]
        )
        where.update(zip(numbers.ravel().tolist(), places.reshape(-1, 3), strict=True))
        if syntax:
            compress(ds, syntax)
    return save(slices, folder), where


def scanned(tmp_path, **knobs):
    paths, where = numbered(tmp_path / "series", **knobs)
    wants = InputRequirement(("MR",), tilted=True, missing_slices=2)
    volume = read_volume(paths, wants)
    assert isinstance(volume, Volume)
    shape = volume.voxels.shape
    chosen = np.random.default_rng(7).choice(int(np.prod(shape)), COUNT, replace=False)
    voxels = np.array(np.unravel_index(chosen, shape)).T
    voxels = np.array([voxel for voxel in voxels if voxel[0] not in volume.filled])
    return volume, voxels, where


@pytest.mark.parametrize("knobs", [*ACQUISITIONS.values(), {"syntax": RLELossless}], ids=str)
def test_the_affine_takes_a_voxel_to_its_pixels_place(tmp_path, knobs):
    volume, voxels, where = scanned(tmp_path, **knobs)
    assert len(voxels) > COUNT * 0.9
    for voxel in voxels:
        reached = (volume.affine @ [*voxel, 1])[:3]
        assert np.abs(reached - where[int(volume.voxels[tuple(voxel)])]).max() < 1e-3


def marked_in(path: Path) -> np.ndarray:
    """Give where the pixels of a SEG are that are set, [n, 3] in LPS mm, by its headers alone."""
    seg = pydicom.dcmread(path)
    shared = seg.SharedFunctionalGroupsSequence[0]
    between_rows, between_columns = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    bits = np.unpackbits(np.frombuffer(seg.PixelData, np.uint8), bitorder="little")
    frames = bits[: seg.NumberOfFrames * seg.Rows * seg.Columns]
    frames = frames.reshape(int(seg.NumberOfFrames), seg.Rows, seg.Columns)
    found = []
    for frame, group in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        place = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        of = shared if "PlaneOrientationSequence" in shared else group
        cosines = np.array(of.PlaneOrientationSequence[0].ImageOrientationPatient, float)
        for row, column in np.argwhere(frame):
            across = column * between_columns * cosines[:3]
            found.append(place + across + row * between_rows * cosines[3:])
    return np.array(found)


@pytest.mark.parametrize("knobs", ACQUISITIONS.values(), ids=ACQUISITIONS)
def test_the_segmentation_says_the_same_place(tmp_path, run_of, knobs):
    volume, voxels, where = scanned(tmp_path, **knobs)
    labels = np.zeros(volume.voxels.shape, np.uint8)
    labels[tuple(voxels.T)] = LABEL
    made = results.make(run_of(volume, Findings(labels, {})))
    assert isinstance(made, ResultSet), made
    (mask,) = [one for one in made.objects if one.kind == "SEG"]
    expected = np.array([where[int(volume.voxels[tuple(voxel)])] for voxel in voxels])
    reached = marked_in(mask.path)
    assert len(reached) == len(expected)
    apart = np.linalg.norm(reached[:, None] - expected[None], axis=2)
    assert apart.min(axis=1).max() < 1e-3
    assert len(set(apart.argmin(axis=1))) == len(expected)
