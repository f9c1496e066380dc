"""How well probabilities tell the sick from the well: AUC, sensitivity, calibration.

Arrays are [cases]: probabilities 0..1 and truths as booleans. Undefined figures are NaN.
"""

import math
from typing import Any

import numpy as np
from sklearn.metrics import brier_score_loss, roc_auc_score, roc_curve

BINS = 10


def auc(probabilities: np.ndarray, truths: np.ndarray) -> float:
    """Give the area under the ROC curve, NaN when all cases are of one kind."""
    if truths.all() or not truths.any():
        return math.nan
    return float(roc_auc_score(truths, probabilities))


def sensitivity(probabilities: np.ndarray, truths: np.ndarray, threshold: float) -> float:
    """Give the part of the sick that are at or above the threshold."""
    return float((probabilities[truths] >= threshold).mean()) if truths.any() else math.nan


def specificity(probabilities: np.ndarray, truths: np.ndarray, threshold: float) -> float:
    """Give the part of the well that are below the threshold."""
    return float((probabilities[~truths] < threshold).mean()) if not truths.all() else math.nan


def brier(probabilities: np.ndarray, truths: np.ndarray) -> float:
    """Give the mean squared difference of probability and truth (Brier 1950)."""
    return float(brier_score_loss(truths.astype(int), probabilities, pos_label=1))


def reliability(probabilities: np.ndarray, truths: np.ndarray) -> list[dict[str, float]]:
    """Give mean probability, part of sick and number of cases of each bin that has any.

    Bins are `BINS` of equal width (Guo et al., ICML 2017).
    """
    bins = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    return [
        {
            "probability": float(probabilities[bins == one].mean()),
            "observed": float(truths[bins == one].mean()),
            "cases": int((bins == one).sum()),
        }
        for one in np.unique(bins)
    ]


def expected_calibration_error(probabilities: np.ndarray, truths: np.ndarray) -> float:
    """Give the mean distance of probability and observation over bins, weighted by cases."""
    return sum(
        abs(one["probability"] - one["observed"]) * one["cases"] / len(truths)
        for one in reliability(probabilities, truths)
    )


def roc_points(probabilities: np.ndarray, truths: np.ndarray) -> dict[str, Any]:
    """Give the ROC curve as lists `false_positive` and `true_positive`; both empty if undefined."""
    if truths.all() or not truths.any():
        return {"false_positive": [], "true_positive": []}
    false_positive, true_positive, _ = roc_curve(truths, probabilities)
    return {
        "false_positive": [round(float(x), 6) for x in false_positive],
        "true_positive": [round(float(x), 6) for x in true_positive],
    }
