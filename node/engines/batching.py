"""Feeds an engine no more windows at once than memory allows, and counts what each took."""

from collections.abc import Callable

import numpy as np

from node.engines.engine import Engine


class Batches:
    """An engine with a bound on its batch, and a stopwatch."""

    def __init__(self, engine: Engine, monotonic: Callable[[], float]) -> None:
        """`monotonic` gives seconds."""
        self._engine = engine
        self._monotonic = monotonic
        self.largest = 0
        """How many windows at once at most; 0: as many as come."""
        self.seconds: list[float] = []
        """How long each window took since the last `begin`."""

    def begin(self, largest: int = 0) -> None:
        """Start counting for another volume."""
        self.largest = largest
        self.seconds = []

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Give the network's answer for a batch [n, channels, x, y, z], in parts if need be."""
        size = self.largest or len(batch)
        if len(batch) <= size:
            return self._timed(batch)
        parts = [batch[i : i + size] for i in range(0, len(batch), size)]
        return np.concatenate([self._timed(part) for part in parts])

    def _timed(self, batch: np.ndarray) -> np.ndarray:
        started = self._monotonic()
        scores = self._engine.run(batch)
        self.seconds += [(self._monotonic() - started) / len(batch)] * len(batch)
        return scores
