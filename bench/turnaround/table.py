"""The tables in the terminal, and what became of what was expected."""

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from bench.turnaround.contenders import BATCH, BOX, BOXES, RADNODE
from bench.turnaround.records import MODEL, SEG, Record
from bench.turnaround.scenarios import Counted

OVERHEAD_SECONDS = 0.3
"""Expected of radnode at the median, SEG encoding apart."""
MASK_SHARE = 0.4
"""Expected of streaming: from the last slice to the mask, as a part of the whole model run."""
BOX_SHARE = 0.25
"""The same with windows over the body only, as a part of the whole run without a box."""
NAME = 26


@dataclass(frozen=True, slots=True)
class Judged:
    """Something expected of radnode, and what was measured."""

    what: str
    bound: float
    measured: float

    @property
    def met(self) -> bool:
        """Whether it is within the bound."""
        return self.measured <= self.bound


def show(conditions: Sequence[str], records: Sequence[Record]) -> None:
    """Print a block for each condition: medians in seconds, ratios within each round."""
    columns = ("turnaround", "waiting", "model", "SEG", "overhead")
    for condition in conditions:
        here = [one for one in records if one.condition == condition]
        print(f"\n{condition}: seconds after the last C-STORE was answered")
        print(f"  {'':{NAME}}" + "".join(f"{head:>11}" for head in columns) + "  x radnode [range]")
        for name in dict.fromkeys(one.contender for one in _sorted(here)):
            print(f"  {name:{NAME}}{_line([one for one in here if one.contender == name], here)}")
        _where(here)


def _sorted(records: Iterable[Record]) -> list[Record]:
    return sorted(records, key=lambda one: (not one.contender.startswith(RADNODE), one.contender))


def _line(runs: Sequence[Record], here: Sequence[Record]) -> str:
    came = [one for one in runs if one.turnaround is not None]
    if not came:
        return "no result"
    figures = [
        _median(came, lambda one: one.turnaround or 0.0),
        _median(came, lambda one: one.waited),
        _median(came, lambda one: one.seconds(MODEL)),
        _median(came, lambda one: one.seconds(SEG)),
        _median(came, lambda one: one.overhead),
    ]
    ours = {one.round: one.turnaround for one in here if one.contender == RADNODE}
    ratios = [(one.turnaround or 0.0) / other for one in came if (other := ours.get(one.round))]
    cells = "".join(f"{figure:>11.3f}" for figure in figures)
    lost = f", {len(runs) - len(came)} without a result" if len(came) < len(runs) else ""
    if not ratios:
        return f"{cells}{lost}"
    spread = f"{statistics.median(ratios):.2f} [{min(ratios):.2f}-{max(ratios):.2f}]"
    return f"{cells}  {spread}{lost}"


def _median(runs: Iterable[Record], what: Callable[[Record], float]) -> float:
    return statistics.median(what(one) for one in runs)


def _where(here: Sequence[Record]) -> None:
    """Print where radnode's time went: when each step began for the last time, and how long."""
    ours = [one for one in here if one.contender == RADNODE and one.turnaround is not None]
    if not ours:
        return
    print("  where radnode's time went (ms): first begun, ended, in all")
    rows: dict[str, list[tuple[float, float, float]]] = {}
    for one in ours:
        for name in dict.fromkeys(step[0] for step in one.steps):
            spans = [(begin, end) for what, begin, end in one.steps if what == name and end > 0]
            if spans:
                began, ended = min(begin for begin, _ in spans), max(end for _, end in spans)
                whole = sum(end - max(begin, 0.0) for begin, end in spans)
                rows.setdefault(name, []).append((began, ended, whole))
    middles = {
        name: [statistics.median(column) * 1e3 for column in zip(*found, strict=True)]
        for name, found in rows.items()
    }
    for name, middle in sorted(middles.items(), key=lambda row: row[1][0]):
        print(f"    {name:{NAME - 2}}" + "".join(f"{value:>9.0f}" for value in middle))


def show_scenarios(counted: Sequence[Counted]) -> None:
    """Print how often each started the model, and on how many slices."""
    for title in dict.fromkeys(one.scenario for one in counted):
        print(f"\n{title}")
        for one in counted:
            if one.scenario == title:
                runs = ", ".join(map(str, one.images)) or "none"
                verdict = "right" if one.is_right else _complaint(one)
                sent = f"{one.results} results, {one.distinct} distinct"
                print(f"  {one.contender:{NAME}} runs on {runs:20} {sent:24} {verdict}")


def _complaint(one: Counted) -> str:
    said = []
    if one.fragments:
        said.append(f"{one.fragments} on a fragment")
    if one.doubles:
        said.append(f"{one.doubles} too many")
    if not one.images or one.images[-1] != one.slices:
        said.append("the last is not of the whole")
    return ", ".join(said)


def judged(records: Sequence[Record], counted: Sequence[Counted]) -> Iterator[Judged]:
    """Hold what was measured against what was expected."""
    for condition in dict.fromkeys(one.condition for one in records):
        ours = [
            one
            for one in records
            if one.contender == RADNODE and one.condition == condition and one.turnaround
        ]
        if ours:
            overhead = _median(ours, lambda one: one.overhead)
            yield Judged(f"{condition}: overhead in seconds", OVERHEAD_SECONDS, overhead)
    for condition in dict.fromkeys(one.condition for one in records):
        here = [one for one in records if one.condition == condition]
        for name, bound in ((RADNODE, MASK_SHARE), (BOX, BOX_SHARE)):
            shares = _shares(here, name)
            if shares and "pace" in condition:
                what = f"{condition}: mask of {name} after the last slice, of the batch run"
                yield Judged(what, bound, statistics.median(shares))
    yield from _differing(records)
    yield from _scenarios_judged(counted)


def _differing(records: Sequence[Record]) -> Iterator[Judged]:
    """Count masks: streamed or not, they are the same, each kind of windows by itself."""
    ours = [one for one in records if one.contender.startswith(RADNODE) and one.frames]
    for of, boxed in (("radnode", False), ("radnode with a box", True)):
        masks = {one.frames for one in ours if (one.contender in BOXES) is boxed}
        if masks:
            yield Judged(f"masks of {of} that differ from its first", 0, len(masks) - 1)


def _scenarios_judged(counted: Sequence[Counted]) -> Iterator[Judged]:
    """Expect of radnode that all are right, and of each peer that one at least is not."""
    for name in dict.fromkeys(one.contender for one in counted):
        here = [one for one in counted if one.contender == name]
        right = sum(one.is_right for one in here)
        if name == RADNODE:
            wrong = sum(one.fragments + one.doubles for one in here)
            yield Judged("radnode: runs on fragments, and runs too many", 0, wrong)
            yield Judged("radnode: scenarios that did not come out right", 0, len(here) - right)
        else:
            yield Judged(f"{name}: scenarios right, of {len(here)}", len(here) - 1, right)


def _shares(here: Sequence[Record], name: str) -> list[float]:
    """Give what part of a batch run's model time passed until the streamed mask, by round."""
    batch = {one.round: one.seconds(MODEL) for one in here if one.contender == BATCH}
    return [
        one.mask / whole
        for one in here
        if one.contender == name and one.mask and (whole := batch.get(one.round))
    ]


def show_judged(judgements: Sequence[Judged]) -> None:
    """Print what was expected of radnode and what was measured."""
    if judgements:
        print("\nExpected")
    for one in judgements:
        verdict = "met" if one.met else "NOT MET"
        print(f"  {verdict:8} {one.what:86} <= {one.bound:<6g} {one.measured:.3f}")
