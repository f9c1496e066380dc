"""Does it help to tell the loss what anatomy forbids? Organs with and without constraints.

The volumes are of the real CT's label map, each deformed, repainted and scanned anew
(`models.data.organs`), so coarse that the whole trunk is in view. Beside the two losses stands what
costs nothing: keep of each organ only its largest piece, after a network without constraints.
"""

from pathlib import Path

import numpy as np
import torch
import yaml

from models.data.anatomy import Anatomy, read_anatomy
from models.data.organs import Options, Organs, body_of
from models.data.volumes import prepared
from models.experiments.comparing import Claim, Comparison, compared
from models.experiments.fitting import Lesson, answers, fit
from models.experiments.organs_broken import (
    forbidden_contacts,
    implausible_volumes,
    largest_pieces,
    loose_pieces,
    mean_dice,
)
from models.experiments.results import Found, Given, table
from models.experiments.settings import Settings as Common
from models.losses import AnatomyTerms, Loss, criterion
from models.losses.anatomy import read_table
from models.networks import build

OFF, ON, AFTER = "constraints off", "constraints on", "off, largest pieces kept"
FIGURES = {
    "Dice, mean over organs": 100.0,
    "loose pieces in a volume": 1.0,
    "forbidden contacts in a volume, voxel faces": 1.0,
    "organs of an impossible volume, %": 100.0,
}
"""What is measured in each volume -> what it is multiplied by in tables."""


class Settings(Common):
    """Cubes of `patch` voxels of `spacing_mm`; `weights` of the constraints in the loss."""

    sources: Path = Path("models/configs/sources/chest_ct.yaml")
    table: Path = Path("models/configs/anatomy/ct_trunk.yaml")
    spacing_mm: float
    patch: int
    training_cubes: int
    test_cubes: int
    features: tuple[int, ...]
    weights: dict[str, float]
    lesson: Lesson


def run(settings: Settings, given: Given) -> Found:
    """Train with and without constraints for every seed."""
    anatomy = read_anatomy(settings.table)
    found: dict[str, list[np.ndarray]] = {OFF: [], ON: [], AFTER: []}
    seconds: dict[str, list[float]] = {OFF: [], ON: []}
    provenance: dict[str, object] = {}
    for seed in range(settings.seeds):
        training, test, provenance = _cubes(settings, anatomy, given.cache, seed)
        for name in (OFF, ON):
            labels, took = _tried((training, test), settings, anatomy, (name, seed))
            found[name].append(_judged(labels, test[1], settings, anatomy))
            seconds[name].append(took)
            if name == OFF:
                single = _single(settings, anatomy)
                kept = np.stack([largest_pieces(one, single) for one in labels])
                found[AFTER].append(_judged(kept, test[1], settings, anatomy))
            given.say(f"  seed {seed}: {name}: {_means(found[name][-1])} ({took:.0f} s)")
    return _told(settings, found, seconds, provenance)


Cubes = tuple[torch.Tensor, torch.Tensor]


def _cubes(
    settings: Settings, anatomy: Anatomy, cache: Path, seed: int
) -> tuple[Cubes, Cubes, dict[str, object]]:
    """Give images float32 [n, 1, x, y, z] and labels uint8, for training and test, and whose."""
    options = Options(
        sources=settings.sources,
        anatomy=settings.table,
        cache=cache,
        spacing_mm=settings.spacing_mm,
        patch=settings.patch,
        per_epoch=max(settings.training_cubes, settings.test_cubes),
    )
    source = yaml.safe_load(settings.sources.read_text())[0]
    volume = prepared(source, (settings.spacing_mm / 2,) * 3, cache)
    body = body_of(volume, anatomy)
    both = []
    for part, number in enumerate((settings.training_cubes, settings.test_cubes)):
        organs = Organs([body], [], anatomy, options, 1000 * seed + part)
        items = [organs[index] for index in range(number)]
        images = torch.stack([item["image"] for item in items])
        both.append((images - 0.5, torch.stack([item["label"] for item in items])))
    return both[0], both[1], dict(volume.provenance)


def _tried(
    cubes: tuple[Cubes, Cubes], settings: Settings, anatomy: Anatomy, which: tuple[str, int]
) -> tuple[np.ndarray, float]:
    """Train; give the class of each voxel of the test cubes [n, x, y, z], and the seconds."""
    name, seed = which
    terms = AnatomyTerms(
        table=settings.table, spacing_mm=(settings.spacing_mm,) * 3, **settings.weights
    )
    classes = ("background", *anatomy.names)
    loss = criterion("segmentation", classes, Loss(anatomy=terms if name == ON else None))
    torch.manual_seed(seed)
    options = {"in_channels": 1, "out_channels": len(classes), "num_res_units": 1}
    network = build("unet", {**options, "channels": settings.features})
    took = fit(network, cubes[0], lambda a, b: loss(a, b)[0], settings.lesson, seed)
    logits = answers(network, cubes[1][0], settings.lesson.batch, bf16=settings.lesson.bf16)
    return logits.argmax(1).numpy(), took


def _judged(
    found: np.ndarray, truth: torch.Tensor, settings: Settings, anatomy: Anatomy
) -> np.ndarray:
    """Give the figures of each test cube, [n, 4], in the order of `FIGURES`."""
    relations = read_table(settings.table).relations
    pairs = [(_number(anatomy, a), _number(anatomy, b)) for a, b in relations.never_touch]
    single, voxel_ml = _single(settings, anatomy), settings.spacing_mm**3 / 1000
    rows = []
    for one, wanted in zip(found, truth[:, 0].numpy(), strict=True):
        wrong, seen = implausible_volumes(one, wanted, anatomy, voxel_ml)
        rows.append(
            [
                mean_dice(one, wanted, 1 + len(anatomy.segments)),
                loose_pieces(one, wanted, single),
                forbidden_contacts(one, pairs),
                wrong / seen if seen else float("nan"),
            ]
        )
    return np.array(rows)


def _number(anatomy: Anatomy, name: str) -> int:
    return 1 + anatomy.names.index(name)


def _single(settings: Settings, anatomy: Anatomy) -> list[int]:
    wanted = read_table(settings.table).relations.one_component
    return [_number(anatomy, name) for name in wanted]


def _means(rows: np.ndarray) -> str:
    return ", ".join(f"{value:.3f}" for value in np.nanmean(rows, 0))


def _told(
    settings: Settings,
    found: dict[str, list[np.ndarray]],
    seconds: dict[str, list[float]],
    provenance: dict[str, object],
) -> Found:
    tables = [
        table(
            what,
            "points" if what.startswith("Dice") else "",
            {k: [scale * float(np.nanmean(rows[:, n])) for rows in v] for k, v in found.items()},
        )
        for n, (what, scale) in enumerate(FIGURES.items())
    ]
    weights = ", ".join(f"{name} {weight:g}" for name, weight in settings.weights.items())
    return Found(
        title="Anatomical constraints on and off",
        claimed="better, by no stated amount",
        tables=(*tables, table("Time of training", "s", seconds)),
        comparisons=tuple(
            _compared(settings, found, (one, number)) for one in (ON, AFTER) for number in range(4)
        ),
        setup=(
            f"Nine organs on a grid of {settings.spacing_mm:g} mm in cubes of {settings.patch} "
            "voxels, in which the trunk has room; every cube is the one labelled CT, deformed, "
            "repainted and scanned anew.",
            f"{settings.training_cubes} cubes for training, {settings.test_cubes} others for the "
            f"test, {settings.lesson.steps} steps of {settings.lesson.batch}, the same for both.",
            f"Constraints are parts of the loss beside Dice and cross-entropy, weighing {weights} "
            "(models/configs/anatomy/ct_trunk.yaml).",
            "Pieces count beyond those that the reference has in the same view; a volume is "
            "impossible outside the range of the anatomy table where the reference is inside.",
        ),
        limits=(
            "All cubes are of one patient: what constraints do on another patient's anatomy, which "
            "is where they are wanted, is not shown.",
            "One set of weights, not the best one; networks that are trained for hours leave less "
            "to forbid.",
        ),
        data=provenance,
    )


def _compared(
    settings: Settings, found: dict[str, list[np.ndarray]], which: tuple[str, int]
) -> Comparison:
    name, number = which
    what, scale = list(FIGURES.items())[number]
    return compared(
        f"{what}: {name} minus {OFF}",
        lambda s, c: (
            scale * float(np.nanmean(found[name][s][c, number] - found[OFF][s][c, number]))
        ),
        [settings.test_cubes] * settings.seeds,
        _better(number),
    )


def _better(number: int) -> Claim:
    """Give the claim that it is better: more Dice, less of anything else, by any amount."""
    return Claim(1.0 if number == 0 else -1.0, "points" if number == 0 else "", kind="direction")
