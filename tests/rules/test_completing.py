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


def test_phases_that_have_not_begun_are_holes():
    one = stack(20, name="1")
    assert examine(one, {"NumberOfTemporalPositions": 2.0}).holes == (
        "20 of 2 temporal positions of 20 slices",
    )
    begun = one + stack(5, name="2", start=21)
    assert "15 of 2 temporal positions of 20 slices" in (
        examine(begun, {"NumberOfTemporalPositions": 2.0}).holes
    )
    both = examine(one + stack(20, name="2", start=21), {"NumberOfTemporalPositions": 2.0})
    assert (both.holes, both.announced) == ((), None), "another echo may still come"


@pytest.mark.parametrize("said", [None, 0.0, 1.0, 1.5, "many"])
def test_a_number_of_phases_that_cannot_be_says_nothing(said):
    assert examine(stack(20), {"NumberOfTemporalPositions": said}).holes == ()


def part(number, *, of="1.2", parts=3):
    return Placed(f"{of}.{number}", number=number, frames=40, concatenation=of, parts=parts)


def test_parts_of_one_image_say_how_many_they_are():
    found = examine([part(1), part(2)], {})
    assert (found.announced, found.announced_by) == (3, "In-concatenation Total Number")
    assert examine([part(1), part(2), part(3, of="1.3", parts=2)], {}).announced == 5
    assert examine([part(1), part(2, parts=None)], {}).announced is None
    assert examine([part(1), *stack(1)], {}).announced is None
    assert not examine([part(1)], {}).one_for_all


def test_one_image_of_many_frames_is_whole_by_itself():
    found = examine([Placed("a", number=7, frames=40)], {})
    assert (found.whole, found.one_for_all) == (True, True)
    assert not examine([Placed("a", number=7)], {}).one_for_all
