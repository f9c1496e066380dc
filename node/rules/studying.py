"""Is a study complete enough for a model that wants more of it than one series?

A route may name series of a study, each by conditions as its own are, and say which of them there
have to be. A named series is there when one that fits has settled.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from node.rules import matching
from node.rules.admitting import made_by_us
from node.rules.nouns import Attribute
from node.rules.wishes import Demand, StudyWish


@dataclass(frozen=True, slots=True)
class StudySeries:
    """One series of a study: what its first image says, when its last came, whether it settled."""

    series_instance_uid: str
    attributes: Mapping[str, Attribute]
    last_received: datetime
    settled: bool


@dataclass(frozen=True, slots=True)
class HeldJob:
    """A job that waits for other series of its study."""

    job_id: str
    series_instance_uid: str
    study_instance_uid: str
    route: str
    lacking: str


def lacking(wish: StudyWish, study: Iterable[StudySeries]) -> str:
    """Say in words which named series a study lacks; "" when it has what is wished for."""
    settled = [one.attributes for one in study if one.settled and not made_by_us(one.attributes)]
    there = {
        name
        for name, when in wish.series.items()
        if any(matching.fits(when, attributes) for attributes in settled)
    }
    return _missing(wish.complete, there)


def over_at(wish: StudyWish, study: Sequence[StudySeries]) -> datetime | None:
    """Give when the wait for a study is over whatever it lacks; None for never."""
    if wish.force_after is None or wish.then == "wait":
        return None
    moments = [one.last_received for one in study]
    return max(moments) + wish.force_after if moments else None


def _missing(demand: Demand, there: set[str]) -> str:
    kind, what = demand
    if isinstance(what, str):
        return "" if what in there else what
    missing = [_missing(part, there) for part in what]
    if kind == "and":
        return " and ".join(one for one in missing if one)
    return "" if "" in missing else f"({' or '.join(missing)})"
