"""A series in the model's own process while its slices still arrive: windows run between requests.

Slices lie in a mapped file, each in its slot; the parent says which slots have been filled. When
nothing is asked, complete layers of windows are run, one at a time, so that a request waits for no
more than one. At the end the parent says where the whole volume lies; if that is not what was
announced the answer is why, and the volume has to be looked at as a whole.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from node.engines.arriving import Arriving, Geometry
from node.engines.batching import Batches
from node.engines.engine import Engine, says_out_of_memory
from node.engines.intake import NotStreamedError
from node.engines.pipeline import Pipeline


class Arrivals:
    """One series on its way."""

    def __init__(
        self,
        request: Mapping[str, Any],
        pipeline: Pipeline,
        engine: Engine,
        monotonic: Callable[[], float],
    ) -> None:
        """Begin with no slice.

        Args:
            request: `slices`, a file of an array [slots, rows, columns]; `affine`, from (slot, row,
                column, 1) to LPS millimetres; `first` and `last` slot of the series, or None.
            pipeline: the bundle's steps.
            engine: its network.
            monotonic: gives seconds.
        """
        self._slices = np.load(Path(request["slices"]), mmap_mode="r")
        _, rows, columns = self._slices.shape
        affine = np.array(request["affine"], dtype=np.float64)
        geometry = Geometry(rows, columns, affine, request["first"], request["last"])
        self._batches = Batches(engine, monotonic)
        self._arriving = Arriving(pipeline, geometry, self._batches)
        self._monotonic = monotonic
        self._early = 0.0
        self.why = self._arriving.why
        """Why it cannot be run before all slices are there; "" as long as it can."""

    def feed(self, slots: Sequence[int]) -> None:
        """Take the slices of these slots."""
        try:
            for slot in slots:
                self._arriving.feed(slot, self._slices[slot])
        except NotStreamedError as error:
            self.why = str(error)

    def advance(self) -> bool:
        """Run one layer of windows, if one is complete; False when there is nothing to do."""
        if self.why:
            return False
        started = self._monotonic()
        try:
            return self._arriving.advance_once()
        except Exception as error:
            if not says_out_of_memory(error):
                raise
            self.why = "memory ran out"
            return False
        finally:
            self._early += self._monotonic() - started

    def finish(self, affine: Sequence[Sequence[float]]) -> np.ndarray | None:
        """Run the rest: the label map [1, slices, rows, columns], or None, and `why` says why.

        Raises:
            NotNumbersError: the network's scores are no numbers.
        """
        if self.why:
            return None
        try:
            return self._arriving.finish(np.array(affine, dtype=np.float64))
        except NotStreamedError as error:
            self.why = str(error)
            return None

    @property
    def windows(self) -> int:
        """How many windows were run."""
        return len(self._batches.seconds)

    @property
    def early_seconds(self) -> float:
        """How long the network was at work before it was asked for the rest."""
        return self._early
