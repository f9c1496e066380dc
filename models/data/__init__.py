"""Where training samples come from: images with labels, resampled, cached, cut into patches.

A data set is opened by name: `open_splits("patches", options, seed)`. What each one needs stands in
the module that makes it. Axes are (x, y, z), pointing to the patient's right, front and head (RAS),
as MONAI's `Orientationd` has them in every bundle of the shelf.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

__all__ = ["DATASETS", "Samples", "Splits", "open_splits"]

DATASETS = {
    "patches": "models.data.patches:open_patches",
    "organs": "models.data.organs:open_organs",
}
"""Name of a data set -> module:function that opens it, so that only what is used is imported."""


class Samples(Protocol):
    """A map-style data set whose items depend on seed, epoch and index, and on nothing else."""

    def __len__(self) -> int:
        """Give the number of items of an epoch."""
        ...

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Give `image` (float32 [C, x, y, z]) and `label` (uint8 [1, x, y, z], or a class)."""
        ...

    def set_epoch(self, epoch: int) -> None:
        """Draw other items from now on."""
        ...


@dataclass(frozen=True, slots=True)
class Splits:
    """What a network is trained on and what it is held against.

    `classes` are the names by index, the background first for a segmentation. `provenance` says
    where every sample came from, with sha256 digests, and goes into the model card.
    """

    training: Samples
    validation: Samples
    classes: tuple[str, ...]
    task: Literal["segmentation", "classification"]
    provenance: dict[str, Any] = field(default_factory=dict)


def open_splits(dataset: str, options: Mapping[str, Any], seed: int) -> Splits:
    """Open a data set by its name.

    Raises:
        ValueError: there is no such data set, or an option of it is wrong; the text names it.
    """
    if dataset not in DATASETS:
        raise ValueError(f"no data set is called {dataset}; there are {', '.join(DATASETS)}")
    module, _, function = DATASETS[dataset].partition(":")
    opened: Splits = getattr(importlib.import_module(module), function)(dict(options), seed)
    return opened
