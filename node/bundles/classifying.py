"""What a bundle says of its classification: which networks vote, on what, and how sure they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np

from node.rules.doubting import Bound

UNCERTAINTY, NOVELTY = "uncertainty", "out_of_distribution"


@dataclass(frozen=True, slots=True)
class Novelty:
    """How far an image is from those that the network was trained on, and how far it may be.

    `by` is "energy" (of the scores) or "features" (Mahalanobis distance; the network gives them
    behind its scores, `statistics` names the .npz of the bundle with their means and precision).
    """

    by: Literal["energy", "features"]
    bound: Bound
    statistics: str = ""


@dataclass(frozen=True, slots=True)
class Classifying:
    """How probabilities come about (`node.engines.classifying` computes them).

    `members` are the weight files of an ensemble (none: the one network), `flips` the views beside
    the plain one, each as the axes that are turned round; `temperature` divides the scores before
    they become probabilities.
    """

    members: tuple[str, ...] = ()
    flips: tuple[tuple[int, ...], ...] = ()
    temperature: float = 1.0
    uncertainty: Bound | None = None
    novelty: Novelty | None = None

    @property
    def bounds(self) -> dict[str, Bound]:
        """The bounds by name of the score."""
        said = {
            UNCERTAINTY: self.uncertainty,
            NOVELTY: self.novelty.bound if self.novelty else None,
        }
        return {name: bound for name, bound in said.items() if bound is not None}

    def as_plain(self, folder: Path) -> Mapping[str, Any]:
        """Give what the child process needs as JSON; `folder` is the bundle's."""
        novelty = self.novelty
        statistics = str(folder / novelty.statistics) if novelty and novelty.statistics else ""
        return {
            "members": [str(folder / name) for name in self.members],
            "flips": [list(axes) for axes in self.flips],
            "temperature": self.temperature,
            "novelty": novelty.by if novelty else "energy",
            "statistics": statistics,
        }


def unfit_statistics(folder: Path, name: str) -> list[str]:
    """Say what is wrong with a bundle's statistics of features; nothing when they can be used."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        return [f"{name} is not inside the bundle"]
    try:
        with np.load(path, allow_pickle=False) as arrays:
            means, precision = arrays["means"], arrays["precision"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        return [f"{name} has no arrays means and precision ({type(error).__name__})"]
    if means.ndim != 2 or precision.shape != (means.shape[1], means.shape[1]):
        return [f"{name}: means must be [classes, features], precision [features, features]"]
    return []
