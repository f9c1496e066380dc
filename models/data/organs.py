"""Cuts cubes out of few labelled CTs, each deformed, repainted and scanned anew.

With one or two patients a network learns these patients. So every cube is another patient: other
size, pose and shape, other contrast phase, dose and kernel, other field of view, some with disease.

Options (YAML): `sources`, `anatomy` (a table of models/configs/anatomy), `cache`, `spacing_mm`
(one number), `source_mm` (spacing of the grid that cubes are read from; half of that if not
given), `patch`, `per_epoch`, `validation_cubes`, `window` (HU that become 0 and 1), `mirror` (how
often left and right are swapped, labels with them), `continue_mm` (so far the trunk is continued
below where the scan ends) and `negatives` (sources without any label inside, of which a share of
the cubes is cut: what is not the trunk).

The cubes that it is held against are of the same patients, as they are: they say that training
works, and nothing about another patient.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from pydantic import BaseModel, ConfigDict
from torch.nn import functional

from models.data import Splits
from models.data.anatomy import Anatomy, read_anatomy
from models.data.appearance import Tissues, repainted, scanned, tissue_map, with_disease
from models.data.fields import smooth_field, turned
from models.data.patches import class_table
from models.data.volumes import AIR, Labelled, prepared

CODES = 32
"""More than there are tissues: a voxel's class and tissue travel as one number."""

FAT = -100
"""HU of what lies between organs."""


class Options(BaseModel):
    """What may be said of this data set; an unknown key is an error that names it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: Path
    anatomy: Path
    cache: Path = Path("var/training")
    spacing_mm: float = 3.0
    source_mm: float | None = None
    patch: int = 96
    per_epoch: int = 200
    validation_cubes: int = 8
    window: tuple[float, float] = (-1000.0, 1000.0)
    mirror: float = 0.1
    negatives: Path | None = None
    negative_share: float = 0.05
    stretch: tuple[float, float] = (0.75, 1.3)
    continue_mm: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """What cubes are cut of: `pair`, float32 [2, x, y, z], is HU and class * CODES + tissue."""

    pair: torch.Tensor
    places: tuple[np.ndarray, ...]
    tissues: Tissues
    step_mm: float


class Organs(torch.utils.data.Dataset):  # type: ignore[misc]
    """Cubes of patients that there never were."""

    def __init__(
        self,
        bodies: Sequence[Body],
        negatives: Sequence[Body],
        anatomy: Anatomy,
        options: Options,
        seed: int,
    ) -> None:
        """Keep what cubes are cut of."""
        self._bodies, self._negatives = bodies, negatives
        self._anatomy, self._options, self._seed = anatomy, options, seed
        self._swap = torch.tensor(anatomy.mirrored())
        self._lungs = [n for n, s in enumerate(anatomy.segments, 1) if "ung" in s.name]
        self._epoch = 0

    def __len__(self) -> int:
        """Give the number of cubes of an epoch."""
        return self._options.per_epoch

    def set_epoch(self, epoch: int) -> None:
        """Draw other cubes from now on."""
        self._epoch = epoch

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """Give `image` (float32 [1, x, y, z], 0 to 1) and `label` (uint8 [1, x, y, z])."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        chance = np.random.default_rng([self._seed, self._epoch, index])
        negative = bool(self._negatives) and chance.random() < self._options.negative_share
        pool = self._negatives if negative else self._bodies
        body = pool[int(chance.integers(len(pool)))]
        image, codes = cut(body, deformed(body, self._options, chance))
        label = torch.div(codes, CODES, rounding_mode="floor")
        if chance.random() < self._options.mirror:
            image, codes, label = image.flip(0), codes.flip(0), self._swap[label.flip(0)]
        tissue = codes % CODES
        image = repainted(image, tissue, body.tissues, self._anatomy, chance)
        inside = torch.isin(label, torch.tensor(self._lungs))
        image = with_disease(image, inside, tissue > 0, chance)
        image, label = _viewed(scanned(image, chance), label, chance)
        return {"image": _scaled(image, self._options), "label": label.to(torch.uint8)[None]}


class Unchanged(torch.utils.data.Dataset):  # type: ignore[misc]
    """Cubes of the patients as they are, always the same."""

    def __init__(self, bodies: Sequence[Body], options: Options, seed: int) -> None:
        """Keep what cubes are cut of."""
        self._bodies, self._options, self._seed = bodies, options, seed

    def __len__(self) -> int:
        """Give the number of cubes."""
        return self._options.validation_cubes

    def set_epoch(self, epoch: int) -> None:
        """Do nothing: they stay."""

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """Give `image` (float32 [1, x, y, z], 0 to 1) and `label` (uint8 [1, x, y, z])."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        chance = np.random.default_rng([self._seed, index])
        body = self._bodies[index % len(self._bodies)]
        middle = _middle(body, self._options, chance)
        image, codes = cut(body, _offsets(self._options) / body.step_mm + middle)
        label = torch.div(codes, CODES, rounding_mode="floor")
        return {"image": _scaled(image, self._options), "label": label.to(torch.uint8)[None]}


def open_organs(options: Mapping[str, Any], seed: int) -> Splits:
    """Open the data set (see the head of this file).

    Raises:
        ValueError: an option is wrong, or a source cannot be read.
        OSError: a file cannot be read.
    """
    wanted = Options(**options)
    anatomy = read_anatomy(wanted.anatomy)
    volumes, bodies = _bodies(wanted.sources, wanted, anatomy)
    others, negatives = _bodies(wanted.negatives, wanted, anatomy)
    return Splits(
        Organs(bodies, negatives, anatomy, wanted, seed),
        Unchanged(bodies, wanted, seed + 1),
        ("background", *anatomy.names),
        "segmentation",
        {
            "patients": {"training": [v.patient for v in volumes], "validation": []},
            "volumes": [dict(v.provenance) for v in [*volumes, *others]],
            "remark": "validation cubes are of the training patients, unchanged",
        },
    )


def body_of(volume: Labelled, anatomy: Anatomy, continue_mm: float = 0.0) -> Body:
    """Make a body of a volume whose voxels are cubes."""
    classes = {s.name: s.parts for s in anatomy.segments}
    labelled = any(volume.structures)
    table = class_table(volume.structures, classes) if labelled else np.zeros(256, np.uint8)
    image, structures = np.asarray(volume.image), np.asarray(volume.labels)
    if labelled and continue_mm:
        ends = [n for n, s in enumerate(anatomy.segments, 1) if s.ends]
        ended = np.isin(table, ends)
        image, structures = continued(
            image, structures, ended, round(continue_mm / volume.spacing_mm[2])
        )
    label = table[structures]
    codes, tissues = tissue_map(image, structures, volume.structures, anatomy)
    pair = np.stack([image.astype(np.float32), (label * float(CODES) + codes).astype(np.float32)])
    chance = np.random.default_rng(0)
    places = []
    for index in range(1 + len(anatomy.segments)):
        where = np.flatnonzero((label == index) & (codes > 0))
        if len(where):
            some = chance.choice(where, min(len(where), 4096), replace=False)
            places.append(np.stack(np.unravel_index(some, label.shape), 1))
    return Body(torch.from_numpy(pair), tuple(places), tissues, volume.spacing_mm[0])


def continued(
    image: np.ndarray, structures: np.ndarray, ended: np.ndarray, planes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Continue a trunk below where its scan ends, with its lowest planes to and fro.

    It is no anatomy, but a spine that goes on and belly without organs: a network that never saw
    what lies below the scan takes it for the organs above.

    Args:
        image: int16 [x, y, z], HU.
        structures: uint8, as `image`.
        ended: for each structure, whether it is left out of the continuation (fat in its place).
        planes: so many are added.
    """
    lowest = max(2, structures.shape[2] // 12)
    below = [(0, 0), (0, 0), (planes, 0)]
    slab = np.pad(image[..., :lowest], below, mode="symmetric")[..., :planes]
    what = np.pad(structures[..., :lowest], below, mode="symmetric")[..., :planes]
    gone = ended[what]
    slab, what = np.where(gone, FAT, slab).astype(image.dtype), np.where(gone, 0, what)
    return (
        np.concatenate([slab, image], 2),
        np.concatenate([what.astype(structures.dtype), structures], 2),
    )


def cut(body: Body, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Read a body at places that need not lie on its grid.

    Args:
        body: what is read.
        places: float32 [x, y, z, 3], in voxels of the body.

    Returns:
        HU, interpolated linearly (air beyond the edge), and codes, the nearest (0 beyond).
    """
    size = torch.tensor(body.pair.shape[1:])
    unit = 2 * places / (size - 1) - 1
    grid = unit.flip(-1)[None]  # grid_sample counts the last axis first
    values = functional.grid_sample(body.pair[None, :1] - AIR, grid, align_corners=True)
    codes = functional.grid_sample(body.pair[None, 1:], grid, mode="nearest", align_corners=True)
    return values[0, 0] + AIR, codes[0, 0].round().long()


def _bodies(
    file: Path | None, options: Options, anatomy: Anatomy
) -> tuple[list[Labelled], list[Body]]:
    if file is None:
        return [], []
    sources = yaml.safe_load(file.read_text())
    fine = (
        options.source_mm or options.spacing_mm / 2
    )  # finer, so that a stretched cube is not coarse
    volumes = [prepared(one, (fine,) * 3, options.cache) for one in sources]
    return volumes, [body_of(one, anatomy, options.continue_mm) for one in volumes]


def _offsets(options: Options) -> torch.Tensor:
    """Give where the voxels of a cube lie around its middle, float32 [x, y, z, 3], mm."""
    axis = (torch.arange(options.patch) - (options.patch - 1) / 2) * options.spacing_mm
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).float()


def _middle(body: Body, options: Options, chance: np.random.Generator) -> torch.Tensor:
    """Choose the middle of a cube near a voxel of a class chosen first, in voxels of the body."""
    places = body.places[int(chance.integers(len(body.places)))]
    middle = places[int(chance.integers(len(places)))].astype(np.float64)
    middle += chance.uniform(-1, 1, 3) * options.patch * options.spacing_mm / body.step_mm / 4
    size = np.array(body.pair.shape[1:])
    return torch.from_numpy(np.clip(middle, 0.25 * size, 0.75 * size)).float()


def deformed(body: Body, options: Options, chance: np.random.Generator) -> torch.Tensor:
    """Give where a deformed cube comes from, float32 [x, y, z, 3], in voxels of the body."""
    matrix = torch.from_numpy(turned(chance, 12, options.stretch)).float()
    offsets = _offsets(options) @ matrix.T
    for knots, strength in ((4, 12.0), (9, 5.0)):
        field = smooth_field(chance, options.patch, knots, 3).permute(1, 2, 3, 0)
        offsets = offsets + float(chance.uniform(0, strength)) * field
    return offsets / body.step_mm + _middle(body, options, chance)


def _viewed(
    image: torch.Tensor, label: torch.Tensor, chance: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut the field of view: a reconstruction circle, or an end of the scan."""
    size = image.shape[0]
    if chance.random() < 0.2:
        middle, radius = size / 2 + chance.uniform(-8, 8, 2), size * chance.uniform(0.35, 0.6)
        axes = [(torch.arange(size) - float(m)) ** 2 for m in middle]
        seen = (axes[0][:, None] + axes[1][None, :]).sqrt() < radius
        image = torch.where(seen[..., None], image, torch.tensor(AIR))
        label = label * seen[..., None]
    if chance.random() < 0.3:
        planes = int(chance.integers(1, size // 2))
        end = slice(0, planes) if chance.random() < 0.5 else slice(size - planes, size)
        image, label = image.clone(), label.clone()
        image[..., end], label[..., end] = AIR, 0
    return image, label


def _scaled(image: torch.Tensor, options: Options) -> torch.Tensor:
    low, high = options.window
    return ((image - low) / (high - low)).clamp(0, 1)[None]
