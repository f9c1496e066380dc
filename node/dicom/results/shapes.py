"""How far a shape reaches: its largest diameter, and the two axes that radiologists draw."""

from dataclasses import dataclass

import numpy as np

_AT_ONCE = 1 << 22
"""Most distances that are held in memory at once."""
_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Line:
    """A line on an image: `start` and `end` as (row, column), pixel centres at whole numbers."""

    start: tuple[float, float]
    end: tuple[float, float]
    length_mm: float


@dataclass(frozen=True, slots=True)
class Axes:
    """Long and short axis of a shape on one slice, at a right angle to each other."""

    slice_index: int
    long_axis: Line
    short_axis: Line


def edges(plane: np.ndarray) -> np.ndarray:
    """Find the pixels of a label map that may be corners of a label's convex hull.

    Args:
        plane: labels [rows, columns], 0 for background.

    Returns:
        bool [rows, columns]: labelled, and with a different neighbour both along the row and along
        the column. Every corner of a hull is such a pixel; most pixels are not.
    """
    along_row = np.ones(plane.shape, bool)
    along_row[:, 1:-1] = (plane[:, 1:-1] != plane[:, :-2]) | (plane[:, 1:-1] != plane[:, 2:])
    along_column = np.ones(plane.shape, bool)
    along_column[1:-1] = (plane[1:-1] != plane[:-2]) | (plane[1:-1] != plane[2:])
    return along_row & along_column & (plane > 0)


def farthest_pair(points: np.ndarray) -> tuple[int, int, float]:
    """Find the two points that are farthest apart, exactly.

    A pair that is farther apart than a known one cannot lie in the ball that the known one spans
    (its two points are a diameter of it), so only points outside need be held against all others.

    Args:
        points: float64 [points, dimensions], at least one.

    Returns:
        The indices of both, and their distance.
    """
    first, second, longest = 0, 0, 0.0
    for _ in range(_ROUNDS):
        distances = np.linalg.norm(points - points[second], axis=1)
        reached = int(distances.argmax())
        if distances[reached] <= longest:
            break
        first, second, longest = second, reached, float(distances[reached])
    left = np.arange(len(points))
    while len(left):
        middle = (points[first] + points[second]) / 2
        outside = np.linalg.norm(points[left] - middle, axis=1) > longest / 2 * (1 + 1e-12)
        left = left[outside]
        some, left = np.split(left, [max(1, _AT_ONCE // len(points))])
        if not len(some):
            break
        squares = (points[some] ** 2).sum(axis=1)[:, None] + (points**2).sum(axis=1)[None, :]
        squares -= 2 * points[some] @ points.T
        here, there = np.unravel_index(int(squares.argmax()), squares.shape)
        distance = float(np.linalg.norm(points[some[here]] - points[there]))
        if distance > longest:
            first, second, longest = int(some[here]), int(there), distance
    return first, second, longest


def axes(plane: np.ndarray, slice_index: int, spacing_mm: tuple[float, float]) -> Axes | None:
    """Draw the longest axis through a shape, and the longest one at a right angle to it.

    Both reach from pixel centre to pixel centre of the shape's convex hull, as RECIST's long and
    short axis do (103339001 and 103340004 SCT, PS3.16 CID 7470).

    Args:
        plane: the shape, bool [rows, columns].
        slice_index: which slice this is.
        spacing_mm: of rows and of columns.

    Returns:
        The axes; None for a shape that is no wider than a pixel in some direction.
    """
    return axes_of(np.argwhere(edges(plane.astype(np.uint8))), slice_index, spacing_mm)


def axes_of(where: np.ndarray, slice_index: int, spacing_mm: tuple[float, float]) -> Axes | None:
    """Draw the same axes, given the edges of the shape: int [points, (row, column)]."""
    if len(where) < 3:
        return None
    points = where.astype(np.float64) * np.array(spacing_mm)
    first, second, length = farthest_pair(points)
    along = (points[second] - points[first]) / length
    across = np.array([-along[1], along[0]])
    turned = np.column_stack([points @ along, points @ across])
    below, above = _hull(turned)
    stops = np.unique(turned[:, 0])
    low = np.interp(stops, below[:, 0], below[:, 1])
    high = np.interp(stops, above[:, 0], above[:, 1])
    widest = int((high - low).argmax())
    width = float(high[widest] - low[widest])
    if width <= 0:
        return None
    ends = [stops[widest] * along + side[widest] * across for side in (low, high)]
    return Axes(
        slice_index,
        _line(points[first], points[second], spacing_mm, length),
        _line(ends[0], ends[1], spacing_mm, width),
    )


def _line(
    start: np.ndarray, end: np.ndarray, spacing_mm: tuple[float, float], length: float
) -> Line:
    tall, wide = spacing_mm
    return Line(
        (float(start[0]) / tall, float(start[1]) / wide),
        (float(end[0]) / tall, float(end[1]) / wide),
        length,
    )


def _hull(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the lower and the upper chain of the convex hull, both from left to right."""
    ordered = points[np.lexsort((points[:, 1], points[:, 0]))]
    return _chain(ordered, 1.0), _chain(ordered, -1.0)


def _chain(ordered: np.ndarray, side: float) -> np.ndarray:
    chain: list[np.ndarray] = []
    for point in ordered:
        while len(chain) > 1 and side * _turn(chain[-2], chain[-1], point) <= 0:
            chain.pop()
        if chain and chain[-1][0] == point[0] and len(chain) == 1:
            if side * (point[1] - chain[0][1]) < 0:
                chain[0] = point
            continue
        chain.append(point)
    return np.array(chain)


def _turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))
