"""Trains a small network in a minute or less, the same way in every arm of an experiment.

Why not `models.training`: an experiment trains dozens of networks of half a minute each, of which
nothing is kept. Checkpoints, logs and validations would take longer than the training. Networks
are the workshop's own, and losses but the weighted one.
"""

from collections.abc import Callable
from time import monotonic

import numpy as np
import torch
from monai.losses import DiceCELoss
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Takes logits and reference, gives one number."""


MOST_LOST = 0.1
"""Share of the steps whose gradient may be infinite, as it now and then is in half precision."""


class Lesson(BaseModel):
    """How long and how: AdamW with a cosine from `learning_rate` to nothing, batches with flips.

    `bf16` computes in bfloat16 where that is safe (autocast).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    bf16: bool = True
    flips: bool = True


def overlap_of_rare(weight: float) -> Loss:
    """Give Dice over the whole batch and cross-entropy, in which a voxel of a lesion weighs more.

    Without a weight a network that sees one voxel in a hundred of a lesion may learn for minutes
    that there is none.

    Source: MONAI `DiceCELoss`.
    """
    loss: Loss = DiceCELoss(
        include_background=False,
        to_onehot_y=True,
        softmax=True,
        batch=True,
        weight=torch.tensor([1.0, weight]),
    )
    return loss


def fit(
    network: nn.Module,
    pairs: tuple[torch.Tensor, torch.Tensor],
    loss: Loss,
    lesson: Lesson,
    seed: int,
) -> float:
    """Train a network, and give the seconds that it took.

    A step whose gradient is not finite is left out, as loss scalers do.

    Args:
        network: is changed; stays in training mode.
        pairs: images float32 [n, C, ...], and labels [n, ...] or [n, 1, ...].
        loss: what counts as wrong.
        lesson: how long and how.
        seed: of the order of the batches and of the flips.

    Raises:
        ValueError: too many steps were left out.
    """
    began = monotonic()
    images, labels = pairs
    chance = np.random.default_rng(seed)
    torch.manual_seed(seed)
    optimiser = torch.optim.AdamW(
        network.parameters(), lesson.learning_rate, weight_decay=lesson.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, _share(lesson.steps))
    network.train()
    lost = 0
    for _ in range(lesson.steps):
        some = chance.integers(len(images), size=lesson.batch)
        batch, wanted = _flipped(images[some], labels[some], chance, lesson)
        with torch.autocast("cpu", torch.bfloat16, enabled=lesson.bf16):
            logits = network(batch)
        wrong = loss(logits.float(), wanted)
        optimiser.zero_grad(set_to_none=True)
        wrong.backward()
        if bool(nn.utils.clip_grad_norm_(network.parameters(), 5.0).isfinite()):
            optimiser.step()
        else:
            lost += 1
        schedule.step()
    if lost > MOST_LOST * lesson.steps:
        raise ValueError(f"{lost} of {lesson.steps} steps had no finite gradient")
    return monotonic() - began


def answers(network: nn.Module, images: torch.Tensor, batch: int, *, bf16: bool) -> torch.Tensor:
    """Give the logits of a network for images [n, C, ...], float32, computed some at a time."""
    network.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        return torch.cat([network(some).float() for some in images.split(batch)])


def _share(steps: int) -> Callable[[int], float]:
    warm = max(1, steps // 20)
    return lambda step: (
        min(1.0, (step + 1) / warm) * 0.5 * (1 + float(np.cos(np.pi * step / steps)))
    )


def _flipped(
    images: torch.Tensor, labels: torch.Tensor, chance: np.random.Generator, lesson: Lesson
) -> tuple[torch.Tensor, torch.Tensor]:
    """Flip a whole batch along axes chosen by chance; labels that are no images stay."""
    if not lesson.flips:
        return images, labels
    axes = [axis for axis in range(2, images.ndim) if chance.random() < 0.5]
    if not axes:
        return images, labels
    return images.flip(axes), labels.flip(axes) if labels.ndim == images.ndim else labels
