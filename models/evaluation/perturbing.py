"""Spoils images the way scanners and protocols do, in stated strengths: noise, blur, dose, gaps.

Values of CT are HU. Of other modalities a strength is a part of the image's own range (1st to 99th
percentile), because their units mean nothing. Every draw comes from a generator that is passed in.
Each way gives a new `Image`; only `spacing` changes its grid.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np
from scipy import ndimage

from models.evaluation.images import Image

Spoil: TypeAlias = Callable[[Image, np.random.Generator], Image]
AIR_HU = -1000.0
WATER_SD_HU = 12.0
"""Noise in water of a full-dose abdominal CT at 5 mm; a common figure, not measured here."""
GRAIN_VOXELS = 0.7
"""Sigma of the blur within slices that gives noise the grain of a reconstruction."""


@dataclass(frozen=True, slots=True)
class Perturbation:
    """One way in one strength: `family`, what was done in words, and how."""

    family: str
    what: str
    spoil: Spoil


def series(image: Image) -> list[Perturbation]:
    """List all perturbations of an image, each family in rising strength."""
    is_ct = image.modality == "CT"
    unit = 1.0 if is_ct else value_range(image) / 1000.0
    name = "HU" if is_ct else "thousandths of the range"
    found = [
        *(
            Perturbation("noise", f"white noise, sd {sd} {name}", partial(noise, sd=sd * unit))
            for sd in (10, 25, 50)
        ),
        *(
            Perturbation("blur", f"Gaussian blur, sigma {mm} mm", partial(blur, sigma_mm=mm))
            for mm in (0.5, 1.0, 2.0)
        ),
        *(
            Perturbation("spacing", f"spacing times {factor}", partial(spacing, factor=factor))
            for factor in (1.5, 2.0)
        ),
        Perturbation("kernel", "smoothed within slices, 1 mm", partial(smooth, sigma_mm=1.0)),
        *(
            Perturbation("kernel", f"sharpened by {amount}", partial(sharpen, amount=amount))
            for amount in (1.0, 2.0)
        ),
        *(
            Perturbation("missing slices", f"{n} slices lost", partial(missing, count=n))
            for n in (1, 3, 5)
        ),
        *(
            Perturbation("scanner", f"offset {o:+d} {name}", partial(shift, offset=o * unit))
            for o in (-20, 20, 50)
        ),
        *(
            Perturbation("scanner", f"gain {gain}", partial(shift, gain=gain))
            for gain in (0.95, 1.05)
        ),
        *(
            Perturbation("scanner", f"bias field up to {part:.0%}", partial(bias, part=part))
            for part in (0.05, 0.15)
        ),
    ]
    if is_ct:
        found += [
            Perturbation("dose", f"{part:.0%} of the dose", partial(dose, part=part))
            for part in (0.5, 0.25, 0.1)
        ]
    return found


def strongest(perturbations: list[Perturbation]) -> list[Perturbation]:
    """Keep the last, strongest one of each family."""
    kept: Mapping[str, Perturbation] = {one.family: one for one in perturbations}
    return list(kept.values())


def value_range(image: Image) -> float:
    """Give the distance of the 1st and 99th percentile, 1 for an image of one value."""
    low, high = np.percentile(image.voxels, [1.0, 99.0])
    return float(high - low) or 1.0


# ---- the ways --------------------------------------------------------------------------------


def noise(image: Image, rng: np.random.Generator, sd: float) -> Image:
    """Add white Gaussian noise of this standard deviation."""
    return _with(image, image.voxels + rng.normal(0.0, sd, image.voxels.shape))


def blur(image: Image, rng: np.random.Generator, sigma_mm: float) -> Image:  # noqa: ARG001
    """Blur by a Gaussian of this sigma in millimetres, in all directions."""
    sigma = [sigma_mm / mm for mm in image.spacing_mm]
    return _with(image, ndimage.gaussian_filter(image.voxels.astype(np.float32), sigma))


def smooth(image: Image, rng: np.random.Generator, sigma_mm: float) -> Image:  # noqa: ARG001
    """Blur within slices, as a soft reconstruction kernel does."""
    _, rows, columns = image.spacing_mm
    sigma = (0.0, sigma_mm / rows, sigma_mm / columns)
    return _with(image, ndimage.gaussian_filter(image.voxels.astype(np.float32), sigma))


def sharpen(image: Image, rng: np.random.Generator, amount: float) -> Image:  # noqa: ARG001
    """Add `amount` times what a blur of one voxel within slices takes away (unsharp mask)."""
    plain = image.voxels.astype(np.float32)
    detail = plain - ndimage.gaussian_filter(plain, (0.0, 1.0, 1.0))
    return _with(image, plain + amount * detail)


def spacing(image: Image, rng: np.random.Generator, factor: float) -> Image:  # noqa: ARG001
    """Resample to voxels `factor` times as large in all directions, linearly; the place is kept.

    An axis with fewer than eight voxels stays as it is.
    """
    shape = np.array(image.voxels.shape)
    steps = np.where(shape >= 8, factor, 1.0)
    fewer = np.maximum((shape / steps).astype(int), 1)
    offset = (steps - 1.0) / 2.0  # so that the first voxels' outer edges lie together
    voxels = ndimage.affine_transform(
        image.voxels.astype(np.float32), steps, offset, tuple(fewer), order=1, mode="nearest"
    )
    affine = image.affine.copy()
    affine[:3, 3] = (image.affine @ [*offset, 1.0])[:3]
    affine[:3, :3] = image.affine[:3, :3] * steps
    return replace(_with(image, voxels), affine=affine)


def missing(image: Image, rng: np.random.Generator, count: int) -> Image:
    """Lose single slices and fill each between its neighbours, as the node does where it may.

    No two of them touch; where there are not enough slices fewer are lost.
    """
    inner = np.arange(1, len(image.voxels) - 1, 2)
    lost = rng.permutation(inner)[:count]
    voxels = image.voxels.astype(np.float32)
    for place in lost:
        voxels[place] = (voxels[place - 1] + voxels[place + 1]) / 2.0
    return _with(image, voxels)


def shift(
    image: Image,
    rng: np.random.Generator,  # noqa: ARG001
    offset: float = 0.0,
    gain: float = 1.0,
) -> Image:
    """Multiply by a gain (of HU: about air) and add an offset: another scanner's calibration."""
    zero = AIR_HU if image.modality == "CT" else 0.0
    return _with(image, (image.voxels.astype(np.float32) - zero) * gain + zero + offset)


def bias(image: Image, rng: np.random.Generator, part: float) -> Image:
    """Multiply (of HU: about air) by a smooth field from 1 - part to 1 + part.

    A random polynomial of the second degree over the volume.
    """
    axes = [np.linspace(-1.0, 1.0, n) if n > 1 else np.zeros(1) for n in image.voxels.shape]
    grids = np.meshgrid(*axes, indexing="ij", sparse=True)
    first, second = rng.normal(size=3), rng.normal(size=3)
    parts = [a * g + b * g**2 for a, b, g in zip(first, second, grids, strict=True)]
    field = parts[0] + parts[1] + parts[2]
    field = field - (field.max() + field.min()) / 2.0
    field = 1.0 + part * field / (np.abs(field).max() or 1.0)
    zero = AIR_HU if image.modality == "CT" else 0.0
    return _with(image, (image.voxels.astype(np.float32) - zero) * field + zero)


def dose(image: Image, rng: np.random.Generator, part: float) -> Image:
    """Add the quantum noise that CT has more of at a part of the dose.

    Variance goes with 1/dose, and locally with attenuation as that of a Poisson count does:
    sd = `WATER_SD_HU` sqrt(1/part - 1) sqrt(attenuation relative to water), with a grain within
    slices. Streaks through thick parts of the body are not modelled.
    """
    attenuation = np.clip((image.voxels.astype(np.float32) - AIR_HU) / 1000.0, 0.05, None)
    sd = WATER_SD_HU * np.sqrt(1.0 / part - 1.0) * np.sqrt(attenuation)
    grain = rng.normal(size=image.voxels.shape).astype(np.float32)
    grain = ndimage.gaussian_filter(grain, (0.0, GRAIN_VOXELS, GRAIN_VOXELS))
    return _with(image, image.voxels + sd * grain / (grain.std() or 1.0))


def _with(image: Image, voxels: np.ndarray) -> Image:
    """Keep values as the image has them: whole numbers of int16, or float32."""
    if image.voxels.dtype == np.int16:
        voxels = np.clip(np.rint(voxels), -32768, 32767)
    return replace(image, voxels=voxels.astype(image.voxels.dtype))
