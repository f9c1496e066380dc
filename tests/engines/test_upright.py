"""A stack that leans is looked at upright: a ball is one, and its mask lies where it was taken."""

import numpy as np
import pytest

from node.dicom.volume import Volume, read_volume
from node.engines.intake import NotStreamedError
from node.engines.pipeline import Pipeline
from node.engines.upright import leans, upright_of
from node.rules.nouns import InputRequirement
from tests.dicom.hazards.places import OBLIQUE
from tests.engines.test_streaming import AFTER, WINDOWS, axial, pipeline, predict, step
from tests.fakes.scanner import CORONAL, SAGITTAL, Scanner

CENTRE, RADIUS = np.array([3.0, -2.0, 6.0]), 24.0
BALL_ML = 4 / 3 * np.pi * RADIUS**3 / 1000
ACQUISITIONS = {
    "axial": {"tilt": 20.0},
    "the other way": {"tilt": -18.0},
    "sagittal": {"tilt": 12.0, "orientation": SAGITTAL},
    "coronal": {"tilt": 25.0, "orientation": CORONAL},
    "oblique": {"tilt": -12.0, "orientation": OBLIQUE},
}
ENDS = [
    step("Invertd", transform="@preprocessing", orig_keys="image", nearest_interp=False),
    step("AsDiscreted", argmax=True),
]


def leaning(tmp_path, tilt, orientation=(1, 0, 0, 0, 1, 0)) -> Volume:
    scanner = Scanner(
        rows=72,
        columns=72,
        row_spacing=1.5,
        column_spacing=1.5,
        slice_spacing=1.5,
        tilt=tilt,
        orientation=orientation,
    )
    paths = scanner.save(tmp_path, 60)
    read = read_volume(paths, InputRequirement(("MR",), tilted=True))
    assert isinstance(read, Volume)
    return read


def with_a_ball(volume: Volume) -> np.ndarray:
    """Give voxels that are bright where they lie in the ball, by where they are in the patient."""
    places = np.moveaxis(np.indices(volume.voxels.shape), 0, -1) @ volume.affine[:3, :3].T
    places += volume.affine[:3, 3]
    middle = (volume.affine @ [*(np.array(volume.voxels.shape) - 1) / 2, 1])[:3]
    inside = np.linalg.norm(places - middle - CENTRE, axis=-1) <= RADIUS
    return np.where(inside, 1000, 0).astype(np.int16)


def extents(bright: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Give the extent (standard deviations, mm) along each principal axis of what is bright."""
    places = np.argwhere(bright) * steps
    return np.sqrt(np.linalg.eigvalsh(np.cov(places.T)))


@pytest.mark.parametrize("knobs", ACQUISITIONS.values(), ids=ACQUISITIONS)
@pytest.mark.parametrize(
    "before",
    [
        [step("Orientationd", axcodes="RAS", labels=None)],
        [step("Orientationd", axcodes="RAS", labels=None), step("Spacingd", pixdim=[2.0] * 3)],
    ],
    ids=["as it is", "resampled"],
)
def test_a_ball_is_a_ball_to_the_network_and_its_mask_lies_where_it_lay(tmp_path, knobs, before):
    volume, seen = leaning(tmp_path, **knobs), []
    voxels = with_a_ball(volume)

    def network(batch):
        seen.append(batch[0, 0])
        return np.stack([500 - batch[:, 0], batch[:, 0] - 500], axis=1)

    chosen = Pipeline(before, step("SimpleInferer"), ENDS)
    labels, _ = chosen.run(voxels, volume.affine, network)
    steps = np.array([2.0] * 3 if len(before) > 1 else [1.5] * 3)
    shortest, middle, longest = extents(seen[0] > 500, steps)
    assert longest / shortest < 1.03
    assert middle == pytest.approx(RADIUS / np.sqrt(5), rel=0.03)
    assert labels.shape == (1, *voxels.shape)
    assert labels.sum() * volume.voxel_ml == pytest.approx(BALL_ML, rel=0.02)
    found, there = (
        (volume.affine @ [*np.argwhere(one).mean(axis=0), 1])[:3] for one in (labels[0], voxels)
    )
    assert np.linalg.norm(found - there) < 0.4
    overlap = (
        2 * (labels[0].astype(bool) & (voxels > 0)).sum() / (labels.sum() + (voxels > 0).sum())
    )
    assert overlap > 0.97


def test_left_as_it_was_taken_a_ball_is_none(tmp_path):
    """What would be seen without: the test above is no test of nothing."""
    volume = leaning(tmp_path, 20.0)
    shortest, _, longest = extents(with_a_ball(volume) > 500, np.array([1.5] * 3))
    assert longest / shortest > 1.3


@pytest.mark.parametrize("knobs", ACQUISITIONS.values(), ids=ACQUISITIONS)
def test_three_hundred_voxels_come_back_to_where_they_were(tmp_path, knobs):
    volume = leaning(tmp_path, **knobs)
    grid = upright_of(volume.affine, volume.voxels.shape)
    chosen = np.random.default_rng(3).choice(volume.voxels.size, 300, replace=False)
    for slice_, row, column in np.array(np.unravel_index(chosen, volume.voxels.shape)).T:
        down, across = np.rint(grid.shifts[slice_]).astype(int)
        marked = np.zeros((1, *grid.shape), np.uint8)
        marked[0, slice_, row + down, column + across] = 1
        place = (grid.affine @ [slice_, row + down, column + across, 1])[:3]
        assert np.linalg.norm(place - (volume.affine @ [slice_, row, column, 1])[:3]) <= 0.75 * 1.5
        assert np.argwhere(grid.back(marked)[0]).tolist() == [[slice_, row, column]]


def test_an_upright_stack_is_left_alone_and_a_leaning_one_is_not_streamed():
    upright, slanted = axial(), axial()
    slanted[1, 0] = 0.3
    assert not leans(upright)
    assert upright_of(upright, (10, 20, 20)) is None
    assert "leans" in pipeline().why_not_streamed(slanted, (20, 20))
    stream = pipeline().stream(upright, (20, 20), predict, 4)
    with pytest.raises(NotStreamedError):
        pipeline().finish_stream(stream, slanted, (4, 20, 20))


def test_windows_see_it_upright_too():
    slanted = axial()
    slanted[1, 0] = 0.3
    voxels = np.random.default_rng(1).integers(-400, 600, (24, 40, 36)).astype(np.int16)
    before = [step("Orientationd", axcodes="RAS", labels=None)]
    grid = upright_of(slanted, voxels.shape)
    known, _ = Pipeline(before, WINDOWS, AFTER).run(grid.there(voxels), grid.affine, predict)
    labels, _ = Pipeline(before, WINDOWS, AFTER).run(voxels, slanted, predict)
    assert np.array_equal(labels, grid.back(known))
