"""Masks of which the answer is known: two balls apart, one within another, one missing."""

import math

import numpy as np
import pytest

from models.evaluation.overlap import overlap
from tests.models.evaluation.making import ball

SHAPE = (64, 64, 64)
ONES = (1.0, 1.0, 1.0)


def at(radius, shift=0):
    return ball(radius, (32, 32, 32 + shift), SHAPE)


def test_two_balls_apart_overlap_as_geometry_says():
    radius, apart = 20.0, 10.0
    lens = math.pi * (4 * radius + apart) * (2 * radius - apart) ** 2 / 12
    expected = lens / (4 / 3 * math.pi * radius**3)
    found = overlap(at(radius), at(radius, 10), ONES)
    assert found.dice == pytest.approx(expected, abs=0.01)
    assert 0.8 * apart < found.hd95_mm <= apart
    assert found.error_ml == 0


def test_a_ball_within_a_ball_is_as_far_as_their_radii_differ():
    near, far = overlap(at(18.5), at(20), ONES), overlap(at(16), at(20), ONES)
    assert near.hd95_mm == pytest.approx(1.5, abs=0.8)
    assert far.hd95_mm == pytest.approx(4.0, abs=0.5)
    assert near.surface_dice > 0.9
    assert far.surface_dice == 0.0


def test_volumes_go_with_the_spacing():
    found = overlap(at(18), at(20), (2.0, 1.0, 0.5))
    assert found.reference_ml == pytest.approx(4 / 3 * math.pi * 20**3 / 1000, rel=0.01)
    assert found.error_percent == pytest.approx(100 * (0.9**3 - 1), abs=0.5)


def test_distances_go_with_the_spacing():
    slab = np.zeros(SHAPE, bool)
    slab[20:30] = True
    moved = np.roll(slab, 3, axis=0)
    assert overlap(moved, slab, (3.0, 1.0, 1.0)).hd95_mm == pytest.approx(9.0)
    assert overlap(moved, slab, ONES).hd95_mm == pytest.approx(3.0)


def test_a_mask_at_the_edge_of_the_image_equals_itself():
    mask = np.zeros((8, 8, 8), bool)
    mask[:4] = True
    found = overlap(mask, mask, ONES)
    assert (found.dice, found.surface_dice, found.hd95_mm) == (1.0, 1.0, 0.0)


def test_what_is_not_there_is_not_called_perfect():
    empty = np.zeros(SHAPE, bool)
    both = overlap(empty, empty, ONES)
    assert math.isnan(both.dice)
    assert math.isnan(both.hd95_mm)
    missed = overlap(empty, at(5), ONES)
    assert missed.dice == 0
    assert math.isnan(missed.hd95_mm)
    assert missed.error_percent == -100
    assert missed.as_plain()["hd95_mm"] is None
