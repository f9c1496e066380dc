"""Sorts a bundle's steps by what they need to see: a voxel, a plane, or the whole volume.

What needs no more than a voxel (a fixed window of HU, the largest score) can be done to planes as
they come and go; what needs the volume (percentiles, the largest piece) cannot. The outcome is the
same, whatever way the steps are gone through; only memory and waiting differ.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from node.engines.gridding import RESAMPLING, Step

Arguments: TypeAlias = Mapping[str, Any]

GEOMETRY = ("Orientationd", *RESAMPLING)
VOXELWISE: Mapping[str, Callable[[Arguments], bool]] = {
    "EnsureTyped": lambda _: True,
    "CastToTyped": lambda _: True,
    "ScaleIntensityRanged": lambda _: True,
    "ScaleIntensityd": lambda a: a.get("minv", 0.0) is None and a.get("maxv", 1.0) is None,
    "NormalizeIntensityd": lambda a: None not in (a.get("subtrahend"), a.get("divisor")),
}
"""Intensity transforms that look at one voxel at a time, if so told."""


@dataclass(frozen=True, slots=True)
class Before:
    """Preprocessing: `early` to each voxel, then the grid's `moves`, then `late`.

    `voxelwise` says whether `late` looks at one voxel at a time too.
    """

    early: tuple[Step, ...]
    moves: tuple[Step, ...]
    late: tuple[Step, ...]
    voxelwise: bool


@dataclass(frozen=True, slots=True)
class After:
    """Postprocessing: `scores` to each voxel's scores, labels, then `middle`, back, then `rest`.

    With `nearest`, labels are made on the network's grid and brought back. Without, scores are
    interpolated and labels made of them on the scanner's grid.
    """

    scores: tuple[Step, ...]
    middle: tuple[Step, ...]
    rest: tuple[Step, ...]
    nearest: bool


def read_before(steps: Sequence[Step]) -> Before | str:
    """Sort the preprocessing, or say in words why it has to be done step by step."""
    early: list[Step] = []
    moves: list[Step] = []
    late: list[Step] = []
    for name, arguments in steps:
        resampled = any(move[0] in RESAMPLING for move in moves)
        if name in GEOMETRY:
            if late:
                return f"{name} comes after intensities have been scaled by the whole volume"
            if resampled and name in RESAMPLING:
                return "the volume is resampled twice"
            moves.append((name, arguments))
        elif not resampled and not late and _is_voxelwise(name, arguments):
            early.append((name, arguments))
        else:
            late.append((name, arguments))
    if not any(name in RESAMPLING for name, _ in moves):
        early, late = [], early + late
    return Before(tuple(early), tuple(moves), tuple(late), all(_is_voxelwise(*s) for s in late))


def _is_voxelwise(name: str, arguments: Arguments) -> bool:
    return name in VOXELWISE and VOXELWISE[name](arguments)


def read_after(steps: Sequence[Step]) -> After | str:
    """Sort the postprocessing, or say in words why it has to be done step by step."""
    steps = [step for step in steps if step[0] != "EnsureTyped"]
    names = [name for name, _ in steps]
    if names.count("Invertd") != 1:
        return "labels are not brought back to the scanner's grid, or more than once"
    at = names.index("Invertd")
    before, after = steps[:at], steps[at + 1 :]
    if steps[at][1].get("nearest_interp", True):
        return _by_nearest(before, after)
    if any(name != "Activationsd" for name, _ in before):
        return "labels are interpolated"
    order_kept = [i for i, step in enumerate(after) if not _keeps_order(step)]
    if not order_kept or not _is_argmax(after[order_kept[0]]):
        return "labels are not made by the largest score alone"
    return After(tuple(before), (), tuple(after[order_kept[0] + 1 :]), nearest=False)


def _by_nearest(before: list[Step], after: list[Step]) -> After | str:
    """Make labels before they are brought back: which voxel is nearest does not depend on them."""
    for number, step in enumerate(before):
        if _is_argmax(step):
            middle = tuple(before[number + 1 :])
            return After(_telling(before[:number]), middle, tuple(after), nearest=True)
        if step[0] != "Activationsd":
            return "labels are not made by the largest score alone"
    for number, step in enumerate(after):
        if _is_argmax(step):
            scores = _telling([*before, *after[:number]])
            return After(scores, (), tuple(after[number + 1 :]), nearest=True)
        if step[0] != "Activationsd":
            break
    return "labels are not made by the largest score alone"


def _telling(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Leave out what does not change which score is the largest."""
    return tuple(steps) if any(not _keeps_order(step) for step in steps) else ()


def _keeps_order(step: Step) -> bool:
    """Say whether the largest score stays the largest: softmax yes, sigmoids meet at 1."""
    name, arguments = step
    return name == "Activationsd" and not arguments.get("sigmoid")


def _is_argmax(step: Step) -> bool:
    name, arguments = step
    return (
        name == "AsDiscreted"
        and bool(arguments.get("argmax"))
        and arguments.get("threshold") is None
    )
