"""Where the slices of a series lie in the patient, and whether together they make one block."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import atan2, degrees

import numpy as np

from node.rules.failures import Refusal

SPACING_TOLERANCE = 0.01
"""How much the distance of two neighbours may differ from the usual one, as a part of it …"""
SPACING_TOLERANCE_MM = 0.01
"""… or in millimetres, whichever is larger: positions are written with few decimals."""
ANGLE_TOLERANCE = 1e-3
"""How far cosines may be from unit length, square and each other, and the stack from upright."""
SECTION = 3
"""Distances that have to be alike in a row: a single one that is twice as large is a lost slice."""
PARTS = 4
"""In how many parts at most the smallest distance is cut for a grid that fits all of them."""
FARTHEST_MM = 1e5
"""Positions farther from the origin than this are no places in a patient."""


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """Where n slices lie (PS3.3 C.7.6.2): their first pixels' centres in LPS millimetres.

    `positions`, `across` and `down` are [n, 3], `spacings` is [n, 2]: between rows, between
    columns (mm). `across` is the direction in which columns are counted, `down` the one in which
    rows are.
    """

    positions: np.ndarray
    across: np.ndarray
    down: np.ndarray
    spacings: np.ndarray

    def __len__(self) -> int:
        return len(self.positions)

    def at(self, indices: Sequence[int]) -> "Planes":
        """Give some of the planes, in this order."""
        chosen = list(indices)
        return Planes(
            self.positions[chosen], self.across[chosen], self.down[chosen], self.spacings[chosen]
        )

    @property
    def normal(self) -> np.ndarray:
        """The unit normal of the first plane, right-handed: across x down."""
        normal = np.cross(self.across[0], self.down[0])
        return normal / np.linalg.norm(normal)


@dataclass(frozen=True, slots=True)
class Allowances:
    """What of a stack is put up with: so many missing slices in all, and a lean of the stack.

    Where sections of it are spaced differently, distances up to `variable_mm`; 0: that is refused.
    """

    missing: int = 0
    tilt: bool = False
    variable_mm: float = 0.0


STRICT = Allowances()


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Slices in the order of the normal: `order` gives their places in the input.

    None in `order` is a slice that is missing there. `affine` is 4x4 and maps (slice, row,
    column, 1) to LPS millimetres; `spacing_mm` is (between slices, between rows, between columns).
    `tilt_degrees` is how much the stack leans, 0.0 where it stands upright. `variable` says that
    nothing was lost where a slice is missing: the stack has sections of wider spacing.
    """

    order: tuple[int | None, ...]
    affine: np.ndarray
    spacing_mm: tuple[float, float, float]
    tilt_degrees: float = 0.0
    variable: bool = False


def along_normal(planes: Planes) -> np.ndarray:
    """Give each slice's distance along the first one's normal, in millimetres."""
    return planes.positions @ planes.normal


def orientation_problem(planes: Planes) -> str:
    """Say why the slices are not parallel images with square axes; "" when they are."""
    for axes in (planes.across, planes.down):
        if np.any(np.abs(np.linalg.norm(axes, axis=1) - 1) > ANGLE_TOLERANCE):
            return "ImageOrientationPatient is not made of two unit vectors"
    if np.any(np.abs((planes.across * planes.down).sum(axis=1)) > ANGLE_TOLERANCE):
        return "rows and columns of ImageOrientationPatient are not at a right angle"
    for axes in (planes.across, planes.down):
        if np.abs(axes - axes[0]).max() > ANGLE_TOLERANCE:
            return "the slices are not parallel: ImageOrientationPatient differs between them"
    if np.abs(planes.positions).max() > FARTHEST_MM:
        return "ImagePositionPatient is farther away than any patient is long"
    return ""


def stack(planes: Planes, thickness: float, allowed: Allowances = STRICT) -> Stack | Refusal:
    """Put slices with distinct positions in order, or say why they are no regular block.

    `thickness` (mm) stands for the distance between slices when there is only one.
    """
    distances = along_normal(planes)
    indices = [int(index) for index in np.argsort(distances, kind="stable")]
    steps = np.diff(distances[indices])
    wide = _sections(steps, allowed.variable_mm)
    gaps = _gaps(steps, allowed.missing) if wide is None else wide
    if isinstance(gaps, Refusal):
        return gaps
    ordered = planes.at(indices)
    places = np.concatenate(([0], np.cumsum(gaps + 1)))
    tilt = _tilt(ordered, places, allowed=allowed.tilt)
    if isinstance(tilt, Refusal):
        return tilt
    step = thickness * ordered.normal
    if len(ordered) > 1:
        step = (ordered.positions[-1] - ordered.positions[0]) / places[-1]
    rows, columns = (float(spacing) for spacing in ordered.spacings[0])
    affine = np.eye(4)
    affine[:3, 0] = step
    affine[:3, 1] = ordered.down[0] / np.linalg.norm(ordered.down[0]) * rows
    affine[:3, 2] = ordered.across[0] / np.linalg.norm(ordered.across[0]) * columns
    affine[:3, 3] = ordered.positions[0]
    order: list[int | None] = [None] * (int(places[-1]) + 1)
    for place, index in zip(places, indices, strict=True):
        order[int(place)] = index
    return Stack(
        tuple(order), affine, (float(np.linalg.norm(step)), rows, columns), tilt, wide is not None
    )


def _sections(steps: np.ndarray, widest: float) -> np.ndarray | None:
    """Give how many places of a regular grid lie between neighbours; None where none is needed.

    Nor is there one if the distances do not fit one, or sections are too short to be meant so.
    """
    if not widest or len(steps) < 2 * SECTION or steps.max() > widest:
        return None
    for parts in range(1, PARTS + 1):
        wholes = np.rint(steps / (steps.min() / parts))
        base = float(steps.sum() / wholes.sum())
        tolerance = max(SPACING_TOLERANCE * base, SPACING_TOLERANCE_MM)
        if np.abs(steps - wholes * base).max() <= tolerance:
            break
    else:
        return None
    changes = np.flatnonzero(np.diff(wholes)) + 1
    lengths = np.diff([0, *changes, len(wholes)])
    if len(lengths) == 1 or lengths.min() < SECTION:
        return None
    return wholes.astype(int) - 1


def _gaps(steps: np.ndarray, allowed: int) -> np.ndarray | Refusal:
    """Give how many slices are missing after each, or refuse slices that are not evenly spaced.

    Says which are missing when that explains it.
    """
    gaps = np.zeros(len(steps), int)
    if not len(steps):
        return gaps
    usual = float(np.median(steps))
    tolerance = max(SPACING_TOLERANCE * usual, SPACING_TOLERANCE_MM)
    odd = np.flatnonzero(np.abs(steps - usual) > tolerance)
    if not len(odd):
        return gaps
    multiples = steps[odd] / usual
    whole = np.rint(multiples)
    if not (np.all(whole >= 2) and np.all(np.abs(multiples - whole) < 0.05)):
        return Refusal(
            f"the slices are not evenly spaced: distances go from {steps.min():.2f} "
            f"to {steps.max():.2f} mm, usually {usual:.2f} mm",
            advice="Have the series reconstructed with even spacing",
        )
    missing = float((whole - 1).sum())
    if missing <= allowed:
        gaps[odd] = whole.astype(int) - 1
        return gaps
    word = "slice is" if missing == 1 else "slices are"
    where = ", ".join(f"{int(index) + 1} and {int(index) + 2}" for index in odd[:5])
    return Refusal(
        f"{missing:.0f} {word} missing: the usual distance is {usual:.2f} mm, "
        f"but there is a gap between slices {where} of {len(steps) + 1}",
        advice="Have the missing images sent; the series is then looked at again",
    )


def _tilt(ordered: Planes, places: np.ndarray, *, allowed: bool) -> float | Refusal:
    """Give by how many degrees a stack leans, or refuse it, such as one of a tilted gantry."""
    normal = ordered.normal
    offsets = ordered.positions - ordered.positions[0]
    along = offsets @ normal
    lean = offsets - np.outer(along, normal)
    sideways = np.linalg.norm(lean, axis=1)
    tolerance = SPACING_TOLERANCE_MM + ANGLE_TOLERANCE * np.abs(along)
    if np.all(sideways <= tolerance):
        return 0.0
    worst = int(np.argmax(sideways - tolerance))
    angle = degrees(atan2(float(sideways[worst]), abs(float(along[worst]))))
    even = np.outer(places / places[-1], lean[-1])
    if allowed and np.all(np.linalg.norm(lean - even, axis=1) <= tolerance):
        return angle
    return Refusal(
        f"the slices are shifted sideways against each other, by up to {sideways.max():.1f} mm "
        f"({angle:.1f} degrees, as with a tilted gantry)",
        advice="Have the series reconstructed without tilt",
    )
