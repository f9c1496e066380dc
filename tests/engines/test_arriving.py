"""A series is handed over as it comes: by position, from either end, whatever the bundle needs."""

import numpy as np
import pytest

from node.engines.arriving import Arriving, Geometry
from node.engines.intake import NotStreamedError
from node.engines.pipeline import Pipeline
from tests.engines.test_streaming import (
    AFTER,
    BEFORE,
    SHAPE,
    WINDOWS,
    axial,
    pipeline,
    predict,
    step,
    volume,
)


def fed(arriving, voxels, order, offset=0):
    for number in order:
        arriving.feed(int(number) + offset, voxels[number])
        arriving.advance()
    return arriving.finish()


def geometry(affine, first=None, last=None):
    return Geometry(SHAPE[1], SHAPE[2], affine, first, last)


ENDS = {"first known": (0, None), "both known": (0, 63), "last known": (None, 63), "none": ()}


@pytest.mark.parametrize("affine", [axial(), axial(feet_first=False)], ids=["feet", "head"])
@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("backwards", [True, False])
def test_it_gives_the_same_labels_from_either_end(affine, ends, backwards):
    voxels, chosen = volume(), pipeline()
    whole, _ = chosen.run(voxels, affine, predict)
    order = range(63, -1, -1) if backwards else range(64)
    arriving = Arriving(chosen, geometry(affine, *ends), predict)
    np.testing.assert_array_equal(fed(arriving, voxels, order), whole)
    needs_last = affine[2, 0] < 0
    known = (ends[1] if needs_last else ends[0]) is not None if ends else False
    assert bool(arriving.why) != known
    assert known or ("last" if needs_last else "first") in arriving.why


def test_positions_may_be_counted_from_anywhere():
    voxels, chosen, affine = volume(), pipeline(), axial()
    whole, _ = chosen.run(voxels, affine, predict)
    moved = affine.copy()
    moved[:3, 3] += 40 * affine[:3, 0]
    arriving = Arriving(chosen, geometry(moved, -40), predict)
    np.testing.assert_array_equal(fed(arriving, voxels, range(64), -40), whole)
    assert arriving.why == ""


@pytest.mark.parametrize(
    ("before", "windows"),
    [
        ([*BEFORE[:2], step("NormalizeIntensityd")], WINDOWS),
        (BEFORE, step("SimpleInferer")),
        ([BEFORE[0], step("Spacingd", pixdim=[1.5] * 3), *BEFORE[1:]], WINDOWS),
    ],
    ids=["z-score", "whole", "resampled twice"],
)
def test_what_cannot_be_streamed_says_why_and_comes_out_the_same(before, windows):
    voxels, affine = volume(), axial()
    chosen = Pipeline(before, windows, AFTER)
    whole, _ = chosen.run(voxels, affine, predict)
    seen = []

    def counted(batch):
        seen.append(1)
        return predict(batch)

    arriving = Arriving(chosen, geometry(affine, 0), counted)
    for number in np.random.default_rng(3).permutation(64):
        arriving.feed(int(number), voxels[number])
        arriving.advance()
    assert not seen
    assert arriving.why
    np.testing.assert_array_equal(arriving.finish(), whole)


def test_the_stated_affine_of_the_whole_is_held_against_the_announced_one():
    voxels, affine = volume(), axial()
    for stated, fits in ((affine, True), (axial((1.8, 0.9, 0.8)), False)):
        arriving = Arriving(pipeline(), geometry(affine, 0), predict)
        for number in range(64):
            arriving.feed(number, voxels[number])
        if fits:
            assert arriving.finish(stated).shape == (1, *SHAPE)
        else:
            with pytest.raises(NotStreamedError):
                arriving.finish(stated)


@pytest.mark.parametrize("first", [None, 0])
def test_holes_twins_and_strangers_are_refused(first):
    voxels, affine = volume(), axial()
    arriving = Arriving(pipeline(), geometry(affine, first), predict)
    for number in [*range(20), *range(21, 64)]:
        arriving.feed(number, voxels[number])
        arriving.advance()
    with pytest.raises(NotStreamedError):
        arriving.finish()
    with pytest.raises(NotStreamedError):
        arriving.feed(3, voxels[3])
    with pytest.raises(NotStreamedError):
        arriving.feed(20, voxels[20][:, :-1])
    if first is not None:
        with pytest.raises(NotStreamedError):
            arriving.feed(-1, voxels[20])
