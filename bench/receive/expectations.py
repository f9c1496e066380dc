"""What is expected of radnode beside the others, and what was measured."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.receive import conditions as when
from bench.receive import receivers as to
from bench.receive.records import Measure, Record, Spread, answer, of, paired, set_up, spread

LEAST_OF_STORESCP = 0.9
LEAST_OF_FLOOR = 0.9
LEAST_OF_ORTHANC = 3.0
MOST_CPU_MS = 1.0
MOST_SET_UP_MS = 2.0
MOST_RESIDENT_MB = 150.0
MOST_OF_P99 = 1.0
AT_LEAST, AT_MOST = ">=", "<="


@dataclass(frozen=True, slots=True)
class Judged:
    """One expectation: a median that shall be AT_LEAST or AT_MOST a bound."""

    what: str
    sign: str
    bound: float
    measured: Spread

    @property
    def verdict(self) -> str:
        """Say whether it is met, in one word or two."""
        if math.isnan(self.measured.median):
            return "not measured"
        median = self.measured.median
        met = median >= self.bound if self.sign == AT_LEAST else median <= self.bound
        return "met" if met else "MISSED"


def judge(records: Sequence[Record]) -> list[Judged]:
    """Hold every expectation against the runs."""
    return [*_rates(records), *_costs(records), *_tails(records), _losses(records)]


def _rates(records: Sequence[Record]) -> Iterator[Judged]:
    compared = [
        (to.RADNODE, to.STORESCP_B, LEAST_OF_STORESCP, (when.ct(4), when.ct(16))),
        (to.RADNODE, to.ORTHANC, LEAST_OF_ORTHANC, (when.ct(4), when.ct(16))),
        (to.RADNODE, to.FLOOR_SYNCED, LEAST_OF_FLOOR, (when.ct(1), when.mr(1))),
        (to.RADNODE_NONE, to.STORESCP_B, LEAST_OF_STORESCP, (when.ct(1), when.mr(1))),
    ]
    for ours, theirs, least, titles in compared:
        for title in titles:
            ratio = _ratio(records, title, (ours, theirs), lambda record: record.per_second)
            yield Judged(f"{ours} : {theirs}, instances/s, {title}", AT_LEAST, least, ratio)


def _costs(records: Sequence[Record]) -> Iterator[Judged]:
    for title in (when.ct(1), when.ct(4), when.ct(16)):
        cpu = spread(record.cpu_ms for record in of(records, title, to.RADNODE))
        yield Judged(f"{to.RADNODE}, CPU ms per instance, {title}", AT_MOST, MOST_CPU_MS, cpu)
    took = spread(map(set_up(0.5), of(records, when.ASSOCIATE, to.RADNODE)))
    yield Judged(f"{to.RADNODE}, association set-up p50 ms", AT_MOST, MOST_SET_UP_MS, took)
    held = spread(record.resident_mb for record in of(records, when.MULTIFRAME, to.RADNODE))
    yield Judged(f"{to.RADNODE}, peak MB, {when.MULTIFRAME}", AT_MOST, MOST_RESIDENT_MB, held)


def _tails(records: Sequence[Record]) -> Iterator[Judged]:
    for ours in (to.RADNODE, to.RADNODE_NONE):
        for title in (when.ct(4), when.ct(16)):
            ratio = _ratio(records, title, (ours, to.STORESCP_B), answer(0.99))
            what = f"{ours} : {to.STORESCP_B}, p99 of a C-STORE, {title}"
            yield Judged(what, AT_MOST, MOST_OF_P99, ratio)


def _losses(records: Sequence[Record]) -> Judged:
    """Of what was answered with Success, how many are not in the ledger."""
    ours = [one for one in records if one.receiver in (to.RADNODE, to.RADNODE_NONE, to.RADNODE_TWO)]
    stored = [one for one in ours if one.arrived is not None]
    lost = spread(abs(one.count - (one.arrived or 0)) for one in stored)
    worst = Spread(lost.most, lost.least, lost.most)
    return Judged("radnodes, answered but not in the ledger, or the reverse", AT_MOST, 0.0, worst)


def _ratio(
    records: Sequence[Record], title: str, pair: tuple[str, str], measure: Measure
) -> Spread:
    ours, theirs = pair
    return paired(of(records, title, ours), of(records, title, theirs), measure)
