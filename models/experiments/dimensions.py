"""Does a U-Net find small lesions better in the volume than slice by slice? 3D against 2D.

All arms see the same crops, batch by batch, and the loss is taken over the same voxels; a 2D arm
sees a crop as its slices. One 2D arm has as many features as the 3D one, another as many weights.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from models.experiments.comparing import Claim, Comparison, compared
from models.experiments.fitting import Lesson, answers, fit, overlap_of_rare
from models.experiments.ground import LUNG, GroundOptions, open_ground
from models.experiments.lesions import Crops, LesionOptions, described, planted_crops, standardised
from models.experiments.results import Found, Given, table
from models.experiments.settings import Settings as Common
from models.networks import build

RARE = 10.0
"""How much more a voxel of a lesion weighs in the cross-entropy."""

VOLUME, TWIN, WIDE = "3D U-Net", "2D U-Net", "2D U-Net with as many weights"


class Settings(Common):
    """Crops of `crop` voxels; `features` of each level, `wide` those of the third arm."""

    ground: GroundOptions
    lesions: LesionOptions
    crop: tuple[int, int, int]
    training_crops: int
    test_crops: int
    features: tuple[int, ...]
    wide: tuple[int, ...]
    lesson: Lesson


class InSlices(nn.Module):  # type: ignore[misc]
    """Lets a 2D network see a volume slice by slice."""

    def __init__(self, flat: nn.Module) -> None:
        """Take a network for [N, C, x, y]."""
        super().__init__()
        self.flat = flat

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """Take [N, C, x, y, z], give logits [N, K, x, y, z]."""
        n, c, x, y, z = volumes.shape
        slices = volumes.permute(0, 4, 1, 2, 3).reshape(n * z, c, x, y)
        logits = self.flat(slices)
        return logits.reshape(n, z, -1, x, y).permute(0, 2, 3, 4, 1)


def networks(settings: Settings) -> dict[str, nn.Module]:
    """Give the three arms, with random weights."""
    options = {"in_channels": 1, "out_channels": 2, "num_res_units": 1}
    flat = options | {"spatial_dims": 2}
    return {
        TWIN: InSlices(build("unet", {**flat, "channels": settings.features})),
        WIDE: InSlices(build("unet", {**flat, "channels": settings.wide})),
        VOLUME: build("unet", {**options, "spatial_dims": 3, "channels": settings.features}),
    }


def run(settings: Settings, given: Given) -> Found:
    """Train and test every arm for every seed."""
    ground = open_ground(settings.ground, given.cache)
    dice: dict[str, list[np.ndarray]] = {VOLUME: [], TWIN: [], WIDE: []}
    seconds: dict[str, list[float]] = {name: [] for name in dice}
    weights: dict[str, int] = {}
    for seed in range(settings.seeds):
        chance = np.random.default_rng([1, seed])
        training, test = (
            planted_crops(part, number, settings.crop, settings.lesions, chance)
            for part, number in zip(
                ground.divided(swapped=bool(seed % 2)),
                (settings.training_crops, settings.test_crops),
                strict=True,
            )
        )
        torch.manual_seed(seed)
        for name, network in networks(settings).items():
            weights[name] = sum(p.numel() for p in network.parameters())
            found, took = _tried(network, (training, test), settings.lesson, seed)
            dice[name].append(found)
            seconds[name].append(took)
            given.say(f"  seed {seed}: {name}: Dice {found.mean():.3f} ({took:.0f} s)")
    return _told(settings, dice, (seconds, weights), ground.provenance)


def _tried(
    network: nn.Module, crops: tuple[Crops, Crops], lesson: Lesson, seed: int
) -> tuple[np.ndarray, float]:
    """Train a network; give its Dice in each test crop, and the seconds that training took."""
    training, test = crops
    seen = standardised(training.images, training.images, LUNG)
    pairs = seen, torch.from_numpy(training.masks)[:, None]
    took = fit(network, pairs, overlap_of_rare(RARE), lesson, seed)
    shown = standardised(test.images, training.images, LUNG)
    logits = answers(network, shown, lesson.batch, bf16=lesson.bf16)
    return dice_of_each(logits.argmax(1).numpy() == 1, test.masks == 1), took


def dice_of_each(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Give the Dice of each case: bool [n, ...] against bool [n, ...], where all have something."""
    axes = tuple(range(1, found.ndim))
    both = (found & wanted).sum(axes)
    return np.asarray(2.0 * both / (found.sum(axes) + wanted.sum(axes)))


def _told(
    settings: Settings,
    dice: dict[str, list[np.ndarray]],
    costs: tuple[dict[str, list[float]], dict[str, int]],
    provenance: dict[str, object],
) -> Found:
    cases = [settings.test_crops] * settings.seeds
    seconds, weights = costs
    sizes = ", ".join(f"{name} {count:,}" for name, count in weights.items())
    return Found(
        title="3D U-Net against 2D U-Net",
        claimed="Dice +12.7 %",
        tables=(
            table("Dice of lesions, mean over test crops", "", _means(dice)),
            table("Time of training", "s", seconds),
        ),
        comparisons=_comparisons(dice, cases),
        setup=(
            f"Lesions {described(settings.lesions)}, in the lungs of the real CT on a 1 mm grid; "
            "one lung to learn from, the other for the test, exchanged with every seed.",
            f"{settings.training_crops} crops for training and {settings.test_crops} for the test, "
            f"each {'x'.join(map(str, settings.crop))} voxels, {settings.lesson.steps} steps of "
            f"{settings.lesson.batch} crops, the same crops in the same order for all arms; Dice "
            f"and cross-entropy, in which a voxel of a lesion weighs {RARE:g} times as much.",
            f"Weights: {sizes}.",
        ),
        limits=(
            "It is not said whether the document means per cent or points: both are given.",
            "One patient, planted lesions, networks a hundredth of the usual size, minutes of "
            "training: the direction may carry over to real work, the size need not.",
            "Arms had as many steps, not as much time; the 3D arm takes longer for a step.",
        ),
        data=provenance,
    )


def _comparisons(dice: dict[str, list[np.ndarray]], cases: Sequence[int]) -> tuple[Comparison, ...]:
    def points(one: str, other: str) -> Comparison:
        return compared(
            f"Dice, points: {one} minus {other}",
            lambda s, c: 100 * float((dice[one][s][c] - dice[other][s][c]).mean()),
            cases,
            Claim(12.7, "points"),
        )

    relative = compared(
        f"Dice, per cent: {VOLUME} over {TWIN}",
        lambda s, c: 100 * float(dice[VOLUME][s][c].mean() / dice[TWIN][s][c].mean() - 1),
        cases,
        Claim(12.7, "%"),
    )
    return points(VOLUME, TWIN), relative, points(VOLUME, WIDE)


def _means(values: dict[str, list[np.ndarray]]) -> dict[str, list[float]]:
    return {name: [float(one.mean()) for one in each] for name, each in values.items()}
