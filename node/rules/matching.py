"""Which model wants this series, and why the others do not."""

import fnmatch
import operator
import re
from collections.abc import Callable, Mapping, Sequence

from node.rules.admitting import made_by_us
from node.rules.nouns import Attribute, InputRequirement, Route, RouteDecision

_COMPARISON = re.compile(r"^\s*(<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)\s*$")
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def choose(
    attributes: Mapping[str, Attribute], routes: Sequence[Route], *, ours: bool = False
) -> tuple[Route | None, list[RouteDecision]]:
    """Give the first route whose every condition holds, and for each route the reason.

    Objects that a radnode made match no route (the loop guard), whatever the routes say: by their
    header, or because the ledger knows them (`ours`), should a PACS have changed the header.
    """
    if ours or made_by_us(attributes):
        why = "it was made by a radnode; own results are never processed"
        return None, [RouteDecision(route.name, chosen=False, reason=why) for route in routes]
    chosen: Route | None = None
    decisions: list[RouteDecision] = []
    for route in routes:
        missing = [
            why for key, wish in route.when.items() if (why := _unmet(key, wish, attributes))
        ]
        if missing:
            decisions.append(RouteDecision(route.name, chosen=False, reason="; ".join(missing)))
        elif chosen is not None:
            why = f"it matches, but route {chosen.name!r} comes first"
            decisions.append(RouteDecision(route.name, chosen=False, reason=why))
        else:
            chosen = route
            decisions.append(RouteDecision(route.name, chosen=True, reason="all conditions hold"))
    return chosen, decisions


def unfit(attributes: Mapping[str, Attribute], requirement: InputRequirement) -> str:
    """Say why a bundle does not accept the series by its header, or "" when it does."""
    modality = _text(attributes.get("Modality"))
    if requirement.modalities and modality not in requirement.modalities:
        wanted = " or ".join(requirement.modalities)
        return f"its Modality is {modality or 'absent'}, and the model reads {wanted}"
    part = _text(attributes.get("BodyPartExamined")).upper()
    if requirement.body_parts and part not in {p.upper() for p in requirement.body_parts}:
        wanted = ", ".join(p or "absent" for p in requirement.body_parts)
        return f"its BodyPartExamined is {part or 'absent'}, and the model accepts {wanted}"
    return ""


def fits(when: Mapping[str, object], attributes: Mapping[str, Attribute]) -> bool:
    """Say whether every condition holds."""
    return not any(_unmet(key, wish, attributes) for key, wish in when.items())


def _unmet(key: str, wish: object, attributes: Mapping[str, Attribute]) -> str:
    """Say why one condition does not hold, or "" when it does."""
    wishes = list(wish) if isinstance(wish, list | tuple) else [wish]
    value = attributes.get(key)
    values: list[str | float] = []
    if isinstance(value, tuple):
        values.extend(value)
    elif value is not None:
        values.append(value)
    if any(_holds(one, v) for one in wishes for v in values):
        return ""
    shown = "absent" if value is None else "\\".join(str(v) for v in values)
    return f"{key} is {shown}, not {' or '.join(str(one) for one in wishes)}"


def _holds(wish: object, value: str | float) -> bool:
    comparison = _COMPARISON.match(wish) if isinstance(wish, str) else None
    if comparison:
        number = _number(value)
        return number is not None and _OPERATORS[comparison[1]](number, float(comparison[2]))
    if isinstance(wish, int | float) and not isinstance(wish, bool):
        return _number(value) == float(wish)
    return fnmatch.fnmatchcase(_text(value).upper(), str(wish).upper())


def _number(value: str | float) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _text(value: Attribute) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return "\\".join(str(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else value.strip()
