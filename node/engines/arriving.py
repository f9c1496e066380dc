"""Takes a series slice by slice while it arrives, and has its labels soon after the last one.

    arriving = Arriving(pipeline, Geometry(512, 512, affine, first=0), predict)
    arriving.feed(position, voxels)   # in any order, each once; takes a millisecond
    arriving.advance()                # runs the windows that have become complete, if any
    labels = arriving.finish()        # runs the rest

What a bundle does to the whole volume (percentiles, z-scores) cannot begin before the volume is
there, nor can windows that begin at an end that nobody knows yet. Then `why` says so, slices are
kept, and `finish` runs them all; the labels are the same either way.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from node.engines.intake import NotStreamedError
from node.engines.pipeline import Pipeline
from node.engines.streaming import Stream
from node.engines.windows import Predict

Array: TypeAlias = np.ndarray


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the slices of a series lie, as far as it is known when the first of them come.

    `affine` (4 x 4) leads from (position, row, column, 1) to LPS millimetres; positions are whole
    numbers along the slices' normal, from wherever they are counted. `first` and `last` are the
    positions at which the series begins and ends, None for an end that is not known.
    """

    rows: int
    columns: int
    affine: Array
    first: int | None = None
    last: int | None = None


class Arriving:
    """A series on its way to a label map."""

    def __init__(self, pipeline: Pipeline, geometry: Geometry, predict: Predict) -> None:
        """Begin before the first slice.

        Args:
            pipeline: the bundle's steps.
            geometry: where slices will lie.
            predict: the network.
        """
        self._pipeline, self._geometry, self._predict = pipeline, geometry, predict
        shape = (geometry.rows, geometry.columns)
        self.why = pipeline.why_not_streamed(geometry.affine, shape)
        """Why nothing can be run before all slices are there; "" if it can."""
        self._from_last = pipeline.is_from_the_last(geometry.affine, shape)
        begin = geometry.last if self._from_last else geometry.first
        if not self.why and begin is None:
            end = "last" if self._from_last else "first"
            self.why = f"windows begin at the {end} slice, and which one that is is not known"
        self._begin = begin or 0
        self._kept: dict[int, Array] = {}
        self._positions: set[int] = set()
        self._stream: Stream | None = None
        if not self.why:
            first, last = geometry.first, geometry.last
            count = None if first is None or last is None else last - first + 1
            self._stream = pipeline.stream(geometry.affine, shape, predict, count)

    def feed(self, position: int, values: Array) -> None:
        """Take a slice.

        Args:
            position: where it lies, as in the geometry.
            values: [rows, columns], in the units of the volume (in CT: HU); not to be changed
                afterwards.

        Raises:
            NotStreamedError: there is such a slice already, or it lies beyond a known end, or
                it is not as large as was announced.
        """
        if position in self._positions:
            raise NotStreamedError("the same slice came twice")
        if values.shape != (self._geometry.rows, self._geometry.columns):
            raise NotStreamedError("a slice of another size than announced")
        self._positions.add(position)
        if self._stream is None:
            self._kept[position] = values
        else:
            way = self._begin - position if self._from_last else position - self._begin
            self._stream.feed(way, values)

    def advance(self) -> None:
        """Run what has become complete; may take as long as a layer of windows."""
        if self._stream is not None:
            self._stream.advance()

    def advance_once(self) -> bool:
        """Run one layer of windows, if one has become complete; False when none has."""
        return self._stream is not None and self._stream.advance_once()

    def finish(self, affine: Array | None = None) -> Array:
        """Run what is left.

        Args:
            affine: of the whole volume, from (slice, row, column, 1) to LPS millimetres; None for
                the one that was announced.

        Returns:
            The label map, [1, slices, rows, columns].

        Raises:
            NotStreamedError: slices are missing, or the volume lies otherwise than announced;
                it must be run as a whole.
            NotNumbersError: the network's scores are no numbers.
        """
        if not self._positions:
            raise NotStreamedError("no slice has come")
        first = min(self._positions)
        count = max(self._positions) - first + 1
        if count != len(self._positions):
            raise NotStreamedError("slices are missing")
        whole = self._shifted(first) if affine is None else affine
        shape = (count, self._geometry.rows, self._geometry.columns)
        if self._stream is not None:
            return self._pipeline.finish_stream(self._stream, whole, shape)
        voxels = np.stack([self._kept[first + number] for number in range(count)])
        labels, _ = self._pipeline.run(voxels, whole, self._predict)
        return labels

    def _shifted(self, first: int) -> Array:
        shifted = np.array(self._geometry.affine, dtype=np.float64)
        shifted[:3, 3] += first * shifted[:3, 0]
        return shifted
