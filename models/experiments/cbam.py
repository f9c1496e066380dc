"""Does attention (CBAM) help a ResNet-50 to tell slices with a small lesion from those without?

Both networks are timm's, with random weights, and see the same slices in the same order.
"""

import numpy as np
import torch

from models.experiments.comparing import Claim, auc, compared
from models.experiments.fitting import Lesson, answers, fit
from models.experiments.ground import LUNG, GroundOptions, open_ground
from models.experiments.lesions import Crops, LesionOptions, described, planted_crops, standardised
from models.experiments.results import Found, Given, table
from models.experiments.settings import Settings as Common
from models.losses import Loss, criterion
from models.networks import build

PLAIN, CBAM = "ResNet-50", "ResNet-50 with CBAM"
NETWORKS = {PLAIN: "resnet50", CBAM: "resnet50_cbam"}


class Settings(Common):
    """Crops of `crop` voxels, of which one slice is used; half of them have lesions."""

    ground: GroundOptions
    lesions: LesionOptions
    crop: tuple[int, int, int]
    training_crops: int
    test_crops: int
    lesson: Lesson


def run(settings: Settings, given: Given) -> Found:
    """Train and test both networks for every seed."""
    ground = open_ground(settings.ground, given.cache)
    scores: dict[str, list[np.ndarray]] = {PLAIN: [], CBAM: []}
    seconds: dict[str, list[float]] = {PLAIN: [], CBAM: []}
    truth: list[np.ndarray] = []
    for seed in range(settings.seeds):
        chance = np.random.default_rng([3, seed])
        numbers = settings.training_crops, settings.test_crops
        training, test = (
            planted_crops(part, number, settings.crop, settings.lesions, chance, healthy=0.5)
            for part, number in zip(ground.divided(swapped=bool(seed % 2)), numbers, strict=True)
        )
        truth.append(test.found())
        for name, network in NETWORKS.items():
            found, took = _tried(network, (training, test), settings.lesson, seed)
            scores[name].append(found)
            seconds[name].append(took)
            given.say(f"  seed {seed}: {name}: AUC {auc(found, truth[-1]):.3f} ({took:.0f} s)")
    return _told(settings, (scores, truth), seconds, ground.provenance)


def _tried(
    network: str, crops: tuple[Crops, Crops], lesson: Lesson, seed: int
) -> tuple[np.ndarray, float]:
    """Train a network; give its score for each test slice, and the seconds that training took."""
    training, test = crops
    torch.manual_seed(seed)
    module = build(network, {"in_channels": 1, "out_channels": 2})
    loss = criterion("classification", ("none", "lesion"), Loss())
    seen = training.slices()[0]
    pairs = standardised(seen, seen, LUNG), torch.from_numpy(training.found().astype(np.int64))
    took = fit(module, pairs, lambda logits, label: loss(logits, label)[0], lesson, seed)
    shown = standardised(test.slices()[0], seen, LUNG)
    logits = answers(module, shown, lesson.batch, bf16=lesson.bf16)
    return (logits[:, 1] - logits[:, 0]).numpy(), took


def _told(
    settings: Settings,
    judged: tuple[dict[str, list[np.ndarray]], list[np.ndarray]],
    seconds: dict[str, list[float]],
    provenance: dict[str, object],
) -> Found:
    scores, truth = judged
    difference = compared(
        f"AUC: {CBAM} minus {PLAIN}",
        lambda s, c: auc(scores[CBAM][s][c], truth[s][c]) - auc(scores[PLAIN][s][c], truth[s][c]),
        [settings.test_crops] * settings.seeds,
        Claim(0.038, ""),
    )
    side = settings.crop[0]
    aucs = {
        name: [auc(one, wanted) for one, wanted in zip(each, truth, strict=True)]
        for name, each in scores.items()
    }
    return Found(
        title="CBAM against plain ResNet-50",
        claimed="AUC +0.038",
        tables=(table("AUC", "", aucs), table("Time of training", "s", seconds)),
        comparisons=(difference,),
        setup=(
            f"Slices of {side} x {side} mm of the lungs of the real CT, half of them through a "
            f"lesion {described(settings.lesions)}; one lung to learn from, the other for the "
            "test, exchanged with every seed.",
            f"{settings.training_crops} slices for training, {settings.test_crops} for the test, "
            f"{settings.lesson.steps} steps of {settings.lesson.batch}, random weights to begin "
            "with, batch norm as timm has it.",
        ),
        limits=(
            f"Slices of {side} voxels, where such networks see 224 or more: attention over places "
            "has little to choose from in the last stages (2 x 2 places).",
            "No pretrained weights and minutes of training: with a whole radiology archive it may "
            "turn out otherwise.",
            "One patient, planted lesions.",
        ),
        data=provenance,
    )
