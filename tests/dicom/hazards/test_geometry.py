"""What holds of every stack of slices, whichever way it lies: tried with hundreds of them."""

from math import radians, tan

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from node.dicom import geometry
from node.dicom.geometry import Allowances, Planes, Stack
from node.rules.failures import Refusal

many = settings(max_examples=200, deadline=None)
angles = st.floats(-np.pi, np.pi)
spacings = st.floats(0.2, 8.0)


def rotation(a: float, b: float, c: float) -> np.ndarray:
    """Make a rotation matrix of three angles."""

    def about(axis: int, angle: float) -> np.ndarray:
        one, two = [other for other in range(3) if other != axis]
        matrix = np.eye(3)
        matrix[one, one] = matrix[two, two] = np.cos(angle)
        matrix[one, two], matrix[two, one] = -np.sin(angle), np.sin(angle)
        return matrix

    return about(0, a) @ about(1, b) @ about(2, c)


@st.composite
def stacks(draw, tilt=None, fewest=3, smallest=0.2):
    """Planes in random order, and the axes that belong to them."""
    turn = rotation(draw(angles), draw(angles), draw(angles))
    across, down, normal = turn
    n, step = draw(st.integers(fewest, 40)), draw(st.floats(smallest, 8.0))
    if tilt is not None:
        normal = normal + tan(radians(draw(tilt))) * down
    rows, columns = draw(spacings), draw(spacings)
    origin = np.array([draw(st.floats(-500, 500)) for _ in range(3)])
    places = np.array([np.round(origin + step * index * normal, 4) for index in range(n)])
    order = draw(st.permutations(range(n)))
    cosines = np.round(turn[:2], 6)
    return (
        Planes(
            places[order],
            np.tile(cosines[0], (n, 1)),
            np.tile(cosines[1], (n, 1)),
            np.tile([rows, columns], (n, 1)),
        ),
        np.column_stack([step * normal, rows * down, columns * across]),
    )


@many
@given(stacks())
def test_an_upright_stack_is_found_whichever_way_it_lies(made):
    planes, axes = made
    assert geometry.orientation_problem(planes) == ""
    stack = geometry.stack(planes, 1.0)
    assert isinstance(stack, Stack)
    assert np.abs(stack.affine[:3, :3] - axes).max() < 1e-3
    for place, index in enumerate(stack.order):
        reached = (stack.affine @ [place, 0, 0, 1])[:3]
        assert np.abs(reached - planes.positions[index]).max() < 2e-3
    assert np.allclose(stack.spacing_mm, np.linalg.norm(axes, axis=0), atol=1e-3)


@many
@given(stacks(), st.randoms())
def test_the_order_of_the_files_changes_nothing(made, random):
    planes, _ = made
    again = list(range(len(planes)))
    random.shuffle(again)
    one, other = geometry.stack(planes, 1.0), geometry.stack(planes.at(again), 1.0)
    assert np.array_equal(one.affine, other.affine)
    assert [planes.positions[i].tolist() for i in one.order] == [
        planes.positions[again[i]].tolist() for i in other.order
    ]


@many
@given(stacks(tilt=st.floats(1.0, 40.0), fewest=6, smallest=1.0))
def test_a_leaning_stack_is_refused_or_kept_with_its_true_affine(made):
    planes, axes = made
    assert isinstance(geometry.stack(planes, 1.0), Refusal)
    stack = geometry.stack(planes, 1.0, Allowances(tilt=True))
    assert isinstance(stack, Stack)
    assert stack.tilt_degrees > 0.9
    assert np.abs(stack.affine[:3, :3] - axes).max() < 1e-3


@many
@given(stacks(), st.data())
def test_missing_slices_are_refused_or_left_open_where_they_are(made, data):
    planes, axes = made
    stack = geometry.stack(planes, 1.0)
    n = len(stack.order)
    gone = data.draw(st.sets(st.integers(1, n - 2), min_size=1, max_size=max(1, n // 4)))
    left = [index for place, index in enumerate(stack.order) if place not in gone]
    assume(len(left) > len(gone) + 2)
    steps = np.diff([place for place in range(n) if place not in gone])
    assume(np.median(steps) == 1)
    refused = geometry.stack(planes.at(left), 1.0, Allowances(missing=len(gone) - 1))
    assert isinstance(refused, Refusal)
    assert f"{len(gone)} slice" in refused.reason
    open_ = geometry.stack(planes.at(left), 1.0, Allowances(missing=len(gone)))
    assert isinstance(open_, Stack)
    assert {place for place, index in enumerate(open_.order) if index is None} == gone
    assert np.abs(open_.affine[:3, :3] - axes).max() < 1e-3


@many
@given(stacks(fewest=6, smallest=1.0), st.data(), st.floats(0.05, 0.4))
def test_a_slice_that_is_off_is_never_passed_over(made, data, part):
    planes, axes = made
    index = data.draw(st.integers(0, len(planes) - 1))
    axis = axes[:, data.draw(st.integers(0, 2))]
    size = part * np.linalg.norm(axes[:, 0])
    along = geometry.ANGLE_TOLERANCE * len(planes) * np.linalg.norm(axes[:, 0])
    assume(size > 2 * (geometry.SPACING_TOLERANCE_MM + along))
    moved = planes.positions.copy()
    moved[index] += size * axis / np.linalg.norm(axis)
    odd = Planes(moved, planes.across, planes.down, planes.spacings)
    assert isinstance(geometry.stack(odd, 1.0), Refusal)
    assert isinstance(geometry.stack(odd, 1.0, Allowances(missing=3, tilt=True)), Refusal)


@many
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=30, max_size=30))
def test_whatever_the_numbers_are_there_is_an_answer(numbers):
    values = np.array(numbers).reshape(3, 10)
    with np.errstate(all="ignore"):
        planes = Planes(values[:, :3], values[:, 3:6], values[:, 6:9], np.ones((3, 2)))
        if not geometry.orientation_problem(planes):
            assert isinstance(geometry.stack(planes, 1.0), Stack | Refusal)
