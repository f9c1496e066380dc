"""Series as they come in practice, and how often the model was started for each, on how much."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.turnaround.contenders import RADNODE, Contender, Radnode
from bench.turnaround.destination import Destination
from bench.turnaround.peers import STABLE_AS_SHIPPED, orthanc_name
from bench.turnaround.sending import Part, Scanner
from bench.turnaround.series import Body, Series

PATIENCE_SECONDS = 120.0
STILL_SECONDS = 12.0
"""So long nothing more must come of a series; longer than all quiet times but Orthanc's own."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A way in which a series comes.

    `plan` gives its parts from the number of slices. `after` is sent once a result has come, that
    long after it; `editions` is how many runs are right: one for each state in which a series
    could be taken for whole. With `crashes` everyone is ended by SIGKILL behind the last answer and
    started again; `together` series are interleaved on one association. `slow_too` are those that
    Orthanc as shipped, which waits for a minute each time, is asked as well.
    """

    title: str
    plan: Callable[[int], Sequence[Part]]
    announced: bool = False
    after: Callable[[int], Part] | None = None
    after_seconds: float = 3.0
    editions: int = 1
    crashes: bool = False
    together: int = 1
    slow_too: bool = False


SCENARIOS = (
    Scenario(
        "6 s stall, association open",
        lambda n: [Part(0, n // 2, opens=True), Part(n // 2, n, pause=6.0)],
    ),
    Scenario(
        "40 s stall, association open",
        lambda n: [Part(0, n // 2, opens=True), Part(n // 2, n, pause=40.0)],
    ),
    Scenario(
        "kill -9 behind the last answer",
        lambda n: [Part(0, n, opens=True)],
        crashes=True,
        slow_too=True,
    ),
    Scenario(
        "aborted in the middle, all sent again 8 s later",
        lambda n: [Part(0, n // 2, opens=True, aborts=True), Part(0, n, pause=8.0, opens=True)],
    ),
    Scenario("two series interleaved", lambda n: [Part(0, n, opens=True)], together=2),
    Scenario(
        "all of it twice",
        lambda n: [Part(0, n, opens=True), Part(0, n, opens=True)],
    ),
    Scenario(
        "10 s between two associations, number known",
        lambda n: [Part(0, n // 2, opens=True), Part(n // 2, n, pause=10.0, opens=True)],
        announced=True,
    ),
    Scenario(
        "a slice in the middle 10 s late",
        lambda n: [
            Part(0, n // 2, opens=True),
            Part(n // 2 + 1, n),
            Part(n // 2, n // 2 + 1, pause=10.0, opens=True),
        ],
    ),
    Scenario(
        "the last slice 3 s after the result",
        lambda n: [Part(0, n - 1, opens=True)],
        after=lambda n: Part(n - 1, n, opens=True),
        editions=2,
        slow_too=True,
    ),
    Scenario(
        "all sent again after the result",
        lambda n: [Part(0, n, opens=True)],
        after=lambda n: Part(0, n, opens=True),
        slow_too=True,
    ),
    Scenario(
        "8 s between two associations, number unknown",
        lambda n: [Part(0, n // 2, opens=True), Part(n // 2, n, pause=8.0, opens=True)],
    ),
)


@dataclass(frozen=True, slots=True)
class Counted:
    """What became of one: the slices that each run saw, and what reached the destination."""

    scenario: str
    contender: str
    slices: int
    images: list[int]
    results: int
    distinct: int
    editions: int
    together: int = 1

    @property
    def fragments(self) -> int:
        """Runs on less than all of it that nothing excuses."""
        excused = self.editions - 1
        return max(0, sum(seen < self.slices for seen in self.images) - excused)

    @property
    def doubles(self) -> int:
        """Runs beyond those that were right, fragments apart."""
        return max(0, len(self.images) - self.editions * self.together - self.fragments)

    @property
    def is_right(self) -> bool:
        """Whether each state was looked at once, and the last result is of the whole."""
        whole = bool(self.images) and self.images[-1] == self.slices
        whole = whole and self.images.count(self.slices) >= self.together
        return whole and not self.fragments and not self.doubles


def run(
    body: Body, destination: Destination, contenders: Sequence[Contender], *, quick: bool
) -> Iterator[Counted]:
    """Send each scenario to each contender, of radnode's variants to the shipped one; print how.

    `quick` for the first scenario only.
    """
    taking_part = [one for one in contenders if not isinstance(one, Radnode) or one.name == RADNODE]
    for scenario in SCENARIOS[:1] if quick else SCENARIOS:
        for contender in taking_part:
            if contender.name == orthanc_name(STABLE_AS_SHIPPED) and not scenario.slow_too:
                continue
            print(f"scenario: {scenario.title}, {contender.name}", file=sys.stderr, flush=True)
            yield _count(scenario, contender, body, destination)


def _wait_for_more(scenario: Scenario, contender: Contender, series: Series, began: float) -> None:
    """Wait as long as something more may come: where all was seen once, nothing else is due."""
    seen = [one.images for one in contender.runs(began)]
    is_over = scenario.after is None and seen == [series.slices] * scenario.together
    quiet = 0.0 if is_over else contender.waiting(series.series)[0]
    time.sleep(quiet + STILL_SECONDS / (3 if is_over else 1))


def _count(
    scenario: Scenario, contender: Contender, body: Body, destination: Destination
) -> Counted:
    announced = body.slices if scenario.announced else None
    sent = [Series(body, announced) for _ in range(scenario.together)]
    began = time.monotonic()
    _send(scenario, contender, sent, destination)
    _wait_for_more(scenario, contender, sent[0], began)
    results = [
        one.sop_instance_uid
        for series in sent
        for one in destination.arrived(series.study)
        if one.modality == contender.waits_for
    ]
    images = [one.images for one in contender.runs(began)]
    for series in sent:
        contender.clear(series.series)
    return Counted(
        scenario.title,
        contender.name,
        body.slices,
        images,
        len(results),
        len(set(results)),
        scenario.editions,
        scenario.together,
    )


def _send(
    scenario: Scenario, contender: Contender, sent: Sequence[Series], destination: Destination
) -> None:
    """Send as the scenario says, and wait for the results that there should be."""
    scanner, series = Scanner(contender.port, contender.called), sent[0]
    if len(sent) > 1:
        scanner.interleave(sent)
    else:
        scanner.send(series, scenario.plan(series.slices))
    if scenario.crashes:
        contender.crash()
    for one in sent:
        destination.wait_for(one.study, contender.waits_for, PATIENCE_SECONDS)
    if scenario.after is not None:
        time.sleep(scenario.after_seconds)
        scanner.send(series, [scenario.after(series.slices)])
        if scenario.editions > 1:
            destination.wait_for(
                series.study, contender.waits_for, PATIENCE_SECONDS, scenario.editions
            )
