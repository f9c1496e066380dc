"""Finds the volumes that one series holds, names them, and picks one if the bundle says which.

Scanners put several echoes, phases, b-values, reconstructions or directions into one series. Each
of them is a volume of its own; which of them a model is meant for nobody can guess, so it is picked
only by a rule that the bundle gives.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

SPLITTERS = (
    "EchoTime",
    "EchoNumbers",
    "TemporalPositionIdentifier",
    "DiffusionBValue",
    "DiffusionDirectionality",
    "DiffusionGradientOrientation",
    "ComplexImageComponent",
    "InversionTime",
    "TriggerTime",
    "NominalPercentageOfCardiacPhase",
    "EnergyWindowVector",
    "DetectorVector",
    "RRIntervalVector",
    "TimeSlotVector",
    "StackID",
    "AcquisitionNumber",
    "AcquisitionTime",
    "ConvolutionKernel",
    "ScanningSequence",
    "KVP",
    "ImageType",
    "DimensionIndexValues",
)
"""What tells several images at one place apart, most telling first."""
ONE_VALUE = (
    "EchoTime",
    "TemporalPositionIdentifier",
    "DiffusionBValue",
    "InversionTime",
    "StackID",
    "ConvolutionKernel",
    "ScanningSequence",
)
"""What must be the same throughout a volume even where no two images share a place."""
NAMED = frozenset(("StackID", "ConvolutionKernel", "ScanningSequence"))
"""What need not be a number."""
_COUNTED = frozenset(
    (
        *NAMED,
        *("EchoNumbers", "TemporalPositionIdentifier", "AcquisitionNumber"),
        *("EnergyWindowVector", "DetectorVector", "RRIntervalVector", "TimeSlotVector"),
        "DimensionIndexValues",
    )
)
"""Numbers that count something, so that neighbours are never the same."""
_ORIENTATION = "ImageOrientationPatient"
_TURNED = 0.1
"""Cosines that are farther apart than this are of another direction, not of a sloppy scanner."""

_ABOUT_ONE_SIZE = 0.8


class Image(Protocol):
    """What of an image is looked at."""

    def text(self, keyword: str) -> str:
        """A value as text, "" when absent."""
        ...

    def number(self, keyword: str) -> float | None:
        """A value as one number."""
        ...

    def numbers(self, keyword: str) -> tuple[float, ...] | None:
        """A value as numbers."""
        ...


_Image = TypeVar("_Image", bound=Image)


@dataclass(frozen=True, slots=True)
class Part(Generic[_Image]):
    """One of the volumes of a series: what sets it apart, in words, and its images."""

    name: str
    images: tuple[_Image, ...]


def close(keyword: str, numbers: Sequence[float]) -> bool:
    """Say whether numbers are one: scanners compute echo times anew for each slice."""
    if keyword in _COUNTED:
        return len(set(numbers)) == 1
    return max(numbers) - min(numbers) <= 0.01 * max(abs(number) for number in numbers)


def parts(images: Sequence[_Image], name: str = "") -> list[Part[_Image]]:
    """Split images into volumes, in ascending order of what sets them apart.

    First by direction, then by what tells images at one place apart, as often as there is such.
    What nothing tells apart stays together, for the gate to refuse.
    """
    groups = _by_direction(images)
    if len(groups) == 1:
        groups = _by_value(images)
    if len(groups) == 1:
        return [Part(name, tuple(images))]
    found = []
    for said, members in groups:
        found += parts(members, f"{name}, {said}" if name else said)
    return found


def pick(images: Sequence[_Image], rule: str) -> tuple[list[_Image], str]:
    """Pick one of the volumes of a series.

    Args:
        images: of one series.
        rule: "first" or "last" in ascending order of what sets them apart; "only": take all.

    Returns:
        The images of the volume, and what was left out in a sentence ("" if nothing was).
    """
    if rule == "only":
        return list(images), ""
    found = parts(images)
    if len(found) == 1:
        return list(images), ""
    chosen = found[0 if rule == "first" else -1]
    return list(chosen.images), f"{chosen.name} taken, the {rule} of {len(found)} volumes"


_Groups = list[tuple[str, list[_Image]]]


def _by_direction(images: Sequence[_Image]) -> _Groups[_Image]:
    kinds: list[tuple[tuple[float, ...], list[_Image]]] = []
    for image in images:
        cosines = image.numbers(_ORIENTATION) or ()
        for known, members in kinds:
            if len(known) == len(cosines) and all(
                abs(a - b) <= _TURNED for a, b in zip(known, cosines, strict=True)
            ):
                members.append(image)
                break
        else:
            kinds.append((cosines, [image]))
    return sorted(((_direction(cosines), members) for cosines, members in kinds), key=_first)


def _first(group: tuple[str, object]) -> str:
    return group[0]


def _direction(cosines: tuple[float, ...]) -> str:
    """Name the plane that slices are nearest to."""
    if len(cosines) != 6:
        return "no direction"
    (a, b, c), (d, e, f) = cosines[:3], cosines[3:]
    normal = [abs(b * f - c * e), abs(c * d - a * f), abs(a * e - b * d)]
    return ("sagittal", "coronal", "axial")[normal.index(max(normal))]


def _by_value(images: Sequence[_Image]) -> _Groups[_Image]:
    """Split by the first element that sets apart what shares a place, or must be of one value."""
    places = Counter(image.text("ImagePositionPatient") for image in images)
    crowd = max(places.values())
    for keyword in SPLITTERS:
        groups = _values(images, keyword)
        if len(groups) > 1 and _tells_apart(keyword, groups, crowd):
            return [(_named(keyword, said), members) for said, members in groups]
    return [("", list(images))]


def _named(keyword: str, said: str) -> str:
    return f"{keyword} {said.replace(chr(92), '/') or 'absent'}"


def _tells_apart(keyword: str, groups: _Groups[_Image], crowd: int) -> bool:
    """Say whether a value splits a series into volumes of about one size, and not at random."""
    if crowd == 1:
        return keyword in ONE_VALUE
    sizes = [len(members) for _, members in groups]
    return len(groups) <= crowd and min(sizes) >= _ABOUT_ONE_SIZE * max(sizes)


def _values(images: Sequence[_Image], keyword: str) -> _Groups[_Image]:
    """Group by a value, in ascending order; numbers that differ by a part in a hundred are one."""
    known: dict[str, list[_Image]] = {}
    for image in images:
        known.setdefault(image.text(keyword), []).append(image)
    if len(known) == 1:
        return list(known.items())
    numbers = {said: members[0].numbers(keyword) or () for said, members in known.items()}
    if any(len(several) != 1 for several in numbers.values()):
        return sorted(known.items(), key=lambda item: (numbers[item[0]], item[0]))
    groups: _Groups[_Image] = []
    last = 0.0
    for said, (number,) in sorted(numbers.items(), key=lambda item: item[1]):
        if groups and close(keyword, [last, number]):
            groups[-1][1].extend(known[said])
        else:
            groups.append((said, list(known[said])))
            last = number
    return groups
