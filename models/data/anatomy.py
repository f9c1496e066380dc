"""Reads an anatomy table: what is found, what it is made of, and how bright it may be."""

from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

Range = tuple[float, float]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Segment(_Table):
    """One thing that is found.

    `mirror` is the name that it bears when left and right are swapped; `ends` says that it does not
    go on below the trunk, as a spine does.
    """

    name: str
    parts: list[str]
    code: str
    meaning: str
    rgb: tuple[int, int, int]
    expected_ml: Range
    mirror: str = ""
    tubular: bool = False
    ends: bool = True


class Look(_Table):
    """How a tissue may look: around a mean (`hu`) or shifted; `keep` scales its texture."""

    keep: Range
    hu: Range | None = None
    shift: Range | None = None


class Tissue(_Table):
    """Structures that look alike, or what nobody labelled between two values of HU."""

    parts: list[str] = []
    unlabelled: Range | None = None
    plain: Look | None = None
    arterial: Look | None = None
    portal: Look | None = None
    wild: Look | None = None
    any: Look | None = None

    def look(self, phase: str) -> Look | None:
        """Give the look in a phase."""
        found: Look | None = getattr(self, phase, None) or self.any
        return found

    def holds(self, structure: str) -> bool:
        """Tell whether a structure is of this tissue."""
        return any(fnmatch(structure, part) for part in self.parts)


class Anatomy(_Table):
    """A whole table (models/configs/anatomy); `relations` are for the loss (`models.losses`)."""

    segments: list[Segment]
    phases: dict[str, float]
    tissues: dict[str, Tissue]
    relations: dict[str, Any] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the segments, in the order of their labels, which begin at 1."""
        return tuple(segment.name for segment in self.segments)

    def mirrored(self) -> list[int]:
        """Give for each label the one that it becomes when left and right are swapped."""
        swapped = [segment.mirror or segment.name for segment in self.segments]
        return [0, *(1 + self.names.index(name) for name in swapped)]


def read_anatomy(file: Path) -> Anatomy:
    """Read a table.

    Raises:
        OSError: there is no such file.
        ValueError: it is wrong; the text names the key.
    """
    return Anatomy(**yaml.safe_load(file.read_text()))
