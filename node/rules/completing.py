"""What the images of a series say about whether some of them are still to come.

Images are numbered, they lie in even steps along a stack, the stacks of one series (echoes, phases,
b-values) are equally long, and some say how many they are, or how many phases there will be, or
into how many parts they were cut. Each is evidence, none is proof: a number may be left out, a
stack be uneven. So what is found here is weighed in `rules.settling`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from node.rules.nouns import Attribute, Placed

EVEN = 0.1
"""By this share of a step two positions may be off and still be in step."""
FEWEST_POSITIONS = 4
"""With fewer there is no telling what a step is."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What was found in the images of a series.

    `announced` is how many images they say that there are (None: they do not say), `announced_by`
    the attribute that says so. `holes` says in words what seems to be missing among them. `whole`
    means that they look complete by themselves: numbered from 1 on without a gap, or in even steps,
    which the first half of a series does as well. `one_for_all` means that there is a single image,
    of many frames, which was not sent in parts: few senders make two of those.
    """

    images: int = 0
    announced: int | None = None
    announced_by: str = ""
    holes: tuple[str, ...] = ()
    whole: bool = False
    one_for_all: bool = False


def examine(images: Sequence[Placed], attributes: Mapping[str, Attribute]) -> Contents:
    """Look for what is missing.

    Args:
        images: where each image has its place; those whose header cannot be read are left out.
        attributes: of the series' first image, as `dicom.header` reads them.
    """
    announced, by = _announced(images, attributes), "Images in Acquisition"
    if announced is None:
        announced, by = _parts(images), "In-concatenation Total Number"
    holes = [
        *_number_holes(images),
        *_position_holes(images),
        *_stack_holes(images),
        *_phase_holes(images, attributes),
    ]
    is_one = len(images) == 1 and images[0].frames > 1 and not images[0].concatenation
    regular = is_one or _numbered_from_one(images) or _has_regular_stack(images)
    return Contents(
        images=len(images),
        announced=announced,
        announced_by="" if announced is None else by,
        holes=tuple(holes),
        whole=not holes and regular,
        one_for_all=is_one,
    )


def _announced(images: Sequence[Placed], attributes: Mapping[str, Attribute]) -> int | None:
    """Give how many images (0020,1002) Images in Acquisition announces, for all acquisitions.

    When there are more than that, it means something else on this scanner, and is no evidence.
    """
    said = attributes.get("ImagesInAcquisition")
    if not isinstance(said, float) or said < 2 or said != int(said):
        return None
    announced = int(said) * max(1, len({one.acquisition for one in images}))
    return None if len(images) > announced else announced


def _parts(images: Sequence[Placed]) -> int | None:
    """Give how many parts of images there are, if all of them are parts and say so (0020,9163)."""
    totals: dict[str, int] = {}
    for one in images:
        if not one.concatenation or one.parts is None:
            return None
        totals[one.concatenation] = max(one.parts, totals.get(one.concatenation, 0))
    announced = sum(totals.values())
    return announced if images and announced >= len(images) else None


def _numbers(images: Sequence[Placed]) -> list[int]:
    """Give the Instance Numbers in order; none when they do not tell the images apart."""
    numbers = sorted(one.number for one in images if one.number is not None)
    is_usable = len(numbers) == len(images) and len(set(numbers)) == len(numbers)
    return numbers if is_usable else []


def _number_holes(images: Sequence[Placed]) -> list[str]:
    numbers = _numbers(images)
    if not numbers:
        return []
    missing = numbers[-1] - numbers[0] + 1 - len(numbers)
    if not 0 < missing <= len(numbers):  # numbered in tens, or by time: no run
        return []
    return [f"{missing} of the Instance Numbers {numbers[0]} to {numbers[-1]}"]


def _numbered_from_one(images: Sequence[Placed]) -> bool:
    numbers = _numbers(images)
    return bool(numbers) and numbers[0] in (0, 1) and numbers[-1] - numbers[0] + 1 == len(numbers)


def _stacks(images: Sequence[Placed]) -> dict[tuple[str, ...], list[float]]:
    """Give the positions of each stack in order, each once."""
    found: dict[tuple[str, ...], set[float]] = {}
    for one in images:
        if one.along is not None:
            found.setdefault(one.stack, set()).add(round(one.along, 3))
    return {stack: sorted(positions) for stack, positions in found.items()}


def _steps(positions: Sequence[float]) -> tuple[float, list[int]] | None:
    """Measure a stack in whole steps: the step in mm, and how many each distance is.

    None when it is too short to tell, or not in step.
    """
    if len(positions) < FEWEST_POSITIONS:
        return None
    distances = [after - before for before, after in pairwise(positions)]
    step = median(distances)
    counts = [round(distance / step) for distance in distances]
    for distance, count in zip(distances, counts, strict=True):
        if count < 1 or abs(distance - count * step) > EVEN * step:
            return None
    return step, counts


def _position_holes(images: Sequence[Placed]) -> list[str]:
    holes = []
    for positions in _stacks(images).values():
        measured = _steps(positions)
        missing = sum(count - 1 for count in measured[1]) if measured else 0
        if measured and 0 < missing <= len(positions):
            holes.append(f"{missing} slices inside a stack of {len(positions)}")
    return holes


def _has_regular_stack(images: Sequence[Placed]) -> bool:
    return any(_steps(positions) is not None for positions in _stacks(images).values())


def _stack_holes(images: Sequence[Placed]) -> list[str]:
    """Find stacks that are shorter than another of the same orientation."""
    lengths: dict[str, set[int]] = {}
    for stack, positions in _stacks(images).items():
        lengths.setdefault(stack[0] if stack else "", set()).add(len(positions))
    return [
        f"{max(of_one) - min(of_one)} slices of one stack where another has {max(of_one)}"
        for of_one in lengths.values()
        if len(of_one) > 1 and max(of_one) >= FEWEST_POSITIONS
    ]


def _phase_holes(images: Sequence[Placed], attributes: Mapping[str, Attribute]) -> list[str]:
    """Count what is missing to (0020,0105) Number of Temporal Positions, each as the fullest stack.

    It speaks of what is missing alone: when so many are there, another echo may still be to come.
    """
    said = attributes.get("NumberOfTemporalPositions")
    if not isinstance(said, float) or said < 2 or said != int(said):
        return []
    fullest = max((len(positions) for positions in _stacks(images).values()), default=0)
    missing = int(said) * fullest - len(images)
    if fullest < FEWEST_POSITIONS or missing <= 0:
        return []
    return [f"{missing} of {int(said)} temporal positions of {fullest} slices"]
