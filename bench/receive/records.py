"""What one run of one condition to one receiver gave, and medians and ratios of many of them."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Record:
    """Raw figures of one run; `error` is empty when it went through.

    `arrived` is what the receiver holds of it afterwards (-1: something else too); None where
    nothing was stored. `all_seconds` is with preparing, syncing and counting. `cpu_ms` is the
    receiver's, per instance, echo or association.
    """

    round: int
    condition: str
    receiver: str
    count: int = 0
    seconds: float = 0.0
    all_seconds: float = 0.0
    size: int = 0
    cpu_ms: float = 0.0
    resident_mb: float = 0.0
    arrived: int | None = None
    error: str = ""
    answers_us: list[int] = field(default_factory=list)
    set_ups_us: list[int] = field(default_factory=list)
    wholes_us: list[int] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Instances (echoes, associations) a second, from connecting to released."""
        return self.count / self.seconds

    @property
    def megabytes_per_second(self) -> float:
        """Megabytes (10^6 bytes) of data sets a second."""
        return self.size / self.seconds / 1e6


Measure = Callable[[Record], float]


@dataclass(frozen=True, slots=True)
class Spread:
    """A median and its range over the rounds; NaN where there is none."""

    median: float = math.nan
    least: float = math.nan
    most: float = math.nan


def percentile(values: Sequence[int], part: float) -> float:
    """Give the value below which `part` of the values lie, in milliseconds from microseconds."""
    if not values:
        return math.nan
    return sorted(values)[min(len(values) - 1, int(part * len(values)))] / 1e3


def answer(part: float) -> Measure:
    """Measure a percentile of the answers to C-STORE or C-ECHO, in milliseconds."""
    return lambda record: percentile(record.answers_us, part)


def set_up(part: float) -> Measure:
    """Measure a percentile of connecting and associating, in milliseconds."""
    return lambda record: percentile(record.set_ups_us, part)


def whole(part: float) -> Measure:
    """Measure a percentile of an association from connecting to released, in milliseconds."""
    return lambda record: percentile(record.wholes_us, part)


def of(records: Iterable[Record], condition: str, receiver: str) -> list[Record]:
    """Give the runs that went through, one a round at most."""
    return [
        one
        for one in records
        if (one.condition, one.receiver, one.error) == (condition, receiver, "")
    ]


def spread(values: Iterable[float]) -> Spread:
    """Give median and range of what is a number."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return Spread()
    return Spread(statistics.median(known), min(known), max(known))


def paired(ours: Sequence[Record], theirs: Sequence[Record], measure: Measure) -> Spread:
    """Give the ratio ours : theirs inside each round that both went through."""
    by_round = {one.round: measure(one) for one in theirs}
    return spread(
        measure(one) / by_round[one.round] for one in ours if by_round.get(one.round, 0) > 0
    )
