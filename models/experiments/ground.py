"""A real CT, and which parts of it may be learnt from or only looked at afterwards.

Training and test crops come from places that no crop of the other side ever reaches: the other side
of the patient ("sides"), or other slabs along the body with a gap between them ("slabs"). Which one
is trained on changes from seed to seed.
"""

from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict

from models.data.volumes import prepared

Interval = tuple[int, int]

LUNG = (-1000.0, -400.0)
"""HU to which values are cut where lesions of the lungs are sought: walls and vessels are white."""


class GroundOptions(BaseModel):
    """Where lesions may grow and how the patient is divided.

    `homes` are patterns of structures; `slab_mm` and `gap_mm` are along the body for "slabs", the
    gap also on both sides of the spine for "sides".
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: Path = Path("models/configs/sources/chest_ct.yaml")
    spacing_mm: float = 1.0
    homes: list[str]
    division: Literal["sides", "slabs"] = "sides"
    slab_mm: float = 24.0
    gap_mm: float = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some intervals of a CT along one axis.

    `image` is int16 [x, y, z] in HU, `home` bool of that shape; both are the whole CT's.
    `intervals` are voxels along `axis`, `places` the voxels of homes inside them, [n, 3].
    """

    image: np.ndarray
    home: np.ndarray
    axis: int
    intervals: tuple[Interval, ...]
    places: np.ndarray
    spacing_mm: float

    def crop(self, size: tuple[int, int, int], chance: np.random.Generator) -> tuple[slice, ...]:
        """Choose where to cut a crop of `size` voxels that stays inside one interval.

        Raises:
            ValueError: no interval is as long as the crop.
        """
        place = self.places[int(chance.integers(len(self.places)))]
        start = place - np.array([int(chance.integers(n // 4, n - n // 4)) for n in size])
        low, high = np.zeros(3, int), np.array(self.image.shape)
        low[self.axis], high[self.axis] = next(
            (a, b) for a, b in self.intervals if a <= place[self.axis] < b
        )
        if (high - low < np.array(size)).any():
            raise ValueError(f"a crop of {size} voxels does not fit into {low} to {high}")
        start = np.clip(start, low, high - np.array(size))
        return tuple(slice(int(a), int(a) + n) for a, n in zip(start, size, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """A CT on a grid of cubes: int16 [x, y, z] in HU, axes to the right, front and head."""

    image: np.ndarray
    home: np.ndarray
    middle: int
    options: GroundOptions
    provenance: dict[str, Any]

    def divided(self, *, swapped: bool) -> tuple[Part, Part]:
        """Give the parts for training and for the test, or the other way round."""
        both = [self._part(*one) for one in self._intervals()]
        return (both[1], both[0]) if swapped else (both[0], both[1])

    def _intervals(self) -> list[tuple[int, tuple[Interval, ...]]]:
        spacing = self.options.spacing_mm
        gap = round(self.options.gap_mm / spacing)
        if self.options.division == "sides":
            end = self.image.shape[0]
            return [(0, ((0, self.middle - gap),)), (0, ((self.middle + gap, end),))]
        step = round((self.options.slab_mm + self.options.gap_mm) / spacing)
        starts = range(0, self.image.shape[2] - step + 1, step)
        slabs = [(a, a + step - gap) for a in starts]
        return [(2, tuple(slabs[0::2])), (2, tuple(slabs[1::2]))]

    def _part(self, axis: int, intervals: tuple[Interval, ...]) -> Part:
        inside = np.zeros(self.image.shape[axis], bool)
        for a, b in intervals:
            inside[a:b] = True
        along = [1, 1, 1]
        along[axis] = -1
        where = np.flatnonzero(self.home & inside.reshape(along))
        some = np.random.default_rng(0).choice(where, min(len(where), 200_000), replace=False)
        places = np.stack(np.unravel_index(np.sort(some), self.home.shape), 1)
        return Part(self.image, self.home, axis, intervals, places, self.options.spacing_mm)


def open_ground(options: GroundOptions, cache: Path) -> Ground:
    """Read the CT.

    Raises:
        ValueError: no structure of its label map is a home.
        OSError: a file cannot be read, or the package cannot be had.
    """
    source = yaml.safe_load(options.sources.read_text())[0]
    volume = prepared(source, (options.spacing_mm,) * 3, cache)
    homes = [n for n, name in enumerate(volume.structures) if _any(name, options.homes)]
    spine = [n for n, name in enumerate(volume.structures) if fnmatch(name, "vertebrae_*")]
    labels = np.asarray(volume.labels)
    home = np.isin(labels, homes)
    if not home.any():
        raise ValueError(f"no structure is called {', '.join(options.homes)}")
    middle = int(np.median(np.nonzero(np.isin(labels, spine))[0]))
    return Ground(np.asarray(volume.image), home, middle, options, dict(volume.provenance))


def _any(name: str, patterns: list[str]) -> bool:
    return bool(name) and any(fnmatch(name, pattern) for pattern in patterns)
