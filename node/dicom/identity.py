"""Decides whether images are of one patient, by identifier, name and date of birth.

An identifier decides, where there is one. What stands beside it is looked at, too, since somebody
may have typed the wrong one; but people marry, and names are spelt in several ways, so a name alone
is told and not refused. No patient's name or identifier is ever in what is said here.
"""

import unicodedata
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from node.dicom import characters
from node.dicom.scanning import Scan
from node.rules.failures import Refusal

_ADVICE = "An identity error: tell the PACS administrator, and do not use these images"


class _Person(NamedTuple):
    """Who an image says it is of: a name in up to three writings (PS3.5 6.2.1), a date of birth."""

    name: tuple[str, ...]
    birth: str

    def bears_another_name(self, other: "_Person") -> bool:
        """Whether the names differ in every writing that both have."""
        pairs = [pair for pair in zip(self.name, other.name, strict=True) if all(pair)]
        return all(one != another for one, another in pairs) and self.name != other.name

    def was_born_another_day(self, other: "_Person") -> bool:
        """Whether both dates of birth are known, and differ."""
        return bool(self.birth and other.birth) and self.birth != other.birth


def not_one_patient(images: Sequence[Scan]) -> Refusal | None:
    """Refuse images that are of several patients (the worst that can happen here)."""
    patients = {(one.written("PatientID"), one.written("IssuerOfPatientID")) for one in images}
    if len(patients) > 1:
        return Refusal(
            f"the images of this one series bear the identifiers of {len(patients)} patients",
            advice=_ADVICE,
        )
    is_identified = bool(patients.pop()[0])
    for one, other in combinations(_persons(images), 2):
        names, births = one.bears_another_name(other), one.was_born_another_day(other)
        if is_identified and names and births:
            return Refusal(
                "the images of this one series bear one patient identifier, "
                "but different names and dates of birth",
                advice=_ADVICE,
            )
        if not is_identified and (names or births):
            return Refusal(
                "the images of this one series bear no patient identifier, "
                f"and different {'names' if names else 'dates of birth'}",
                advice=_ADVICE,
            )
    return None


def spelt_in_several_ways(images: Sequence[Scan]) -> bool:
    """Say whether images of one patient bear different names."""
    return any(one.bears_another_name(other) for one, other in combinations(_persons(images), 2))


def _persons(images: Sequence[Scan]) -> list[_Person]:
    """Give each name and date of birth once; nearly always there is one of them."""
    written = {
        (
            image.written("PatientName"),
            image.written("SpecificCharacterSet"),
            image.written("PatientBirthDate"),
        )
        for image in images
    }
    found = {
        _Person(_writings(name, charset), birth.decode("latin-1").replace(".", ""))
        for name, charset, birth in written
    }
    return sorted(found)


def _writings(name: bytes, charset: bytes) -> tuple[str, ...]:
    """Give a name in Latin letters, in ideograms and in phonetic signs, each "" where absent.

    What nobody hears is left out: case, width of letters, padding, empty parts at the end.
    """
    text = unicodedata.normalize("NFKC", characters.decoded(name, charset, name=True)).casefold()
    groups = [
        "^".join(" ".join(part.split()) for part in group.split("^")).rstrip("^ ")
        for group in text.split("=")
    ]
    return (*groups[:3], "", "", "")[:3]
