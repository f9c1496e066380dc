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
UNLIKE = " (unlike)"
"""Of a comparison of one that lives on with one that starts for every file."""


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


TIMES: dict[str, Callable[[Record], float]] = {
    "CPU": lambda one: one.cpu,
    "wall": lambda one: one.seconds,
}


@dataclass(frozen=True, slots=True)
class Expected:
    """A ratio of times, or a time, that is expected, and what was measured."""

    what: str
    bound: float
    measured: float

    @property
    def met(self) -> bool:
        """Whether it is within the bound."""
        return self.measured <= self.bound


def show(case: Case, records: Sequence[Record]) -> None:
    """Print a case's block: medians over the rounds, ratios of times within each round."""
    here = [one for one in records if one.case == case.title]
    print(f"\n{case.title}")
    heads = ("wall s", "CPU s", "peak MB", "above MB", "MB written")
    print(
        f"  {'':24}"
        + "".join(f"{head:>12}" for head in heads)
        + f"  {'CPU x ours [range]':18}  wall x ours [range]"
    )
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
            parts = []
            for what in TIMES.values():
                ratios = _ratios(here, name, BESIDE[name], what)
                low, high = min(ratios), max(ratios)
                parts.append(f"{statistics.median(ratios):.2f} [{low:.2f}-{high:.2f}]")
            said = "  ".join(f"{part:18}" for part in parts).rstrip()
        print(f"  {name:24}" + "".join(f"{value:>12.2f}" for value in middle) + f"  {said}")


def _median(runs: Iterable[Record], what: Callable[[Record], float]) -> float:
    return statistics.median(what(one) for one in runs)


def _ratios(
    records: Sequence[Record], name: str, other: str, what: Callable[[Record], float]
) -> list[float]:
    """Give the ratio of two writers inside each round."""
    spent = {(one.round, one.writer): what(one) for one in records}
    rounds = sorted({one.round for one in records})
    return [spent[number, name] / spent[number, other] for number in rounds]


def judged(cases: Sequence[Case], records: Sequence[Record]) -> Iterator[Expected]:
    """Hold what was measured against what was expected, in CPU and in wall time.

    Like is held against like: a process that starts, imports and writes once against another, and
    one that lives on against another. dcmqi has no form that lives on, so a node's warm writer
    beside it is shown for what it is: the one pays for its start, and the other does not.
    """
    bounds = {5: (0.5, 0.5), 104: (0.2, 0.25)}
    for case in cases:
        here = [one for one in records if one.case == case.title]
        names = {one.writer for one in here}
        theirs, dcmqis = bounds.get(case.segments, (1.0, 1.0))
        for ours, other, bound, note in (
            (OURS_WARM, THEIRS_WARM, theirs, ""),
            (OURS, THEIRS, theirs, ""),
            (OURS, DCMQI, dcmqis, ""),
            (OURS_WARM, DCMQI, dcmqis, UNLIKE),
        ):
            if other not in names:
                continue
            for measure, what in TIMES.items():
                ratio = statistics.median(_ratios(here, ours, other, what))
                yield Expected(f"{case.title}: {measure} of {ours} to {other}{note}", bound, ratio)
        if MEASURING in names:
            for measure, what in TIMES.items():
                took = _median([one for one in here if one.writer == MEASURING], what)
                yield Expected(f"{case.title}: measured in seconds of {measure}", 2.0, took)
