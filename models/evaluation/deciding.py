"""Is the model worth acting upon? Operating point by stated costs, and the decision curve."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from dcurves import dca

from models.evaluation.cases import Costs
from models.evaluation.scoring import sensitivity, specificity

THRESHOLDS = np.round(np.arange(0.01, 1.0, 0.01), 2)


def expected_cost(
    probabilities: np.ndarray,
    truths: np.ndarray,
    threshold: float,
    costs: Costs,
    prevalence: float,
) -> float:
    """Give the cost of one patient on average, in the unit of `costs`.

    Args:
        probabilities: [cases], 0..1.
        truths: [cases], booleans, of both kinds.
        threshold: at or above it the model says that it is there.
        costs: of a miss and of a false alarm.
        prevalence: part of patients that have it where the model is used.
    """
    missed = prevalence * (1.0 - sensitivity(probabilities, truths, threshold))
    alarmed = (1.0 - prevalence) * (1.0 - specificity(probabilities, truths, threshold))
    return missed * costs.miss + alarmed * costs.false_alarm


def operating_point(
    probabilities: np.ndarray,
    truths: np.ndarray,
    at: float,
    costs: Costs | None,
    prevalence: float | None,
) -> dict[str, Any]:
    """Find the threshold of the least expected cost, and say what the bundle's own costs.

    Candidates are the probabilities that came out, and 1.01 (never say that it is there); of
    several as cheap the lowest is taken. It is found and judged on the same cases, so its cost is
    flattering.

    Args:
        probabilities: [cases], 0..1.
        truths: [cases].
        at: the bundle's own threshold.
        costs: None when nobody stated any.
        prevalence: None: that of the cases.
    """
    if costs is None:
        return {"absent": "no costs are stated: say what a miss and a false alarm cost"}
    if truths.all() or not truths.any():
        return {"absent": "all cases are of one kind"}
    stated = prevalence is not None
    part = prevalence if prevalence is not None else float(truths.mean())
    candidates = [*np.unique(probabilities), 1.01]
    priced = [expected_cost(probabilities, truths, one, costs, part) for one in candidates]
    best = float(candidates[int(np.argmin(priced))])
    return {
        "costs": costs.model_dump(),
        "prevalence": round(part, 6),
        "prevalence_is": "stated" if stated else "that of the cases, which may be chosen ones",
        "threshold": best,
        "cost": round(min(priced), 6),
        "sensitivity": sensitivity(probabilities, truths, best),
        "specificity": specificity(probabilities, truths, best),
        "bundle_threshold": at,
        "bundle_cost": round(expected_cost(probabilities, truths, at, costs, part), 6),
        "cost_of_never_acting": round(part * costs.miss, 6),
        "cost_of_always_acting": round((1.0 - part) * costs.false_alarm, 6),
        "threshold_if_calibrated": round(_bayes(costs), 6),
    }


def _bayes(costs: Costs) -> float:
    total = costs.miss + costs.false_alarm
    return costs.false_alarm / total if total else 0.5


def decision_curve(
    probabilities: np.ndarray, truths: np.ndarray, prevalence: float | None
) -> dict[str, Any]:
    """Give the net benefit over thresholds of acting on the model, on all and on none.

    By the package dcurves (Vickers and Elkin, Med Decis Making 2006).

    Args:
        probabilities: [cases], 0..1.
        truths: [cases].
        prevalence: None: that of the cases.

    Returns:
        `threshold`, `model`, `all`, `none`, lists of the same length; or {"absent": why}.
    """
    if truths.all() or not truths.any():
        return {"absent": "all cases are of one kind"}
    table = pd.DataFrame({"outcome": truths.astype(int), "model": probabilities})
    curves = dca(
        data=table,
        outcome="outcome",
        modelnames=["model"],
        thresholds=THRESHOLDS,
        prevalence=prevalence,
    )
    told: dict[str, Any] = {"threshold": [float(one) for one in THRESHOLDS]}
    for name in ("model", "all", "none"):
        curve = curves[curves["model"] == name].sort_values("threshold")
        told[name] = _rounded(curve["net_benefit"].tolist())
    return told


def _rounded(values: Sequence[float]) -> list[float | None]:
    return [round(float(one), 6) if np.isfinite(one) else None for one in values]
