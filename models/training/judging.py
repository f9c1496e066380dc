"""Judges a network on the images that it is held against, while it is being trained.

These figures choose the best weights and stop a run in time. `models.evaluation` is what a model
is reported with.
"""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.metrics import roc_auc_score


class SegmentationJudge:
    """Adds up Dice of each class over the voxels of all images together.

    Pooled, a class that is wrongly seen in an image without it counts against the network, and an
    image that shows a sliver of it counts little; a mean over images would do neither.
    """

    monitor = "dice"

    def __init__(self, classes: Sequence[str]) -> None:
        """Begin with nothing; class 0 is the background and is not judged."""
        self._classes = tuple(classes)
        self._counts = np.zeros((3, len(classes)), np.int64)

    def add(self, logits: torch.Tensor, label: torch.Tensor) -> None:
        """Add images: logits [N, K, *S], reference [N, 1, *S]."""
        found = logits.argmax(1).flatten()
        truth = label.flatten().to(found.dtype)
        sizes = (found[found == truth], found, truth)
        number = len(self._classes)
        self._counts += np.stack([_histogram(voxels, number) for voxels in sizes])

    def figures(self) -> dict[str, float | None]:
        """Give `dice` (the mean) and `dice/CLASS`, 0 to 1; None where neither side has it."""
        both, found, truth = self._counts
        of = {
            f"dice/{name}": float(2 * both[i] / (found[i] + truth[i]))
            if found[i] + truth[i]
            else None
            for i, name in enumerate(self._classes)
            if i > 0
        }
        present = [value for value in of.values() if value is not None]
        return {"dice": float(np.mean(present)) if present else None, **of}


class ClassificationJudge:
    """Gathers probabilities and gives the area under the ROC curve and the accuracy."""

    monitor = "auc"

    def __init__(self, classes: Sequence[str]) -> None:
        """Begin with nothing."""
        self._classes = tuple(classes)
        self._chances: list[np.ndarray] = []
        self._truth: list[np.ndarray] = []

    def add(self, logits: torch.Tensor, label: torch.Tensor) -> None:
        """Add images: logits [N, K], reference [N]."""
        self._chances.append(logits.float().softmax(1).cpu().numpy())
        self._truth.append(label.flatten().cpu().numpy())

    def figures(self) -> dict[str, float | None]:
        """Give `auc` (one against the rest, mean over the classes that there are) and `accuracy`.

        `auc` is None where all images are of one class.
        """
        chances, truth = np.concatenate(self._chances), np.concatenate(self._truth)
        areas = {
            f"auc/{name}": float(roc_auc_score(truth == i, chances[:, i]))
            for i, name in enumerate(self._classes)
            if 0 < np.count_nonzero(truth == i) < len(truth)
        }
        accuracy = float(np.mean(chances.argmax(1) == truth))
        auc = float(np.mean(list(areas.values()))) if areas else None
        return {"auc": auc, "accuracy": accuracy, **areas}


Judge = SegmentationJudge | ClassificationJudge


def judge(task: str, classes: Sequence[str]) -> Judge:
    """Give the judge of a task."""
    return SegmentationJudge(classes) if task == "segmentation" else ClassificationJudge(classes)


def _histogram(voxels: torch.Tensor, number: int) -> np.ndarray:
    return torch.bincount(voxels, minlength=number)[:number].cpu().numpy()
