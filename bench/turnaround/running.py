"""The rounds: every condition to every contender in shuffled order, each journey written down."""

import os
import random
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.orthanc import free_port
from bench.receive.running import machine
from bench.turnaround import emergency, model, scenarios, table
from bench.turnaround.contenders import BOXES, RADNODE, VARIANTS, Contender, House, Radnode
from bench.turnaround.destination import Destination
from bench.turnaround.launching import running
from bench.turnaround.peers import (
    ROUTER,
    STABLE_AS_SHIPPED,
    STABLE_SAFE,
    Router,
    StableSeries,
    orthanc_name,
)
from bench.turnaround.records import RESULT, Record
from bench.turnaround.sending import SCANNER_PER_SECOND, Scanner, whole
from bench.turnaround.series import Body, Series

PATIENCE_SECONDS = 240.0
MOST_ROUNDS = 3
"""More would take more than half an hour."""
GREETINGS = 5
"""Small series that every radnode gets first, so that it knows its sender."""
CALM_SECONDS = 1.0
"""After a result, for the rest of what its maker does, before the next one is sent to."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How a series comes: slices in a second (0: as fast as taken), and whether it says how many.

    The peers look at no number, so they are not asked twice.
    """

    title: str
    per_second: float
    announced: bool


CONDITIONS = (
    Condition("a scanner's pace, number known", SCANNER_PER_SECOND, announced=True),
    Condition("a scanner's pace, number unknown", SCANNER_PER_SECOND, announced=False),
    Condition("full speed, number known", 0.0, announced=True),
    Condition("full speed, number unknown", 0.0, announced=False),
)


SLOW = orthanc_name(STABLE_AS_SHIPPED)
"""It waits for a minute each time."""


def measure(rounds: int, folder: Path, *, quick: bool) -> dict[str, object]:
    """Measure, print the tables and what became of the expectations, give every raw figure."""
    folder = folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    began = time.monotonic()
    body = Body(quick=quick)
    shelf = model.put_on_shelf(folder, trained_in=folder.parent / "pipeline", quick=quick)
    with ExitStack() as stack:
        destination = stack.enter_context(Destination(folder / "destination"))
        pacs = destination.orthanc
        house = House(folder, shelf, pacs.port, pacs.http_port)
        contenders, missing = _everyone(house, stack, quick=quick)
        for line in missing:
            print(f"not run: {line}")
        rooms, small = Rooms(body, destination, contenders), Body(quick=True)
        _greet(small, rooms)
        rounds = min(rounds, MOST_ROUNDS)
        records = list(_rounds(rounds, rooms))
        print(f"{rounds} rounds (no more than {MOST_ROUNDS}), one for {SLOW}; scenarios are small")
        table.show(CONDITIONS_SHOWN, records)
        counted = list(scenarios.run(small, destination, contenders, quick=quick))
        table.show_scenarios(counted)
        ours = next(one for one in contenders if one.name == RADNODE)
        urgent = list(emergency.run(body, destination, ours, 1 if quick else rounds))
        emergency.show(urgent)
    judged = [] if quick else list(table.judged(records, counted))
    table.show_judged(judged)
    return {
        "machine": machine(),
        "not_run": missing,
        "seconds": time.monotonic() - began,
        "expectations": [asdict(one) for one in judged],
        "records": [{**asdict(one), "overhead": one.overhead} for one in records],
        "scenarios": [asdict(one) for one in counted],
        "emergency": [asdict(one) for one in urgent],
    }


CONDITIONS_SHOWN = tuple(condition.title for condition in CONDITIONS)


@dataclass(frozen=True, slots=True)
class Rooms:
    """Everything that runs."""

    body: Body
    destination: Destination
    contenders: Sequence[Contender]


def _everyone(house: House, stack: ExitStack, *, quick: bool) -> tuple[list[Contender], list[str]]:
    """Start everyone; give them, and why some could not be started."""
    port, notes = free_port(), house.folder / "worker.jsonl"
    notes.touch()
    command = [sys.executable, "-m", "bench.turnaround.worker", str(port), str(house.shelf)]
    command += [str(house.destination_http), str(notes)]
    stack.enter_context(running(command, house.folder / "worker.log", "ready"))
    stable = (STABLE_SAFE,) if quick else (STABLE_SAFE, STABLE_AS_SHIPPED)
    no_box = model.why_not_boxed(house.shelf, house.folder)
    wanted: list[Contender] = [
        Radnode(name, house) for name in VARIANTS if not (no_box and name in BOXES)
    ]
    wanted += [StableSeries(seconds, house, port, notes) for seconds in stable]
    started = [stack.enter_context(one) for one in wanted]
    missing = [f"{name}: {no_box}" for name in BOXES if no_box]
    try:
        started.append(stack.enter_context(Router(ROUTER, house, port, notes)))
    except RuntimeError as error:
        missing.append(f"{ROUTER}: {error}")
    return started, missing


def _greet(small: Body, rooms: Rooms) -> None:
    """Have every radnode see some series of the sender, as it has where it is in use."""
    for contender in rooms.contenders:
        if isinstance(contender, Radnode):
            scanner = Scanner(contender.port, contender.called)
            for _ in range(GREETINGS):
                series = Series(small, small.slices)
                scanner.send(series, whole(series))
                rooms.destination.wait_for(series.study, contender.waits_for, PATIENCE_SECONDS)


def _takes_part(number: int, condition: Condition, contender: Contender) -> bool:
    """Say whether someone is asked in a round; round 0 is not counted and warms up."""
    if contender.name == SLOW:
        return number == 1 and not condition.announced
    if contender.name in BOXES:
        return condition is CONDITIONS[0 if number else 2]
    return isinstance(contender, Radnode) or not condition.announced


def _rounds(rounds: int, rooms: Rooms) -> Iterator[Record]:
    """Go through all of it once uncounted, then as often as wanted, the slowest once."""
    for number in range(rounds + 1):
        began = time.monotonic()
        for condition in CONDITIONS if number else CONDITIONS[2:]:
            for contender in random.sample(rooms.contenders, len(rooms.contenders)):
                if _takes_part(number, condition, contender):
                    record = _journey(number, condition, contender, rooms)
                    if number:
                        yield record
        took = time.monotonic() - began
        print(f"round {number} of {rounds}: {took:.0f} s", file=sys.stderr, flush=True)


def _journey(number: int, condition: Condition, contender: Contender, rooms: Rooms) -> Record:
    """Send one series, and wait for what comes of it."""
    announced = rooms.body.slices if condition.announced else None
    series = Series(rooms.body, announced)
    os.sync()
    began = time.monotonic()
    scanner = Scanner(contender.port, contender.called, condition.per_second)
    last = scanner.send(series, whole(series))
    came = rooms.destination.wait_for(series.study, contender.waits_for, PATIENCE_SECONDS)
    time.sleep(CALM_SECONDS)
    steps = [(name, begin - last, end - last) for name, begin, end in contender.steps(began)]
    if came is not None:
        steps.append((RESULT, came.at - last, came.at - last))
    waiting, reason = contender.waiting(series.series)
    frames = ""
    if came is not None and contender.waits_for == "SEG":
        frames = rooms.destination.frames_of(came)
    contender.clear(series.series)
    return Record(
        number,
        condition.title,
        contender.name,
        turnaround=came.at - last if came is not None else None,
        waiting=waiting,
        sending=last - began,
        reason=reason,
        steps=steps,
        runs=contender.runs(began),
        frames=frames,
    )
