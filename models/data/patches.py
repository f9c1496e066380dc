"""Cuts balanced random cubes out of volumes: the data set for whoever has several patients.

Options (YAML): `sources` (a file with a list of sources, see `sources` and `volumes`), `cache`,
`classes` (name -> structures that it is made of), `spacing_mm`, `patch` (64 or 96 as a rule),
`per_epoch`, `validation` (share of the patients), `window` (lowest and highest value: they become
0 and 1), and `flips` (true where left and right may be swapped).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from monai import transforms
from pydantic import BaseModel, ConfigDict

from models.data import Splits
from models.data.splitting import by_patient
from models.data.volumes import Labelled, prepared


class Options(BaseModel):
    """What may be said of this data set; an unknown key is an error that names it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: Path
    cache: Path = Path("var/training")
    classes: dict[str, list[str]]
    spacing_mm: tuple[float, float, float] = (3.0, 3.0, 3.0)
    patch: int = 96
    per_epoch: int = 200
    validation: float = 0.2
    window: tuple[float, float] = (-1000.0, 1000.0)
    flips: bool = False


class Patches(torch.utils.data.Dataset):  # type: ignore[misc]
    """Random cubes, as many centred on each class as on any other."""

    def __init__(self, volumes: Sequence[Labelled], options: Options, seed: int) -> None:
        """Keep the volumes and note where each class lies.

        Raises:
            ValueError: there is no volume.
        """
        if not volumes:
            raise ValueError("there is no volume to cut patches of")
        self._volumes = volumes
        self._options = options
        self._seed = seed
        self._epoch = 0
        self._tables = [class_table(v.structures, options.classes) for v in volumes]
        self._places = [_places(v, t, options) for v, t in zip(volumes, self._tables, strict=True)]
        self._changes = _changes(options)

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
        which = int(chance.integers(len(self._volumes)))
        volume, places = self._volumes[which], self._places[which]
        middle = places[chance.integers(len(places))]
        middle = middle[chance.integers(len(middle))]
        size = self._options.patch
        offset = chance.integers(-size // 4, size // 4 + 1, 3)
        cube = _cube(volume, middle + offset, size)
        label = self._tables[which][cube[1]]
        sample = {
            "image": torch.from_numpy(cube[0].astype(np.float32)[None]),
            "label": torch.from_numpy(label[None]),
        }
        self._changes.set_random_state(seed=int(chance.integers(2**31)))
        changed = self._changes(sample)
        return {
            "image": torch.as_tensor(changed["image"]).float(),
            "label": torch.as_tensor(changed["label"]).to(torch.uint8),
        }


def open_patches(options: Mapping[str, Any], seed: int) -> Splits:
    """Open the data set (see the head of this file).

    Raises:
        ValueError: an option is wrong, or a source cannot be read.
    """
    wanted = Options(**options)
    sources = yaml.safe_load(wanted.sources.read_text())
    training, validation = by_patient([one["patient"] for one in sources], wanted.validation, seed)
    volumes = [prepared(one, wanted.spacing_mm, wanted.cache) for one in sources]
    of = {"training": training, "validation": validation}
    sides = {
        side: Patches([v for v in volumes if v.patient in names], wanted, seed + number)
        for number, (side, names) in enumerate(of.items())
    }
    return Splits(
        sides["training"],
        sides["validation"],
        ("background", *wanted.classes),
        "segmentation",
        {"patients": of, "volumes": [dict(v.provenance) for v in volumes]},
    )


def class_table(structures: Sequence[str], classes: Mapping[str, Sequence[str]]) -> np.ndarray:
    """Give for each structure the index of its class (0: background), as uint8 [256].

    Raises:
        ValueError: a class names no structure of the volume at all.
    """
    table = np.zeros(256, np.uint8)
    for index, (name, parts) in enumerate(classes.items(), start=1):
        found = [structures.index(part) for part in parts if part in structures]
        if not found:
            raise ValueError(f"class {name}: no structure {', '.join(parts)} in the label map")
        table[found] = index
    return table


def _places(volume: Labelled, table: np.ndarray, options: Options) -> list[np.ndarray]:
    """Give for each class that is there some of its voxels, [n, 3]."""
    classes = table[volume.labels]
    chance = np.random.default_rng(0)
    found = []
    for index in range(len(options.classes) + 1):
        where = np.flatnonzero(classes == index)
        if len(where):
            some = chance.choice(where, min(len(where), 4096), replace=False)
            found.append(np.stack(np.unravel_index(some, classes.shape), 1))
    return found


def _cube(volume: Labelled, middle: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut a cube out of image and labels; beyond the edge lies air."""
    shape = np.array(volume.image.shape)
    start = np.clip(middle - size // 2, 0, np.maximum(shape - size, 0))
    part = tuple(slice(int(a), int(a) + size) for a in start)
    image, labels = volume.image[part], volume.labels[part]
    missing = [(0, size - n) for n in image.shape]
    return np.pad(image, missing, constant_values=-1024), np.pad(labels, missing)


def _changes(options: Options) -> transforms.Compose:
    """Give the changes of place and value that any CT or MR may have gone through."""
    low, high = options.window
    both = ("image", "label")
    flips = [transforms.RandFlipd(both, prob=0.5, spatial_axis=0)] if options.flips else []
    return transforms.Compose(
        [
            transforms.RandAffined(
                both,
                prob=0.8,
                rotate_range=(0.2, 0.2, 0.2),
                scale_range=(0.2, 0.2, 0.2),
                mode=("bilinear", "nearest"),
                padding_mode="border",
            ),
            *flips,
            transforms.ScaleIntensityRanged("image", low, high, 0.0, 1.0, clip=True),
            transforms.RandGaussianNoised("image", prob=0.3, std=0.02),
            transforms.RandGaussianSmoothd("image", prob=0.2),
            transforms.RandAdjustContrastd("image", prob=0.3, gamma=(0.8, 1.25)),
            transforms.RandShiftIntensityd("image", offsets=0.05, prob=0.5),
        ]
    )
