"""Plants small lesions of low contrast and random shape into a CT, and says exactly what and where.

A lesion is an ellipsoid, turned at random and dented by a smooth random field. It is as large as
the sphere of the diameter that was asked for, to the nearest voxel, and it *adds* its contrast to
what is there, so the patient's own noise and vessels go on inside of it. Its edge is as wide as a
voxel, as the partial volume effect makes it.

What it is not: a lesion adds to texture and never displaces it, has no spicules, calcium, feeding
vessels or cavities, and its edge is sharper than a scanner's. What finds these need not find
cancer.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from models.data.fields import smooth_field, turned
from models.experiments.ground import Part

TRIES = 20
AT_HOME = 0.95
"""So many places are tried for a lesion, of which so much has to lie in its home."""


class LesionOptions(BaseModel):
    """What lesions are like.

    `diameter_mm`: of the sphere of the same volume, lowest and highest. `contrast`: what is added,
    as a share of `window_hu`, lowest and highest. `dents`: how far the surface leaves the ellipsoid
    (0: not at all). `brightness`: "brighter" than their home, or "either".
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    diameter_mm: tuple[float, float] = (2.0, 10.0)
    contrast: tuple[float, float] = (0.02, 0.05)
    window_hu: float = 2000.0
    dents: float = Field(0.2, ge=0, le=0.2)
    brightness: Literal["brighter", "either"] = "brighter"


@dataclass(frozen=True, slots=True)
class Lesion:
    """One lesion: its diameter (of the sphere of that volume), contrast and middle voxel."""

    diameter_mm: float
    contrast_hu: float
    middle: tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """Crops, int16 [n, x, y, z] in HU, their masks, uint8, and the lesions planted into each."""

    images: np.ndarray
    masks: np.ndarray
    lesions: tuple[tuple[Lesion, ...], ...]

    def slices(self) -> tuple[np.ndarray, np.ndarray]:
        """Give of each crop the plane through its first lesion, or its middle: both [n, x, y]."""
        middle = self.images.shape[3] // 2
        planes = [one[0].middle[2] if one else middle for one in self.lesions]
        rows = np.arange(len(planes))
        return self.images[rows, :, :, planes], self.masks[rows, :, :, planes]

    def found(self) -> np.ndarray:
        """Tell for each crop whether there is a lesion in it, bool [n]."""
        return np.array([bool(one) for one in self.lesions])


def coverage(
    diameter_mm: float, spacing_mm: float, dents: float, chance: np.random.Generator
) -> np.ndarray:
    """Give how much of each voxel a lesion fills, float32 [n, n, n] from 0 to 1, n odd.

    The number of voxels that are filled by half or more is that of the sphere, rounded.
    """
    size = int(np.ceil(1.6 * diameter_mm / spacing_mm) + 4) | 1
    axis = (np.arange(size) - size // 2 + chance.uniform(-0.5, 0.5)) * spacing_mm
    offsets = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    stretched = turned(chance, 180, (1.0, 1.0)) @ np.diag(np.exp(chance.uniform(-0.3, 0.3, 3)))
    far = np.linalg.norm(offsets @ stretched, axis=-1)
    far = far * np.exp(dents * smooth_field(chance, size, 4, 1)[0].numpy())
    wanted = max(1, round(np.pi / 6 * (diameter_mm / spacing_mm) ** 3))
    edge = float(np.partition(far.ravel(), wanted - 1)[wanted - 1])
    beyond_mm = (far / max(edge, 1e-6) - 1.0) * diameter_mm / 2
    filled: np.ndarray = np.clip(0.5 - beyond_mm / spacing_mm, 0, 1).astype(np.float32)
    return filled


def plant(
    image: np.ndarray,
    mask: np.ndarray,
    home: np.ndarray,
    options: LesionOptions,
    spacing_mm: float,
    chance: np.random.Generator,
) -> Lesion | None:
    """Plant one lesion into a crop, or none where a home has no room for it.

    Args:
        image: float32 [x, y, z], HU; changed in place.
        mask: uint8 [x, y, z]; becomes 1 where the lesion fills half a voxel or more.
        home: bool [x, y, z], where it may lie.
        options: what lesions are like.
        spacing_mm: of the voxels, which are cubes.
        chance: where the choices come from.
    """
    diameter = float(chance.uniform(*options.diameter_mm))
    contrast = float(chance.uniform(*options.contrast)) * options.window_hu
    if options.brightness == "either" and chance.random() < 0.5:
        contrast = -contrast
    filled = coverage(diameter, spacing_mm, options.dents, chance)
    reach = len(filled) // 2
    if min(image.shape) < len(filled):
        return None
    inside = tuple(slice(reach, n - reach) for n in image.shape)
    places = np.argwhere(home[inside]) + reach
    for middle in chance.permutation(places)[:TRIES]:
        box = tuple(slice(int(m) - reach, int(m) + reach + 1) for m in middle)
        if home[box][filled >= 0.5].mean() >= AT_HOME:
            image[box] += contrast * filled
            mask[box] |= filled >= 0.5
            return Lesion(diameter, contrast, tuple(int(m) for m in middle))
    return None


def planted_crops(
    part: Part,
    number: int,
    size: tuple[int, int, int],
    options: LesionOptions,
    chance: np.random.Generator,
    healthy: float = 0.0,
) -> Crops:
    """Cut crops and plant one or two lesions into each, but for a share that stays healthy.

    Values are rounded to whole HU, as a scanner's 16-bit images have them.

    Args:
        part: of the CT.
        number: of crops.
        size: of a crop in voxels.
        options: what lesions are like.
        chance: where the choices come from.
        healthy: share of the crops, evenly spread, that stay as they are.
    """
    images = np.zeros((number, *size), np.int16)
    masks = np.zeros((number, *size), np.uint8)
    lesions: list[tuple[Lesion, ...]] = []
    for index in range(number):
        stays = int((index + 1) * healthy) > int(index * healthy)
        before, image, mask, found = _grown(part, size, options, chance)
        # a healthy crop is one where a lesion would have found room, too: else its place tells
        images[index] = before if stays else np.rint(image)
        masks[index] = 0 if stays else mask
        lesions.append(() if stays else found)
    return Crops(images, masks, tuple(lesions))


def _grown(
    part: Part, size: tuple[int, int, int], options: LesionOptions, chance: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[Lesion, ...]]:
    """Give a crop as it was and with lesions, the mask, and what was planted: one at least."""
    while True:
        where = part.crop(size, chance)
        before, home = part.image[where], part.home[where]
        image, mask = before.astype(np.float32), np.zeros(size, np.uint8)
        wanted = 1 + int(chance.random() < 0.5)
        tries = [plant(image, mask, home, options, part.spacing_mm, chance) for _ in range(wanted)]
        found = tuple(one for one in tries if one)
        if found:
            return before, image, mask, found


def standardised(
    images: np.ndarray, like: np.ndarray, window: tuple[float, float] | None = None
) -> torch.Tensor:
    """Give images as float32 [n, 1, ...], by the mean and the standard deviation of `like`.

    Args:
        images: HU, [n, ...].
        like: what they are measured by, HU: the images of the training.
        window: HU to which both are cut first, lowest and highest.
    """
    if window is not None:
        images, like = np.clip(images, *window), np.clip(like, *window)
    mean, spread = float(like.mean(dtype=np.float64)), float(like.std(dtype=np.float64))
    return torch.from_numpy((images.astype(np.float32) - mean) / max(spread, 1e-6))[:, None]


def described(options: LesionOptions) -> str:
    """Say in words how large and how bright lesions are."""
    small, large = options.diameter_mm
    low, high = (100 * share for share in options.contrast)
    than = "brighter" if options.brightness == "brighter" else "brighter or darker"
    return (
        f"of {small:g} to {large:g} mm, {low:g} to {high:g} % of a window of "
        f"{options.window_hu:g} HU {than} than what is there"
    )
