"""Collects the windows that a network sees of real images, to find the ranges of its numbers."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from node.engines.engine import open_engine
from node.engines.pipeline import Pipeline

MOST = 16
"""Windows; ranges hardly change after a dozen, and memory does."""


class Seen:
    """A network that remembers a fair sample of what it is shown, and computes only once.

    It answers with its first scores again and again: nobody looks at them, only their shape counts.
    """

    def __init__(self, request: Mapping[str, Any]) -> None:
        """Open the reference network."""
        self._engine = open_engine(
            request["kind"],
            Path(request["weights"]),
            threads=request["threads"],
            network=request["network"],
        )
        self._first: np.ndarray | None = None
        self._chance = np.random.default_rng(0)
        self._count = 0
        self.windows: list[np.ndarray] = []

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Look at a batch [n, channels, x, y, z]."""
        for window in batch:
            self._remember(window[np.newaxis].copy())
        if self._first is None or len(self._first) != len(batch):
            self._first = self._engine.run(batch)
        return self._first

    def _remember(self, window: np.ndarray) -> None:
        """Keep each of the windows seen so far with the same chance, all air ones aside."""
        if window.size > 1 and window.min() == window.max():
            return
        self._count += 1
        if len(self.windows) < MOST:
            self.windows.append(window)
            return
        place = int(self._chance.integers(self._count))
        if place < MOST:
            self.windows[place] = window


def windows_of(request: Mapping[str, Any]) -> list[np.ndarray]:
    """Show the images that the bundle names to its pipeline, and give windows of them.

    Args:
        request: `inputs` are .npz files with `voxels` and `affine`; the rest as the child is told.

    Returns:
        Arrays [1, channels, x, y, z] of float32, 16 at most, the same ones every time.
    """
    pipeline = Pipeline(request["preprocessing"], request["inferer"], request["postprocessing"])
    seen = Seen(request)
    for voxels, affine in _volumes(request["inputs"]):
        grid, _ = pipeline.prepare(voxels, affine)
        pipeline.infer(grid, seen)
    return seen.windows


def _volumes(paths: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for path in paths:
        with np.load(path, allow_pickle=False) as arrays:
            yield arrays["voxels"], arrays["affine"]
