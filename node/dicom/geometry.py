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


@dataclass(frozen=True, slots=True)
class Plane:
    """Where one slice lies (PS3.3 C.7.6.2): its first pixel's centre in LPS millimetres.

    `across` is the direction in which columns are counted, `down` the one in which rows are.
    """

    position: np.ndarray
    across: np.ndarray
    down: np.ndarray
    row_spacing: float
    column_spacing: float


@dataclass(frozen=True, slots=True)
class Stack:
    """Slices in the order of the normal: `order` gives their places in the input.

    `affine` is 4x4 and maps (slice, row, column, 1) to LPS millimetres; `spacing_mm` is
    (between slices, between rows, between columns).
    """

    order: tuple[int, ...]
    affine: np.ndarray
    spacing_mm: tuple[float, float, float]


def normal_of(plane: Plane) -> np.ndarray:
    """Give the unit normal of a slice, right-handed: across x down."""
    normal = np.cross(plane.across, plane.down)
    return normal / np.linalg.norm(normal)


def along_normal(planes: Sequence[Plane]) -> np.ndarray:
    """Give each slice's distance along the first one's normal, in millimetres."""
    normal = normal_of(planes[0])
    return np.array([float(plane.position @ normal) for plane in planes])


def orientation_problem(planes: Sequence[Plane]) -> str:
    """Say why the slices are not parallel images with square axes; "" when they are."""
    first = planes[0]
    for plane in planes:
        lengths = np.array([np.linalg.norm(plane.across), np.linalg.norm(plane.down)])
        if np.any(np.abs(lengths - 1) > ANGLE_TOLERANCE):
            return "ImageOrientationPatient is not made of two unit vectors"
        if abs(float(plane.across @ plane.down)) > ANGLE_TOLERANCE:
            return "rows and columns of ImageOrientationPatient are not at a right angle"
        apart = max(
            np.abs(plane.across - first.across).max(), np.abs(plane.down - first.down).max()
        )
        if apart > ANGLE_TOLERANCE:
            return "the slices are not parallel: ImageOrientationPatient differs between them"
    return ""


def stack(planes: Sequence[Plane], thickness: float) -> Stack | Refusal:
    """Put slices with distinct positions in order, or say why they are no regular block.

    `thickness` (mm) stands for the distance between slices when there is only one.
    """
    distances = along_normal(planes)
    order = tuple(int(index) for index in np.argsort(distances, kind="stable"))
    ordered = [planes[index] for index in order]
    problem = _uneven(np.diff(distances[list(order)])) or _sheared(ordered)
    if problem is not None:
        return problem
    first, last = ordered[0], ordered[-1]
    step = thickness * normal_of(first)
    if len(ordered) > 1:
        step = (last.position - first.position) / (len(ordered) - 1)
    affine = np.eye(4)
    affine[:3, 0] = step
    affine[:3, 1] = first.down / np.linalg.norm(first.down) * first.row_spacing
    affine[:3, 2] = first.across / np.linalg.norm(first.across) * first.column_spacing
    affine[:3, 3] = first.position
    spacing = (float(np.linalg.norm(step)), first.row_spacing, first.column_spacing)
    return Stack(order, affine, spacing)


def _uneven(steps: np.ndarray) -> Refusal | None:
    """Refuse slices that are not evenly spaced; say which are missing when that explains it."""
    if not len(steps):
        return None
    usual = float(np.median(steps))
    tolerance = max(SPACING_TOLERANCE * usual, SPACING_TOLERANCE_MM)
    odd = np.flatnonzero(np.abs(steps - usual) > tolerance)
    if not len(odd):
        return None
    multiples = steps[odd] / usual
    whole = np.rint(multiples)
    if np.all(whole >= 2) and np.all(np.abs(multiples - whole) < 0.05):
        missing = int((whole - 1).sum())
        word = "slice is" if missing == 1 else "slices are"
        where = ", ".join(f"{int(index) + 1} and {int(index) + 2}" for index in odd[:5])
        return Refusal(
            f"{missing} {word} missing: the usual distance is {usual:.2f} mm, "
            f"but there is a gap between slices {where} of {len(steps) + 1}",
            advice="Have the missing images sent; the series is then looked at again",
        )
    return Refusal(
        f"the slices are not evenly spaced: distances go from {steps.min():.2f} "
        f"to {steps.max():.2f} mm, usually {usual:.2f} mm",
        advice="Have the series reconstructed with even spacing",
    )


def _sheared(ordered: Sequence[Plane]) -> Refusal | None:
    """Refuse a stack that leans, such as one taken with a tilted gantry."""
    normal = normal_of(ordered[0])
    offsets = np.array([plane.position - ordered[0].position for plane in ordered])
    along = offsets @ normal
    sideways = np.linalg.norm(offsets - np.outer(along, normal), axis=1)
    allowed = SPACING_TOLERANCE_MM + ANGLE_TOLERANCE * np.abs(along)
    if np.all(sideways <= allowed):
        return None
    worst = int(np.argmax(sideways - allowed))
    angle = degrees(atan2(float(sideways[worst]), abs(float(along[worst]))))
    return Refusal(
        f"the slices are shifted sideways against each other, by up to {sideways.max():.1f} mm "
        f"({angle:.1f} degrees, as with a tilted gantry)",
        advice="Have the series reconstructed without tilt",
    )
