"""Is a model sure enough of what it found, and did it see what it was made for? By its scores.

A bundle states bounds for the scores that its classification comes with; a route may be stricter
about what follows. Above a bound a result is sent with a mark, held until a person releases it, or
not sent at all: then the study is told, as of any model that gave no result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Action: TypeAlias = Literal["mark", "hold", "withhold"]
ACTIONS: tuple[Action, ...] = ("mark", "hold", "withhold")
"""From the mildest to the strictest."""
HELD = "held for a person to look at"
"""With these words begins the reason why such a job gave no result."""
NAMES: Mapping[str, str] = {
    "uncertainty": "the model's uncertainty",
    "out_of_distribution": "the distance from what the model was made with",
}


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that a score may be, and what is done above it."""

    most: float
    above: Action = "hold"


@dataclass(frozen=True, slots=True)
class Doubt:
    """A score above its bound, in words, and what is to be done."""

    what: str
    action: Action


def doubts(
    scores: Mapping[str, float], bounds: Mapping[str, Bound], strictest: Action | None = None
) -> list[Doubt]:
    """Hold scores against their bounds.

    Args:
        scores: by name; one that was not given, or is no number, is above any bound.
        bounds: by name of the score.
        strictest: what the route wants done at least, None when it leaves that to the bundle.
    """
    found = []
    for name, bound in bounds.items():
        score = scores.get(name, float("nan"))
        if score <= bound.most:
            continue
        action = max(bound.above, strictest or "mark", key=ACTIONS.index)
        found.append(Doubt(f"{NAMES.get(name, name)} is {score:.3g}, above {bound.most:g}", action))
    return found


def reason(found: Sequence[Doubt]) -> str:
    """Say why a result is not sent by itself; "" when it may be, with marks."""
    strictest = max((one.action for one in found), key=ACTIONS.index, default="mark")
    said = "; ".join(one.what for one in found)
    if strictest == "mark":
        return ""
    return f"{HELD}: {said}" if strictest == "hold" else f"the model is not sure enough: {said}"
