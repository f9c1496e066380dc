"""Outlines masks exactly, along the edges of their pixels, with and without their holes cut open.

A point is (row, column) on the lattice of pixel corners: pixel (r, c) reaches from (r, c) to
(r + 1, c + 1), so its centre is half a pixel further. Pixels that touch at a corner only are apart.
"""

import numpy as np

Loop = np.ndarray
"""Points int64 [points, (row, column)] of a closed line without its first point at the end."""


def outlines(mask: np.ndarray) -> list[Loop]:
    """Give the line around each part of a mask, and around each hole, corners only.

    Args:
        mask: bool [rows, columns].
    """
    points, outer, holes = _traced(mask)
    return [points[cycle] for cycle in outer + holes]


def keyholed(mask: np.ndarray) -> list[Loop]:
    """Give one line around each part of a mask; holes are reached by a channel of no width.

    That is what PS3.3 C.8.8.6.3 asks for in a CLOSED_PLANAR contour. The channel runs along the
    edges of pixels, so that the line encloses exactly the centres of the mask's pixels. It goes
    from a hole's leftmost corner to the left, as far as the part is filled: to its outer line, or
    to a hole that begins further left.

    Args:
        mask: bool [rows, columns].
    """
    points, outer, holes = _traced(mask)
    backwards = [[cycle[0], *cycle[:0:-1]] for cycle in holes]  # around holes the other way
    following = _following([*outer, *backwards], len(points))
    added = _channels(mask, points, backwards, following)
    points = np.concatenate([points, np.array(added, np.int64).reshape(-1, 2)])
    return [points[_walked(cycle[0], following)] for cycle in outer]


def _following(cycles: list[list[int]], size: int) -> list[int]:
    following = [0] * size
    for cycle in cycles:
        for here, there in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            following[here] = there
    return following


def _walked(start: int, following: list[int]) -> list[int]:
    walk, here = [start], following[start]
    while here != start:
        walk.append(here)
        here = following[here]
    return walk


def _channels(
    mask: np.ndarray, points: np.ndarray, holes: list[list[int]], following: list[int]
) -> list[tuple[int, int]]:
    """Lead each hole's line into the one at its left, in `following`; give the points added."""
    owners = _owners(points, following, mask.shape) if holes else np.empty((0, 0))
    doors: dict[int, list[tuple[int, int, int, int]]] = {}
    for cycle in holes:
        corners = points[cycle]
        first = int(np.lexsort((corners[:, 0], corners[:, 1]))[0])
        row, column = (int(at) for at in corners[first])
        gaps = np.flatnonzero(~(mask[row - 1, :column] & mask[row, :column]))
        reached = int(gaps[-1]) + 1 if len(gaps) else 0
        owner = int(owners[row, reached])
        owner = owner if owner >= 0 else int(owners[row - 1, reached])
        doors.setdefault(owner, []).append((row, reached, cycle[first], cycle[first - 1]))
    added: list[tuple[int, int]] = []
    for owner, through in doors.items():
        end = following[owner]
        falling = bool(points[end, 0] < points[owner, 0])
        here = owner
        for row, reached, start, last in sorted(through, reverse=falling):
            new = len(following)
            added += [(row, reached), (int(points[start, 0]), int(points[start, 1]))]
            added.append((row, reached))
            following[here], following[last] = new, new + 1
            following += [start, new + 2, end]
            here = new + 2
    return added


def _owners(points: np.ndarray, following: list[int], shape: tuple[int, ...]) -> np.ndarray:
    """Say of each upright edge between pixels [rows, columns + 1] at which point its line begins.

    -1 where no line runs.
    """
    owners = np.full((shape[0] + 1, shape[1] + 1), -1, np.int64)
    ends = points[np.array(following)]
    for at in np.flatnonzero(points[:, 1] == ends[:, 1]).tolist():
        low, high = sorted((int(points[at, 0]), int(ends[at, 0])))
        owners[low:high, points[at, 1]] = at
    return owners


def _traced(mask: np.ndarray) -> tuple[np.ndarray, list[list[int]], list[list[int]]]:
    """Trace all boundaries, clockwise from their upper left corner.

    Returns:
        The corners [points, (row, column)], and as indices the lines around parts and holes.
    """
    padded = np.pad(mask.astype(bool), 1)
    rows, columns, rising = _corners(padded)
    points = np.column_stack([rows, columns])
    if not len(rows):
        return points, [], []
    # neighbours on a lattice line are the ends of a stretch of boundary, two by two
    beside = _partners(np.arange(len(rows)))
    second = np.zeros(len(rows), np.int8)
    second[1:] = (points[1:] == points[:-1]).all(axis=1)
    upwards = np.where(rising, 1 - second, second)
    below = _partners(np.lexsort((upwards, rows, columns)))
    outer: list[list[int]] = []
    holes: list[list[int]] = []
    for cycle in _cycles(beside.tolist(), below.tolist()):
        row, column = points[cycle[0]]
        (outer if padded[row + 1, column + 1] else holes).append(cycle)
    return points, outer, holes


def _corners(padded: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find where boundaries turn, row by row; where two parts touch a corner is there twice.

    `rising` marks such double corners whose parts lie upper right and lower left.
    """
    up_left, up_right = padded[:-1, :-1], padded[:-1, 1:]
    low_left, low_right = padded[1:, :-1], padded[1:, 1:]
    crossing = (up_left == low_right) & (up_right == low_left) & (up_left != up_right)
    turn = (up_left ^ up_right ^ low_left ^ low_right) | crossing
    rows, columns = np.nonzero(turn)
    times = 1 + crossing[rows, columns]
    rows, columns = np.repeat(rows, times), np.repeat(columns, times)
    return rows, columns, (crossing & up_right)[rows, columns]


def _partners(order: np.ndarray) -> np.ndarray:
    partners = np.empty(len(order), np.intp)
    partners[order[0::2]], partners[order[1::2]] = order[1::2], order[0::2]
    return partners


def _cycles(beside: list[int], below: list[int]) -> list[list[int]]:
    """Follow boundaries, in turn along a row and along a column, until each is closed."""
    left = bytearray(b"\x01") * len(beside)
    found = []
    for start in range(len(beside)):
        if not left[start]:
            continue
        cycle: list[int] = []
        here = start
        while left[here]:
            there = beside[here]
            cycle += (here, there)
            left[here] = left[there] = 0
            here = below[there]
        found.append(cycle)
    return found
