"""Does a network lose when its input is cut to 8 bits? 16-bit against 8-bit values of the same CT.

Lesions hardly brighter or darker than the organ are sought in slices. A naive pipeline squeezes the
whole range of a CT into 256 levels; a careful one takes a narrow window first. Both are tried, and
next to each the same range with all its levels, so that windows and levels are told apart. All of
it twice: as scanned, and after smoothing, because a scanner's noise hides the steps between levels.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from models.experiments.comparing import Claim, Comparison, compared
from models.experiments.fitting import Lesson, answers, fit
from models.experiments.ground import GroundOptions, Part, open_ground
from models.experiments.lesions import LesionOptions, described, planted_crops, standardised
from models.experiments.results import Found, Given, Table, table
from models.experiments.settings import Settings as Common
from models.losses import Loss, criterion
from models.networks import build

WIDE16, WIDE8 = "16 bit, whole range", "8 bit, whole range"
NARROW16, NARROW8 = "16 bit, narrow window", "8 bit, narrow window"
SCANNED, SMOOTHED = "as scanned", "smoothed"
LEVELS = 255

Pair = tuple[np.ndarray, np.ndarray]


class Settings(Common):
    """Crops of `crop` voxels, of which one slice is used; HU ranges; `smooth` in voxels (sigma)."""

    ground: GroundOptions
    lesions: LesionOptions
    crop: tuple[int, int, int]
    training_crops: int
    test_crops: int
    features: tuple[int, ...]
    whole_hu: tuple[float, float] = (-1024.0, 3071.0)
    narrow_hu: tuple[float, float] = (-160.0, 240.0)
    smooth: float
    lesson: Lesson


def levels(images: np.ndarray, low: float, high: float, count: int | None) -> np.ndarray:
    """Cut values to a range, and to so many steps (None: as they are); float32, HU.

    Args:
        images: HU, any shape.
        low: becomes level 0.
        high: becomes level `count`.
        count: 255 for 8 bits.
    """
    cut = np.clip(images.astype(np.float32), low, high)
    if count is None:
        return cut
    step = (high - low) / count
    return np.asarray(np.rint((cut - low) / step) * step + low, np.float32)


def run(settings: Settings, given: Given) -> Found:
    """Train and test every arm for every seed, as scanned and smoothed."""
    ground = open_ground(settings.ground, given.cache)
    arms = _arms(settings)
    scores: dict[str, dict[str, list[np.ndarray]]] = {
        look: {name: [] for name in arms} for look in (SCANNED, SMOOTHED)
    }
    noise: dict[str, list[float]] = {SCANNED: [], SMOOTHED: []}
    for seed in range(settings.seeds):
        parts = ground.divided(swapped=bool(seed % 2))
        for look, sigma in ((SCANNED, 0.0), (SMOOTHED, settings.smooth)):
            training, test = _slices(parts, settings, sigma, seed)
            noise[look].append(_noise(training))
            for name, cut in arms.items():
                cases = _tried((training, test), cut, settings, seed)
                scores[look][name].append(cases)
                given.say(f"  seed {seed}, {look}: {name}: mIoU {_miou(cases):.3f}")
    return _told(settings, scores, noise, ground.provenance)


def _arms(settings: Settings) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    whole, narrow = settings.whole_hu, settings.narrow_hu
    return {
        WIDE16: lambda images: levels(images, *whole, None),
        WIDE8: lambda images: levels(images, *whole, LEVELS),
        NARROW16: lambda images: levels(images, *narrow, None),
        NARROW8: lambda images: levels(images, *narrow, LEVELS),
    }


def _slices(
    parts: tuple[Part, Part], settings: Settings, sigma: float, seed: int
) -> tuple[Pair, Pair]:
    """Give slices through lesions, int16 [n, x, y], and masks: for training and for the test.

    Smoothing comes first and rounding to whole HU afterwards: the 16-bit image is what is smooth.
    """
    chance = np.random.default_rng([2, seed])
    numbers = settings.training_crops, settings.test_crops
    both = []
    for part, number in zip(parts, numbers, strict=True):
        crops = planted_crops(part, number, settings.crop, settings.lesions, chance)
        if sigma:
            smooth = [gaussian_filter(one.astype(np.float32), sigma) for one in crops.images]
            crops = type(crops)(np.rint(smooth).astype(np.int16), crops.masks, crops.lesions)
        both.append(crops.slices())
    return both[0], both[1]


def _tried(
    pairs: tuple[Pair, Pair], cut: Callable[[np.ndarray], np.ndarray], settings: Settings, seed: int
) -> np.ndarray:
    """Train on slices that were cut; give of each test slice common and joint voxels, [n, 2, 2].

    The second axis is background and lesion, the third intersection and union.
    """
    (images, masks), (test_images, test_masks) = pairs
    torch.manual_seed(seed)
    options = {"in_channels": 1, "out_channels": 2, "num_res_units": 1, "spatial_dims": 2}
    network = build("unet", {**options, "channels": settings.features})
    loss = criterion("segmentation", ("background", "lesion"), Loss())
    seen = cut(images)
    training = standardised(seen, seen), torch.from_numpy(masks)[:, None]
    fit(network, training, lambda logits, label: loss(logits, label)[0], settings.lesson, seed)
    shown = standardised(cut(test_images), seen)
    logits = answers(network, shown, settings.lesson.batch, bf16=settings.lesson.bf16)
    found, wanted = logits.argmax(1).numpy() == 1, test_masks == 1
    both = [(~found, ~wanted), (found, wanted)]
    counts = [[(a & b).sum((1, 2)), (a | b).sum((1, 2))] for a, b in both]
    return np.asarray(counts).transpose(2, 0, 1)


def _miou(cases: np.ndarray) -> float:
    """Give the mean over background and lesion of the IoU over all voxels of cases [n, 2, 2]."""
    counts = cases.sum(0)
    return float((counts[:, 0] / np.maximum(counts[:, 1], 1)).mean())


def _noise(pair: Pair) -> float:
    """Give the median over slices of how much neighbouring voxels differ, as a deviation in HU."""
    steps = np.diff(pair[0].astype(np.float32), axis=1)
    spread = np.median(np.abs(steps), axis=(1, 2)) / 0.6745 / np.sqrt(2)
    return float(np.median(spread))


def _told(
    settings: Settings,
    scores: Mapping[str, Mapping[str, list[np.ndarray]]],
    noise: Mapping[str, list[float]],
    provenance: dict[str, object],
) -> Found:
    step_wide = (settings.whole_hu[1] - settings.whole_hu[0]) / LEVELS
    step_narrow = (settings.narrow_hu[1] - settings.narrow_hu[0]) / LEVELS
    return Found(
        title="16-bit against 8-bit input",
        claimed="mIoU +7.1 points",
        tables=(*(_table(look, each) for look, each in scores.items()), _noises(noise)),
        comparisons=tuple(
            _compared(settings, scores[look], (look, one, other))
            for look in (SCANNED, SMOOTHED)
            for one, other in ((WIDE16, WIDE8), (NARROW16, NARROW8), (NARROW16, WIDE16))
        ),
        setup=(
            f"Lesions {described(settings.lesions)}, in liver, spleen and back muscles of the real "
            "CT; slices of a 1 mm grid, slabs along the body to learn from and slabs for the test, "
            "exchanged with every seed.",
            f"A level of 8 bits is {step_wide:.1f} HU of the whole range and {step_narrow:.1f} HU "
            "of the narrow window. Both are cut before training; networks compute in float32.",
            f"{settings.training_crops} slices for training, {settings.test_crops} for the test, "
            f"{settings.lesson.steps} steps of {settings.lesson.batch}; mIoU is the mean of "
            "background and lesion over all voxels.",
            f"Smoothed: Gaussian of {settings.smooth:g} mm before the values are cut, for a scan "
            "of low noise.",
        ),
        limits=(
            "The document does not say how its 8-bit images were made; a worse way than any here "
            "(the 65,536 values of 16 bits on 256 levels: 256 HU each) loses every such lesion.",
            "One patient, planted lesions, a small 2D network.",
        ),
        data=provenance,
    )


def _table(look: str, each: Mapping[str, list[np.ndarray]]) -> Table:
    return table(f"mIoU, {look}", "", {k: [_miou(one) for one in v] for k, v in each.items()})


def _noises(noise: Mapping[str, list[float]]) -> Table:
    return table("Noise between neighbouring voxels", "HU", noise)


def _compared(
    settings: Settings, scores: Mapping[str, list[np.ndarray]], which: tuple[str, str, str]
) -> Comparison:
    look, one, other = which
    return compared(
        f"mIoU, points, {look}: {one} minus {other}",
        lambda s, c: 100 * (_miou(scores[one][s][c]) - _miou(scores[other][s][c])),
        [settings.test_crops] * settings.seeds,
        Claim(7.1, "points") if {one, other} != {NARROW16, WIDE16} else None,
    )
