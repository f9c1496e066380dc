"""Has networks classify a volume: several views, several networks, one calibrated answer.

Every network looks at every view; scores are divided by the temperature (Guo et al., ICML 2017)
and become probabilities by the bundle's own postprocessing; these are averaged (Lakshminarayanan
et al., NeurIPS 2017; Wang et al., Neurocomputing 2019). With the answer come

* uncertainty: entropy of the averaged probabilities, 0 (sure) to 1 (all classes alike); of classes
  that do not exclude each other, that of the least sure one;
* disagreement: what of it comes from networks and views contradicting each other (mutual
  information, Depeweg et al., ICML 2018), where there are several;
* out_of_distribution: negative free energy of the scores (Liu et al., NeurIPS 2020; summed over
  classes where they do not exclude each other, Wang et al., NeurIPS 2021), or the Mahalanobis
  distance of the network's features to the nearest class (Lee et al., NeurIPS 2018). Larger is
  stranger.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from node.engines.pipeline import Pipeline
from node.engines.spatial import Grid
from node.engines.streaming import Laps
from node.engines.upright import standing
from node.engines.windows import NotNumbersError, Predict

Array: TypeAlias = np.ndarray


@dataclass(frozen=True, slots=True)
class Answer:
    """Probabilities [classes], what else was scored, by name, and the seconds of each part."""

    probabilities: Array
    scores: Mapping[str, float]
    seconds: Mapping[str, float]


class Classifier:
    """A bundle's networks and what it says of them."""

    def __init__(
        self,
        pipeline: Pipeline,
        settings: Mapping[str, Any],
        monotonic: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Take `node.bundles.classifying.Classifying.as_plain`; `monotonic` gives seconds.

        Raises:
            OSError: the statistics of features cannot be read.
            KeyError: they lack `means` or `precision`.
            ValueError: these do not fit each other.
        """
        self._pipeline = pipeline
        self._monotonic = monotonic
        self._views = [(), *(tuple(axes) for axes in settings["flips"])]
        self._temperature = np.float32(settings["temperature"])
        self._features = None
        if settings["novelty"] == "features":
            self._features = Features(Path(settings["statistics"]))

    def run(self, voxels: Array, affine: Array, members: Sequence[Predict]) -> Answer:
        """Classify.

        Args:
            voxels: [slices, rows, columns].
            affine: 4 x 4, from (slice, row, column, 1) to LPS millimetres.
            members: the networks.

        Raises:
            NotNumbersError: scores are no numbers.
            ValueError: networks give different numbers of scores, or none beside the features.
        """
        laps = Laps(self._monotonic)
        with laps.lap("preprocessing"):
            grid, undos = self._pipeline.prepare(*standing(voxels, affine))
        with laps.lap("network"):
            looks = [self._scores(grid, view, one) for one in members for view in self._views]
        scores = np.stack(looks)
        count = scores.shape[1] - (self._features.count if self._features else 0)
        if count < 1:
            raise ValueError(f"{scores.shape[1]} values, and no more features than that")
        with laps.lap("postprocessing"):
            logits, features = scores[:, :count], scores[:, count:]
            votes = np.stack(
                [self._pipeline.finish(one / self._temperature, undos).ravel() for one in logits]
            )
            told = self._judged(votes, logits, features)
        return Answer(votes.mean(axis=0), told, laps.seconds)

    def _scores(self, grid: Grid, view: Sequence[int], predict: Predict) -> Array:
        axes = tuple(axis - self._pipeline.dimensions for axis in view)
        turned = np.flip(grid.voxels, axes) if axes else grid.voxels
        scores = self._pipeline.infer(Grid(turned, grid.affine), predict).ravel()
        if not np.isfinite(scores).all() or not scores.size:
            raise NotNumbersError("scores that are no numbers (NaN), or none at all")
        return scores

    def _judged(self, votes: Array, logits: Array, features: Array) -> dict[str, float]:
        activation = self._pipeline.activation
        exclusive = activation == "softmax" or (not activation and _sum_to_one(votes))
        whole = entropy(votes.mean(axis=0), exclusive=exclusive)
        told = {"uncertainty": float(whole.max())}
        if len(votes) > 1:
            each = np.stack([entropy(one, exclusive=exclusive) for one in votes])
            told["disagreement"] = float((whole - each.mean(axis=0)).max().clip(0.0))
        if self._features is not None:
            told["out_of_distribution"] = float(np.mean(self._features.distances(features)))
        elif activation:
            told["out_of_distribution"] = float(
                energy(logits, float(self._temperature), exclusive=exclusive).mean()
            )
        return told


class Features:
    """Where a network's features lie for images of each class that it was trained on."""

    def __init__(self, path: Path) -> None:
        """Read an .npz with `means` [classes, features] and `precision` [features, features].

        Raises:
            OSError: it cannot be read.
            KeyError: one of them is not there.
            ValueError: they do not fit each other.
        """
        with np.load(path, allow_pickle=False) as arrays:
            self._means = arrays["means"].astype(np.float64)
            self._precision = arrays["precision"].astype(np.float64)
        self.count = self._means.shape[1] if self._means.ndim == 2 else 0
        if not self.count or self._precision.shape != (self.count, self.count):
            raise ValueError(f"{path.name}: means {self._means.shape} do not fit the precision")

    def distances(self, features: Array) -> Array:
        """Give the Mahalanobis distance of each row [n, features] to the nearest class."""
        apart = features[:, np.newaxis].astype(np.float64) - self._means
        squared = np.einsum("ncf,fg,ncg->nc", apart, self._precision, apart)
        return np.asarray(np.sqrt(np.clip(squared, 0.0, None)).min(axis=1))


def entropy(probabilities: Array, *, exclusive: bool) -> Array:
    """Give the entropy of probabilities [classes] as a part of the largest possible one.

    Returns:
        [1] for classes of which one is true, else [classes], of each class for itself.
    """
    one = probabilities.astype(np.float64)
    if exclusive:
        return np.atleast_1d(_surprise(one).sum() / np.log(max(len(one), 2)))
    return (_surprise(one) + _surprise(1.0 - one)) / np.log(2.0)


def _sum_to_one(votes: Array) -> bool:
    return votes.shape[1] > 1 and bool(np.allclose(votes.sum(axis=1), 1.0, atol=1e-3))


def _surprise(probabilities: Array) -> Array:
    """Give -p log p, which is 0 for 0."""
    safe = np.where(probabilities > 0, probabilities, 1.0)
    return np.asarray(-safe * np.log(safe))


def energy(scores: Array, temperature: float, *, exclusive: bool) -> Array:
    """Give the free energy of scores [n, classes] at a temperature; larger is stranger."""
    scaled = scores.astype(np.float64) / temperature
    if exclusive:
        return np.asarray(-temperature * np.logaddexp.reduce(scaled, axis=1))
    return np.asarray(-temperature * np.logaddexp(0.0, scaled).sum(axis=1))
