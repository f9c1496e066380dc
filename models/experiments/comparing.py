"""Says how far two arms of an experiment differ, how sure that is, and what becomes of the claim.

Arms are compared within a seed, on the same cases. Two intervals are given: Student's over the
differences of the seeds, by which the verdict goes because it is honest with few of them; and a
bootstrap that draws seeds, and cases within each. Both are of 95 %.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from scipy import stats

Difference = Callable[[int, np.ndarray], float]
"""Takes the number of a seed and of cases in it [n], gives how far the arms differ there."""

DRAWS = 1000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Claim:
    """What was claimed of a difference: a number in its unit.

    `null` is what no effect would be. `kind` is "size"; "at most", where the claim is that it is
    not more than that; or "direction", where only the sign of `value` counts.
    """

    value: float
    unit: str
    null: float = 0.0
    kind: Literal["size", "at most", "direction"] = "size"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two arms differ by, over seeds; None where one seed gives no interval.

    `low` and `high` are Student's interval, `drawn_low` and `drawn_high` the bootstrap's.
    """

    what: str
    claim: Claim | None
    per_seed: tuple[float, ...]
    value: float
    low: float | None
    high: float | None
    drawn_low: float
    drawn_high: float
    verdict: str

    def as_plain(self) -> dict[str, Any]:
        """Give everything for JSON."""
        return asdict(self)


def compared(
    what: str, difference: Difference, cases: Sequence[int], claim: Claim | None = None
) -> Comparison:
    """Compare two arms.

    Args:
        what: is compared with what.
        difference: between the arms; undefined (NaN) draws are left out.
        cases: how many there are in each seed.
        claim: what was claimed, if anything.
    """
    whole = [difference(seed, np.arange(n)) for seed, n in enumerate(cases)]
    value = float(np.mean(whole))
    low, high = student(whole)
    drawn = _drawn(difference, cases)
    drawn_low, drawn_high = np.nanpercentile(drawn, [2.5, 97.5])
    rounded = [round(v, 5) for v in (value, float(drawn_low), float(drawn_high))]
    return Comparison(
        what,
        claim,
        tuple(round(v, 5) for v in whole),
        rounded[0],
        low,
        high,
        rounded[1],
        rounded[2],
        verdict(low, high, claim) if claim else "",
    )


def student(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Give Student's interval of the mean of values; with fewer than two there is none."""
    if len(values) < 2:
        return None, None
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
    reach = float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(values) - 1)) * spread
    reach /= math.sqrt(len(values))
    return round(mean - reach, 5), round(mean + reach, 5)


def verdict(low: float | None, high: float | None, claim: Claim) -> str:
    """Say what becomes of a claim, given the interval of what was measured."""
    if low is None or high is None:
        return "one seed: no verdict"
    if claim.kind == "at most":
        return _bounded(low, high, claim.value)
    if low <= claim.null <= high:
        return "not shown"
    up = claim.value > claim.null
    if (low > claim.null) is not up:
        return "contradicted"
    if claim.kind == "direction":
        return "shown"
    return _sized((low, high) if up else (high, low), claim, up=up)


def _sized(interval: tuple[float, float], claim: Claim, *, up: bool) -> str:
    """Hold the size against the claimed one; the interval begins where there is no effect."""
    near, far = interval if up else (-interval[0], -interval[1])
    size = claim.value if up else -claim.value
    if far < size:
        return "shown, but smaller than claimed"
    if near > size:
        return "shown, and larger than claimed"
    return "shown; the claimed size is within the interval"


def _bounded(low: float, high: float, most: float) -> str:
    if high <= most:
        return "shown: not more than claimed"
    return "contradicted" if low > most else "not shown"


def auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Give the area under the ROC curve (ties count half), NaN with one class only.

    Args:
        scores: [n], the higher the more positive.
        positive: bool [n].
    """
    ranks = stats.rankdata(scores)
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return math.nan
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def _drawn(difference: Difference, cases: Sequence[int]) -> np.ndarray:
    """Draw seeds, and cases within each, and give the mean difference of each draw."""
    chance = np.random.default_rng(0)
    found = np.empty(DRAWS)
    for draw in range(DRAWS):
        seeds = chance.integers(len(cases), size=len(cases))
        each = [difference(int(s), chance.integers(cases[s], size=cases[s])) for s in seeds]
        found[draw] = np.mean(each)
    return found
