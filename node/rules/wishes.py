"""What a route wishes for beyond its conditions: of the study, and of the volumes it sends on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

from node.rules.doubting import Action

Demand: TypeAlias = tuple[str, "tuple[Demand, ...] | str"]
"""Which names there have to be: ("name", name), ("and", demands) or ("or", demands)."""


@dataclass(frozen=True, slots=True)
class StudyWish:
    """Which series of a study there have to be before a model is run on one of them.

    `series` goes from a name to conditions as a route has them, `complete` says which of these
    names there have to be. When nothing came for the study for `force_after`, what is
    missing is done without (proceed), is a reason to refuse, or is waited for all the same.
    """

    series: Mapping[str, Mapping[str, object]]
    complete: Demand
    force_after: timedelta | None = None
    then: Literal["proceed", "refuse", "wait"] = "wait"


@dataclass(frozen=True, slots=True)
class RouteInputs:
    """What a route says of volumes, on top of what the bundle says (`rules.scoping`).

    Without `tilted` no leaning stack is read, without `variable_spacing` none whose sections are
    spaced differently, and at most `missing_slices` are filled. `scope` is
    for volumes of another plane, extent or region than the bundle is for, `modality` for grey
    values that contradict the header. `doubt` is what is done at least when a score of the
    model's is above the
    bound that its bundle states; None leaves that to the bundle.
    """

    tilted: bool = True
    variable_spacing: bool = True
    missing_slices: int | None = None
    scope: Literal["refuse", "mark"] = "refuse"
    modality: Literal["refuse", "mark", "off"] = "mark"
    doubt: Action | None = None
