"""What the images of a series say of whether some are missing."""

import pytest

from node.rules.completing import examine
from node.rules.nouns import Placed

AXIAL = "1.00 0.00 0.00 0.00 1.00 0.00"


def stack(n, *, step=3.0, start=1, name="", orientation=AXIAL, numbered=True):
    return [
        Placed(
            f"{name}.{at}",
            number=start + at if numbered else None,
            stack=(orientation, name),
            along=at * step,
        )
        for at in range(n)
    ]


def without(images, *indices):
    return [one for at, one in enumerate(images) if at not in indices]


def test_a_whole_stack_looks_whole():
    found = examine(stack(20), {})
    assert (found.images, found.holes, found.whole) == (20, (), True)


def test_missing_numbers_and_places_are_counted():
    holes = examine(without(stack(20), 7, 8), {}).holes
    assert holes == ("2 of the Instance Numbers 1 to 20", "2 slices inside a stack of 18")


@pytest.mark.parametrize(
    "images",
    [
        [Placed("a", number=10 * at) for at in range(20)],
        [Placed("a", number=7) for _ in range(20)],
        stack(20, numbered=False),
        [Placed("a") for _ in range(20)],
        [],
    ],
    ids=["in tens", "all the same", "no numbers", "nothing at all", "no images"],
)
def test_numbers_that_are_no_run_say_nothing(images):
    assert examine(images, {}).holes == ()


def test_uneven_places_say_nothing():
    uneven = [Placed(str(at), stack=(AXIAL,), along=at**1.5) for at in range(20)]
    assert examine(uneven, {}).holes == ()


def test_a_shorter_echo_is_a_hole_and_a_localizer_is_not():
    echoes = stack(20, name="10") + stack(17, name="80", start=21)
    assert examine(echoes, {}).holes == ("3 slices of one stack where another has 20",)
    scout = stack(3, name="scout", orientation="0.00 1.00 0.00 0.00 0.00 -1.00", start=21)
    assert examine(stack(20) + scout, {}).holes == ()


def test_a_count_is_that_of_each_acquisition():
    two = [Placed(str(at), number=at, acquisition=str(at % 2)) for at in range(1, 21)]
    assert examine(two, {"ImagesInAcquisition": 10.0}).announced == 20
    assert examine(two, {"ImagesInAcquisition": 12.0}).announced == 24


@pytest.mark.parametrize("said", [None, 0.0, 1.0, 3.5, "many", 5.0])
def test_a_count_that_cannot_be_is_no_count(said):
    attributes = {} if said is None else {"ImagesInAcquisition": said}
    assert examine(stack(20), attributes).announced is None
