"""The table in the terminal: a block for each condition, and the expectations at the end."""

import math
from collections.abc import Sequence

from bench.receive import receivers as to
from bench.receive.conditions import ASSOCIATE, ECHO, SINGLE, Condition
from bench.receive.expectations import Judged
from bench.receive.records import (
    Measure,
    Record,
    Spread,
    answer,
    paired,
    set_up,
    spread,
    whole,
)

NAME, CELL = 22, 11

Column = tuple[str, Measure]
_RATE: Column = ("per s", lambda record: record.per_second)
_CPU: Column = ("CPU ms", lambda record: record.cpu_ms)
_STORED: tuple[Column, ...] = (
    ("inst/s", lambda record: record.per_second),
    ("MB/s", lambda record: record.megabytes_per_second),
    ("p50 ms", answer(0.5)),
    ("p99 ms", answer(0.99)),
    _CPU,
    ("peak MB", lambda record: record.resident_mb),
)
_COLUMNS: dict[str, tuple[Column, ...]] = {
    ECHO: (("p50 ms", answer(0.5)), ("p99 ms", answer(0.99)), _CPU),
    ASSOCIATE: (_RATE, ("set-up p50", set_up(0.5)), ("set-up p99", set_up(0.99)), _CPU),
    SINGLE: (_RATE, ("whole p50", whole(0.5)), ("whole p99", whole(0.99)), _CPU),
}


def show(conditions: Sequence[Condition], records: Sequence[Record]) -> None:
    """Print a block for each condition: medians over the rounds, ratios within each round."""
    for condition in conditions:
        runs = [one for one in records if one.condition == condition.title]
        if not runs:
            continue
        columns = _COLUMNS.get(condition.title, _STORED)
        heads = "".join(f"{head:>{CELL}}" for head, _ in columns)
        ratio = f"x {to.STORESCP_B} [range]"
        kept = "kept" if condition.stores else ""
        print(f"\n{condition.title}")
        print(f"  {'':{NAME}}{heads}   {ratio:24}{kept:>12}  promise of 0x0000")
        for name in to.PROMISES:
            if any(one.receiver == name for one in runs):
                print(f"  {name:{NAME}}{_line(runs, name, columns)}  {to.PROMISES[name]}")


def _line(runs: Sequence[Record], name: str, columns: Sequence[Column]) -> str:
    went = [one for one in runs if one.receiver == name and not one.error]
    if not went:
        why = next(one.error for one in runs if one.receiver == name)
        return f"  failed: {why}"
    cells = "".join(
        f"{number(spread(map(measure, went)).median):>{CELL}}" for _, measure in columns
    )
    theirs = [one for one in runs if one.receiver == to.STORESCP_B and not one.error]
    ratio = paired(went, theirs, lambda record: record.per_second)
    return f"{cells}   {ranged(ratio):24}{_kept(runs, name):>12}"


def _kept(runs: Sequence[Record], name: str) -> str:
    """Say how much of what was answered is there; a run that failed shows as well."""
    ours = [one for one in runs if one.receiver == name]
    failed = sum(bool(one.error) for one in ours)
    stored = [one for one in ours if one.arrived is not None]
    said = f"{failed} failed" if failed else ""
    if stored and all(one.arrived == one.count for one in stored):
        return f"all {said}".strip()
    if stored:
        wrong = sum(one.arrived != one.count for one in stored)
        return f"WRONG in {wrong} {said}".strip()
    return said


def show_judged(judged: Sequence[Judged]) -> None:
    """Print what was expected, what was measured, and its range over the rounds."""
    print("\nExpected of radnode (medians, range over the rounds)")
    for one in judged:
        print(f"  {one.verdict:12} {one.what:68} {one.sign} {one.bound:<5g} {ranged(one.measured)}")


def ranged(value: Spread) -> str:
    """Write a median with its range."""
    if math.isnan(value.median):
        return "-"
    return f"{number(value.median)} [{number(value.least)}-{number(value.most)}]"


def number(value: float) -> str:
    """Write a figure with as many digits as mean something."""
    if math.isnan(value):
        return "-"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
