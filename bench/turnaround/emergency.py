"""How long an emergency takes when routine series are waiting before it."""

import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.turnaround.contenders import EMERGENCY, Contender
from bench.turnaround.destination import Destination
from bench.turnaround.sending import Scanner, whole
from bench.turnaround.series import Body, Series

BEFORE = 5
"""Routine series that are sent just before, one after another at full speed."""
PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Behind:
    """A series that came behind others: whether it was marked STAT, and seconds to its result.

    `all` is when the last result of all of them had come.
    """

    round: int
    stat: bool
    seconds: float
    all: float


def run(
    body: Body, destination: Destination, contender: Contender, rounds: int
) -> Iterator[Behind]:
    """Send routine series, and then one that is STAT or not, as often as wanted."""
    for number in range(1, rounds + 1):
        for stat in (False, True):
            print(f"emergency, round {number}, STAT: {stat}", file=sys.stderr, flush=True)
            yield _behind(number, Rooms(body, destination, contender), stat=stat)


@dataclass(frozen=True, slots=True)
class Rooms:
    """Everything that runs."""

    body: Body
    destination: Destination
    contender: Contender


def _behind(number: int, rooms: Rooms, *, stat: bool) -> Behind:
    scanner = Scanner(rooms.contender.port, rooms.contender.called)
    others = [Series(rooms.body, rooms.body.slices) for _ in range(BEFORE)]
    ours = Series(rooms.body, rooms.body.slices, EMERGENCY if stat else "AX 1.0")
    for series in others:
        scanner.send(series, whole(series))
    last = scanner.send(ours, whole(ours))
    ends = []
    for series in (ours, *others):
        came = rooms.destination.wait_for(series.study, "SEG", PATIENCE_SECONDS)
        if came is None:
            raise RuntimeError("a series had no result in time")
        ends.append(came.at - last)
    rooms.contender.clear(ours.series)  # only now: it takes what waits, too
    return Behind(number, stat, ends[0], max(ends))


def show(measured: Sequence[Behind]) -> None:
    """Print medians, in seconds after the last C-STORE."""
    if not measured:
        return
    print(f"\none series behind {BEFORE} others: seconds from its last C-STORE to its result")
    for stat in (False, True):
        here = [one for one in measured if one.stat is stat]
        own = statistics.median(one.seconds for one in here)
        last = statistics.median(one.all for one in here)
        print(f"  {'STAT' if stat else 'routine':26}{own:>11.3f}   all of them {last:.3f}")
    routine = {one.round: one.seconds for one in measured if not one.stat}
    ratios = [one.seconds / routine[one.round] for one in measured if one.stat]
    print(f"  {'STAT / routine':26}{statistics.median(ratios):>11.2f}")
