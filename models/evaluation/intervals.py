"""How sure a figure is: bootstrap intervals over patients, or plainly why there is none."""

import math
import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from scipy import stats

Statistic: TypeAlias = Callable[[np.ndarray], float]
"""A figure of some cases, told by their numbers [n] (a case may stand there several times)."""

CONFIDENCE = 0.95
FEW = 10
"""Below so many patients an interval is called what it is: too narrow to be relied upon."""


@dataclass(frozen=True, slots=True)
class Draws:
    """How resamples are drawn."""

    seed: int = 0
    count: int = 2000


def interval(statistic: Statistic, patients: Sequence[Hashable], draws: Draws) -> dict[str, Any]:
    """Give a figure of all cases with its percentile bootstrap interval.

    Patients are drawn, each with all its cases, because cases of one patient are alike; where
    there is one patient only, cases are drawn, and `by` says so.

    Args:
        statistic: the figure; NaN where it is undefined for a draw (one class only), which is left
            out and counted in `undefined`.
        patients: of each case, [cases].
        draws: seed and number.

    Returns:
        `value`, `low`, `high` (None where there is no interval), `by`, `units`, `undefined` (part
        of draws), `note`.
    """
    units = _units(patients)
    by = "patient" if len(set(patients)) > 1 else "case"
    value = statistic(np.arange(len(patients)))
    told = {"value": _plain(value), "low": None, "high": None, "by": by, "units": len(units)}
    if len(units) < 2:
        return {**told, "undefined": 0.0, "note": "one case: no interval can be given"}
    drawn = _drawn(statistic, units, draws)
    known = drawn[np.isfinite(drawn)]
    note = "" if len(units) >= FEW else f"only {len(units)} {by}s: too narrow to be relied upon"
    if by == "case":
        note = f"cases of one patient: says nothing of other patients; {note}".strip("; ")
    if known.size:
        tail = 50.0 * (1.0 - CONFIDENCE)
        low, high = np.percentile(known, [tail, 100.0 - tail])
        told |= {"low": _plain(low), "high": _plain(high)}
    return {**told, "undefined": round(1.0 - known.size / drawn.size, 4), "note": note}


def mean_interval(
    values: Sequence[float], patients: Sequence[Hashable], draws: Draws
) -> dict[str, Any]:
    """Give the mean of values [cases] with its interval; values that are NaN do not count."""
    array = np.asarray(values, dtype=float)
    kept = np.isfinite(array)
    of_kept = [patient for patient, keep in zip(patients, kept, strict=True) if keep]
    if not of_kept:
        return {"absent": "no case has it"}
    array = array[kept]
    return interval(lambda drawn: float(array[drawn].mean()), of_kept, draws)


def _units(patients: Sequence[Hashable]) -> list[np.ndarray]:
    """Give the numbers of the cases that are drawn together."""
    names = list(dict.fromkeys(patients))
    if len(names) == 1:
        return [np.array([number]) for number in range(len(patients))]
    return [np.flatnonzero([one == name for one in patients]) for name in names]


def _drawn(statistic: Statistic, units: Sequence[np.ndarray], draws: Draws) -> np.ndarray:
    def of(numbers: np.ndarray) -> float:
        return statistic(np.concatenate([units[int(number)] for number in numbers]))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SciPy's, of draws that are undefined: they are counted
        result = stats.bootstrap(
            (np.arange(len(units)),),
            of,
            n_resamples=draws.count,
            vectorized=False,
            method="percentile",
            rng=np.random.default_rng(draws.seed),
        )
    return np.asarray(result.bootstrap_distribution)


def _plain(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None
