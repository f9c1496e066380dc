"""The tables in the terminal, and what became of what was expected."""

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from bench.writing.cases import Case

OURS_WARM, THEIRS_WARM = "radnode, warm", "highdicom, warm"
OURS, THEIRS, DCMQI = "radnode, process", "highdicom, process", "dcmqi, process"
GATE, MEASURING = "gate, warm", "measuring, warm"
REPORT, THEIR_REPORT = "report, warm", "highdicom report, warm"
ORDER = (OURS_WARM, THEIRS_WARM, OURS, THEIRS, DCMQI, GATE, MEASURING, REPORT, THEIR_REPORT)
BESIDE = {
    THEIRS_WARM: OURS_WARM,
    THEIRS: OURS,
    DCMQI: OURS,
    THEIR_REPORT: REPORT,
}
"""Which of ours each peer is set beside: warm to warm, process to process."""


@dataclass(slots=True)
class Record:
    """Raw figures of one run; `above_mb` only of those that live on, above what they held."""

    round: int
    case: str
    writer: str
    seconds: float
    cpu: float
    peak_mb: float
    above_mb: float | None
    size: int


@dataclass(frozen=True, slots=True)
class Expected:
    """A ratio of CPU time, or a time, that is expected, and what was measured."""

    what: str
    bound: float
    measured: float

    @property
    def met(self) -> bool:
        """Whether it is within the bound."""
        return self.measured <= self.bound


def show(case: Case, records: Sequence[Record]) -> None:
    """Print a case's block: medians over the rounds, ratios of CPU time within each round."""
    here = [one for one in records if one.case == case.title]
    print(f"\n{case.title}")
    heads = ("wall s", "CPU s", "peak MB", "above MB", "MB written", "CPU x ours [range]")
    print(f"  {'':24}" + "".join(f"{head:>12}" for head in heads[:5]) + f"  {heads[5]}")
    for name in ORDER:
        runs = [one for one in here if one.writer == name]
        if not runs:
            continue
        middle = [
            _median(runs, lambda one: one.seconds),
            _median(runs, lambda one: one.cpu),
            _median(runs, lambda one: one.peak_mb),
            _median(runs, lambda one: one.above_mb or 0.0),
            _median(runs, lambda one: one.size / 1e6),
        ]
        said = ""
        if name in BESIDE:
            ratios = _ratios(here, name, BESIDE[name])
            said = f"{statistics.median(ratios):.2f} [{min(ratios):.2f}-{max(ratios):.2f}]"
        print(f"  {name:24}" + "".join(f"{value:>12.2f}" for value in middle) + f"  {said}")


def _median(runs: Iterable[Record], what: Callable[[Record], float]) -> float:
    return statistics.median(what(one) for one in runs)


def _ratios(records: Sequence[Record], name: str, other: str) -> list[float]:
    """Give the ratio of CPU times inside each round."""
    cpu = {(one.round, one.writer): one.cpu for one in records}
    rounds = sorted({one.round for one in records})
    return [cpu[number, name] / cpu[number, other] for number in rounds]


def judged(cases: Sequence[Case], records: Sequence[Record]) -> Iterator[Expected]:
    """Hold what was measured against what was expected (CPU time, ratios within each round)."""
    bounds = {5: (0.5, 0.5), 104: (0.2, 0.25)}
    for case in cases:
        here = [one for one in records if one.case == case.title]
        names = {one.writer for one in here}
        theirs, dcmqis = bounds.get(case.segments, (1.0, 1.0))
        for ours, other, bound in (
            (OURS_WARM, THEIRS_WARM, theirs),
            (OURS_WARM, DCMQI, dcmqis),
            (OURS, THEIRS, 1.0),
            (OURS, DCMQI, 1.0),
        ):
            if other in names:
                ratio = statistics.median(_ratios(here, ours, other))
                yield Expected(f"{case.title}: {ours} of {other}", bound, ratio)
        if MEASURING in names:
            took = _median([one for one in here if one.writer == MEASURING], lambda one: one.cpu)
            yield Expected(f"{case.title}: measured in CPU seconds", 2.0, took)
