"""Do two ways of measuring a volume agree? Bland and Altman's bias and limits of agreement."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

FEWEST = 3
"""With fewer pairs limits of agreement mean nothing."""


def bland_altman(found: Sequence[float], reference: Sequence[float]) -> dict[str, Any]:
    """Compare volumes found with those of the reference (Bland and Altman, Lancet 1986).

    Args:
        found: millilitres, [cases].
        reference: millilitres, [cases].

    Returns:
        `bias` (mean of found minus reference), `sd` of the differences, `lower` and `upper` limits
        of agreement (bias -/+ 1.96 sd), 95 % intervals of all three by Student's t, the `points`
        as pairs of mean and difference; or {"absent": why}.
    """
    pairs = np.column_stack([np.asarray(found, float), np.asarray(reference, float)])
    points = [[round(float(a + b) / 2, 4), round(float(a - b), 4)] for a, b in pairs]
    count = len(points)
    if count < FEWEST:
        return {"absent": f"{count} pairs; limits of agreement need {FEWEST}", "points": points}
    differences = pairs[:, 0] - pairs[:, 1]
    bias, sd = float(differences.mean()), float(differences.std(ddof=1))
    limits = bias - 1.96 * sd, bias + 1.96 * sd
    t = float(stats.t.ppf(0.975, count - 1))
    around_bias, around_limit = t * sd / math.sqrt(count), t * sd * math.sqrt(3.0 / count)
    return {
        "bias": round(bias, 6),
        "sd": round(sd, 6),
        "lower": round(limits[0], 6),
        "upper": round(limits[1], 6),
        "bias_interval": _around(bias, around_bias),
        "lower_interval": _around(limits[0], around_limit),
        "upper_interval": _around(limits[1], around_limit),
        "pairs": count,
        "points": points,
    }


def _around(value: float, half: float) -> list[float]:
    return [round(value - half, 6), round(value + half, 6)]
