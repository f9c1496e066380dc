"""A volume that is run while its slices arrive gets the labels that it gets when it is complete."""

import numpy as np
import pytest

from node.engines.intake import NotStreamedError
from node.engines.pipeline import Pipeline

SHAPE = (64, 50, 44)
SPACING = (1.7, 0.9, 0.8)


def step(name, **arguments):
    return {"name": name, "arguments": arguments}


def axial(spacing=SPACING, *, feet_first=True):
    """An axial series: slice, row, column to LPS."""
    affine = np.zeros((4, 4))
    affine[2, 0] = spacing[0] if feet_first else -spacing[0]
    affine[1, 1], affine[0, 2], affine[3, 3] = spacing[1], spacing[2], 1.0
    affine[:3, 3] = (-20.0, -22.0, -300.0)
    return affine


def sagittal(spacing=SPACING):
    affine = np.zeros((4, 4))
    affine[0, 0], affine[2, 1], affine[1, 2], affine[3, 3] = spacing[0], -spacing[1], spacing[2], 1
    affine[:3, 3] = (-50.0, -22.0, 30.0)
    return affine


def volume(shape=SHAPE, seed=5):
    """Smooth blobs with noise, in HU."""
    rng = np.random.default_rng(seed)
    small = rng.normal(0, 300, [-(-n // 6) for n in shape])
    for axis, n in enumerate(shape):
        small = np.repeat(small, 6, axis=axis).take(range(n), axis=axis)
    return (small + rng.normal(0, 20, shape)).astype(np.int16)


def predict(batch):
    """Three classes; what a voxel gets depends on its neighbours and on its place in the window."""
    x = batch[:, 0]
    near = (np.roll(x, 1, 1) + np.roll(x, -2, 2) + np.roll(x, 3, 3)) / 3
    place = np.linspace(-0.2, 0.2, x.shape[-1], dtype=np.float32)
    return np.stack([0.5 - x + place, x - 0.4, near - 0.3 + place[::-1]], axis=1)


RANGE = step("ScaleIntensityRanged", a_min=-400, a_max=600, b_min=0.0, b_max=1.0, clip=True)
BEFORE = [
    step("Orientationd", axcodes="RAS", labels=None),
    step("Spacingd", pixdim=[1.5, 1.5, 1.5]),
    RANGE,
]
WINDOWS = step(
    "SlidingWindowInferer",
    roi_size=[16, 20, 24],
    overlap=0.4,
    mode="gaussian",
    sw_batch_size=3,
)
INVERT = step("Invertd", transform="@preprocessing", orig_keys="image", nearest_interp=False)
ARGMAX = step("AsDiscreted", argmax=True)
AFTER = [INVERT, ARGMAX]


def pipeline(before=BEFORE, windows=WINDOWS, after=AFTER, threads=1):
    return Pipeline(before, windows, after, threads=threads)


def by_steps(chosen, voxels, affine):
    """The same without planes and slabs: every array whole."""
    grid, undos = chosen.prepare(voxels, affine)
    return chosen.finish(chosen.infer(grid, predict), undos)


ORDERS = {
    "in order": lambda n: list(range(n)),
    "backwards": lambda n: list(range(n))[::-1],
    "shuffled": lambda n: list(np.random.default_rng(2).permutation(n)),
    "one missing, then filled": lambda n: [*range(20), *range(21, n), 20],
    "the first comes last": lambda n: [*range(1, n), 0],
    "interleaved": lambda n: [*range(0, n, 2), *range(1, n, 2)],
}
AFTERS = {
    "scores": AFTER,
    "probabilities": [step("Activationsd", softmax=True), INVERT, ARGMAX],
    "nearest": [ARGMAX, step("Invertd", transform="@preprocessing", orig_keys="image")],
    "nearest, largest piece": [
        ARGMAX,
        step("KeepLargestConnectedComponentd", applied_labels=[1]),
        step("Invertd", transform="@preprocessing", orig_keys="image"),
        step("FillHolesd", applied_labels=[1]),
    ],
}


@pytest.mark.parametrize("known", [True, False], ids=["count known", "count not known"])
@pytest.mark.parametrize("after", AFTERS.values(), ids=AFTERS)
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_the_order_in_which_slices_come_changes_nothing(order, after, known):
    voxels, affine = volume(), axial()
    chosen = pipeline(after=after)
    whole, _ = chosen.run(voxels, affine, predict)
    assert chosen.why_not_streamed(affine, SHAPE[1:]) == ""
    stream = chosen.stream(affine, SHAPE[1:], predict, len(voxels) if known else None)
    for number in order(len(voxels)):
        stream.feed(int(number), voxels[number])
        stream.advance()
    streamed = chosen.finish_stream(stream, affine, SHAPE)
    np.testing.assert_array_equal(streamed, whole)
    assert len(np.unique(whole)) == 3


@pytest.mark.parametrize("lie", ["head first", "sagittal"])
def test_a_grid_that_begins_at_the_last_slice_is_fed_from_there(lie):
    voxels, affine = volume(), axial(feet_first=False) if lie == "head first" else sagittal()
    chosen = pipeline()
    whole, _ = chosen.run(voxels, affine, predict)
    assert chosen.is_from_the_last(affine, SHAPE[1:])
    assert not chosen.is_from_the_last(axial(), SHAPE[1:])
    stream = chosen.stream(affine, SHAPE[1:], predict, None)
    for number in np.random.default_rng(4).permutation(len(voxels)):
        stream.feed(int(number), voxels[len(voxels) - 1 - number])
        stream.advance()
    np.testing.assert_array_equal(chosen.finish_stream(stream, affine, SHAPE), whole)


@pytest.mark.parametrize("every", [1, 7, 64])
def test_how_often_the_stream_is_advanced_changes_nothing(every):
    voxels, affine = volume(), axial()
    chosen = pipeline(threads=2)
    whole, _ = chosen.run(voxels, affine, predict)
    stream = chosen.stream(affine, SHAPE[1:], predict, None)
    for number, values in enumerate(voxels):
        stream.feed(number, values)
        if number % every == every - 1:
            stream.advance()
    np.testing.assert_array_equal(chosen.finish_stream(stream, affine, SHAPE), whole)


def test_most_windows_have_run_before_the_last_slice_comes():
    voxels, affine = volume(), axial()
    seen = []

    def counted(batch):
        seen.append(len(batch))
        return predict(batch)

    chosen = pipeline()
    stream = chosen.stream(affine, SHAPE[1:], counted, None)
    for number, values in enumerate(voxels[:-1]):
        stream.feed(number, values)
        stream.advance()
    before = sum(seen)
    stream.feed(len(voxels) - 1, voxels[-1])
    chosen.finish_stream(stream, affine, SHAPE)
    assert before > sum(seen) / 2


GEOMETRIES = {
    "feet first": axial(),
    "head first": axial(feet_first=False),
    "sagittal": sagittal(),
    "no change of spacing": axial((1.5, 1.5, 1.5)),
    "slices closer than the network's": axial((0.4, 0.9, 0.8)),
    "rows and columns as they are": axial((2.5, 1.5, 1.5)),
    "fewer voxels than a window": axial((0.3, 0.4, 0.35)),
}


@pytest.mark.parametrize("after", AFTERS.values(), ids=AFTERS)
@pytest.mark.parametrize("affine", GEOMETRIES.values(), ids=GEOMETRIES)
def test_planes_give_the_labels_that_whole_arrays_give(affine, after):
    """But for ties of rounding: what is computed in another order differs in the last digit."""
    voxels = volume()
    chosen = pipeline(after=after)
    whole, _ = chosen.run(voxels, affine, predict)
    slow = by_steps(chosen, voxels, affine)
    assert whole.shape == slow.shape == (1, *SHAPE)
    assert (whole != slow).sum() <= 2
    assert len(np.unique(whole)) >= 2


OTHERS = {
    "percentiles of the whole volume": [
        *BEFORE[:2],
        step("ScaleIntensityRangePercentilesd", lower=1, upper=99, b_min=0.0, b_max=1.0),
    ],
    "z-score": [*BEFORE[:2], step("NormalizeIntensityd"), RANGE],
    "resized": [BEFORE[0], step("Resized", spatial_size=[40, 40, 50], mode="trilinear"), RANGE],
    "scaled first": [RANGE, *BEFORE[:2]],
    "spacing first": [BEFORE[1], BEFORE[0], RANGE],
    "turned twice": [step("Orientationd", axcodes="SPL", labels=None), *BEFORE],
    "given mean and divisor": [
        *BEFORE[:2],
        step("NormalizeIntensityd", subtrahend=10.0, divisor=500.0),
    ],
    "resampled twice": [BEFORE[1], step("Spacingd", pixdim=[2, 2, 2]), RANGE],
}


@pytest.mark.parametrize("windowed", [True, False])
@pytest.mark.parametrize("before", OTHERS.values(), ids=OTHERS)
def test_other_steps_give_the_labels_that_whole_arrays_give(before, windowed):
    voxels, affine = volume(), axial()
    chosen = pipeline(before, WINDOWS if windowed else step("SimpleInferer"))
    whole, _ = chosen.run(voxels, affine, predict)
    assert (whole != by_steps(chosen, voxels, affine)).sum() <= 2


def test_what_looks_at_the_whole_volume_is_not_streamed_and_says_so():
    affine, plane = axial(), SHAPE[1:]
    reasons = {
        name: pipeline(before).why_not_streamed(affine, plane) for name, before in OTHERS.items()
    }
    assert "whole volume" in reasons["percentiles of the whole volume"]
    assert "whole volume" in reasons["z-score"]
    assert "number of slices" in reasons["resized"]
    assert "twice" in reasons["resampled twice"]
    assert reasons["scaled first"] == reasons["given mean and divisor"] == ""
    assert "at once" in pipeline(windows=step("SimpleInferer")).why_not_streamed(affine, plane)
    tall = step("SlidingWindowInferer", roi_size=[16, 16, -1])
    assert "all slices" in pipeline(windows=tall).why_not_streamed(affine, plane)
    alone = pipeline(after=[step("Activationsd", sigmoid=True), *AFTER])
    assert alone.why_not_streamed(affine, plane) == ""
    saturated = pipeline(after=[INVERT, step("Activationsd", sigmoid=True), ARGMAX])
    assert "largest score" in saturated.why_not_streamed(affine, plane)


def test_a_series_with_a_hole_is_refused():
    voxels, affine = volume(), axial()
    chosen = pipeline()
    stream = chosen.stream(affine, SHAPE[1:], predict, None)
    for number in [*range(30), *range(31, 64)]:
        stream.feed(number, voxels[number])
        stream.advance()
    with pytest.raises(NotStreamedError):
        chosen.finish_stream(stream, affine, SHAPE)


def test_a_slice_that_comes_twice_is_refused():
    chosen = pipeline()
    stream = chosen.stream(axial(), SHAPE[1:], predict, None)
    stream.feed(3, volume()[3])
    with pytest.raises(NotStreamedError):
        stream.feed(3, volume()[3])


def test_another_spacing_than_announced_is_refused():
    voxels = volume()
    chosen = pipeline()
    stream = chosen.stream(axial(), SHAPE[1:], predict, None)
    for number, values in enumerate(voxels):
        stream.feed(number, values)
        stream.advance()
    with pytest.raises(NotStreamedError):
        chosen.finish_stream(stream, axial((1.71, 0.9, 0.8)), SHAPE)


def test_the_same_spacing_but_for_rounding_is_the_same():
    voxels = volume()
    chosen = pipeline()
    near = axial((1.7 * (1 + 1e-14), 0.9, 0.8))
    whole, _ = chosen.run(voxels, axial(), predict)
    stream = chosen.stream(near, SHAPE[1:], predict, None)
    for number, values in enumerate(voxels):
        stream.feed(number, values)
        stream.advance()
    np.testing.assert_array_equal(chosen.finish_stream(stream, axial(), SHAPE), whole)


@pytest.mark.parametrize("known", [True, False], ids=["number known", "number unknown"])
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_windows_over_the_body_only_find_the_same_while_slices_come(order, known):
    voxels, affine = volume(), axial()
    voxels[:, :12] = voxels[:, :, :9] = -1000
    windows = step(
        "SlidingWindowInferer",
        roi_size=[16, 20, 24],
        overlap=0.4,
        mode="gaussian",
        sw_batch_size=3,
        box={"above": -900, "scores": [1, 0, 0]},
    )
    child = pipeline(windows=windows)
    whole, _ = child.run(voxels, affine, predict)
    assert child.why_not_streamed(affine, SHAPE[1:]) == ""
    stream = child.stream(affine, SHAPE[1:], predict, len(voxels) if known else None)
    for number in order(len(voxels)):
        stream.feed(int(number), voxels[number])
        stream.advance()
    np.testing.assert_array_equal(child.finish_stream(stream, affine, SHAPE), whole)
