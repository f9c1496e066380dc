"""Finds runs of equal labels in the rows of a label map: few, however many voxels there are."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_AT_ONCE = 1 << 22
"""Bytes of a label map that are looked at together."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of one label in a row, background left out; arrays of one length, one value a run.

    `plane`, `row` and `column` are those of a run's first voxel in what was looked at.
    """

    label: np.ndarray
    plane: np.ndarray
    row: np.ndarray
    column: np.ndarray
    length: np.ndarray

    @property
    def row_sum(self) -> np.ndarray:
        """The sum of the row indices of each run's voxels."""
        return self.row * self.length

    @property
    def column_sum(self) -> np.ndarray:
        """The sum of the column indices of each run's voxels."""
        return self.column * self.length + self.length * (self.length - 1) // 2


def all_runs(labels: np.ndarray) -> Iterator[tuple[int, Runs]]:
    """Give the runs of a label map [slices, rows, columns], some planes after the other.

    Yields:
        The index of the first plane of some, and their runs, whose `plane` counts from it.
    """
    step = max(1, _AT_ONCE // max(1, labels[0].nbytes)) if len(labels) else 1
    for start in range(0, len(labels), step):
        yield start, runs(labels[start : start + step])


def runs(planes: np.ndarray) -> Runs:
    """Find the runs in planes [planes, rows, columns] of unsigned integers."""
    _, rows, columns = planes.shape
    lines = np.ascontiguousarray(planes).reshape(-1, columns)
    filled = filled_lines(lines)
    lines = lines[filled]
    begins = np.ones(lines.shape, bool)
    np.not_equal(lines[:, 1:], lines[:, :-1], out=begins[:, 1:])
    start = np.flatnonzero(begins)
    length = np.diff(start, append=lines.size)
    label = lines.ravel()[start]
    inside = np.flatnonzero(label)
    line, column = np.divmod(start[inside], columns)
    plane, row = np.divmod(filled[line], rows)
    return Runs(label[inside], plane, row, column, length[inside])


def filled_lines(lines: np.ndarray) -> np.ndarray:
    """Give the indices of the lines [lines, bytes or voxels] in which anything is not 0."""
    wide = lines.shape[1] * lines.itemsize
    words = lines.view(np.uint64) if wide and wide % 8 == 0 else lines
    return np.flatnonzero(np.bitwise_or.reduce(words, axis=1))
