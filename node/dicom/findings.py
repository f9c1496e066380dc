"""What a model found in a volume, as plain numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, slots=True)
class Findings:
    """What a model found.

    `labels` is a label map on the grid of the source images: uint8 or uint16
    [slices, rows, columns], 0 for background; None when the model makes none. `probabilities`
    goes from a classification's name to 0..1, `seconds` from a step to how long it took, `facts`
    tells engine, device, precision and the like. `scores` say how sure the model is of its
    probabilities (`node.engines.classifying`): uncertainty 0..1, disagreement 0..1,
    out_of_distribution; larger is worse.
    """

    labels: np.ndarray | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)


def voxel_counts(labels: np.ndarray, labels_known: int = 0) -> np.ndarray:
    """Count the voxels of each label of a label map; `counts[label]`, background included.

    The answer reaches at least up to the label `labels_known`, with 0 for those not there.
    """
    found = labels[labels > 0]  # background is most of it, and counted fastest by not counting
    counts = np.bincount(found, minlength=labels_known + 1)
    counts[0] = labels.size - found.size
    return counts
