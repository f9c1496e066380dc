"""Takes slices in any order and gives the network's planes, in order, as far as they are known.

Each slice is resampled in its own plane when it comes. Between slices there is nothing but one
multiplication and addition left, which waits for its neighbour.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from node.engines.gridding import COLUMNS, ROWS, Gridding
from node.engines.resampling import Line, between, plane

Array: TypeAlias = np.ndarray


class NotStreamedError(ValueError):
    """What came is not what was announced: the volume must be run as a whole."""


class Intake:
    """Slices in, planes out."""

    def __init__(self, gridding: Gridding, early: Callable[[Array], Array]) -> None:
        """Begin with no slice.

        Args:
            gridding: where the network's planes lie; its number of slices may be a guess.
            early: what is done to the grey values of each slice first.
        """
        self._early = early
        self._rows, self._columns = (gridding.tracks[i].there() for i in (ROWS, COLUMNS))
        self._columns_first = gridding.columns_first
        self._line: Line = gridding.arrivals()
        self._waiting: dict[int, Array] = {}
        self._first_kept = 0
        self._known = 0
        self.made = 0
        """How many planes have been given."""

    def put(self, number: int, values: Array) -> None:
        """Take a slice.

        Args:
            number: counted from the end where the network's grid begins, from 0.
            values: [rows, columns].

        Raises:
            NotStreamedError: it has been taken before.
        """
        if number < self._known or number in self._waiting:
            raise NotStreamedError("the same slice came twice")
        made = plane(self._early(values), self._rows, self._columns)
        self._waiting[number] = made if self._columns_first else made.T
        while self._known in self._waiting:
            self._known += 1

    @property
    def known(self) -> int:
        """How many slices are there without a gap."""
        return self._known

    @property
    def has_gap(self) -> bool:
        """Whether slices are there behind one that is missing."""
        return any(number >= self._known for number in self._waiting)

    def reach(self) -> int:
        """Say how many planes can be made of the slices that are there without a gap."""
        highs = self._line.high
        return int(np.searchsorted(highs, self._known, side="left"))

    def end(self, gridding: Gridding) -> None:
        """Say where planes lie now that the number of slices is known."""
        self._line = gridding.arrivals()

    def take(self, number: int) -> Array:
        """Make the next planes: [planes, a, b] of float32, a and b the grid's other two axes."""
        first = self.made
        some = next(iter(self._waiting.values()))
        out = np.empty((number, *some.shape), dtype=np.float32)
        for k in range(number):
            self._make(first + k, out[k])
        self.made += number
        if self.made < len(self._line):
            self._let_go(int(self._line.low[self.made]))
        return out

    def _make(self, j: int, out: Array) -> None:
        low, high = int(self._line.low[j]), int(self._line.high[j])
        if self._line.weight is None or self._line.weight[j] == 0:
            out[...] = self._waiting[low]
        else:
            out[...] = between(self._waiting[low], self._waiting[high], self._line.weight[j])

    def _let_go(self, before: int) -> None:
        while self._first_kept < min(before, self._known):
            self._waiting.pop(self._first_kept, None)
            self._first_kept += 1


class Ready:
    """Planes of a volume that lies on the network's grid already."""

    def __init__(self, image: Array, axis: int, count: int) -> None:
        """Take [x, y, z]; planes follow each other along `axis`; `count` slices it was made of."""
        self._planes = np.moveaxis(image, axis, 0)
        self.known, self.has_gap, self.made = count, False, 0

    def put(self, number: int, values: Array) -> None:  # noqa: ARG002
        """Refuse: all slices are there."""
        raise NotStreamedError("all slices were there from the start")

    def reach(self) -> int:
        """Say how many planes there are."""
        return len(self._planes)

    def end(self, gridding: Gridding) -> None:
        """Nothing changes."""

    def take(self, number: int) -> Array:
        """Give the next planes, [planes, a, b]."""
        self.made += number
        return self._planes[self.made - number : self.made]
