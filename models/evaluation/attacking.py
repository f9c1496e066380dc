"""Attacks a network with changes that nobody would see, and says how much of it withstands them.

By the Adversarial Robustness Toolbox: FGSM (Goodfellow et al., ICLR 2015) and PGD (Madry et al.,
ICLR 2018), each value of the network's input changed by at most eps (L-inf). Beside them random
changes of the same size, which say whether the attack or the size did the harm. ART attacks
classifiers; every attack here is put to it as a choice between two classes, "as before" and
"other": of a classification by the log-odds of a class against its threshold, of a segmentation by
the dense cross-entropy to its own labels, whose gradient has the same sign.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescent
from art.estimators.classification import PyTorchClassifier
from torch import nn

from models.evaluation.twins import Network, first_of
from node.rules.nouns import Classification

PARTS = (0.005, 0.01, 0.02)
"""Strengths, as parts of the range (1st to 99th percentile) of the network's input."""
STEPS = 10
AT_ONCE = 16
"""Cases of a classification that are attacked together; patches go one by one."""
KEPT_DICE = 0.8
"""A patch has withstood when its foreground keeps this Dice with what it was."""
ATTACKS = ("random", "FGSM", "PGD")


class TwoWays(nn.Module):
    """What ART attacks: scores [n, 2] of "as before" and "other" for any network."""

    def __init__(self, network: nn.Module, scoring: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.scoring = scoring

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Give [n, 2] of a batch [n, channels, ...]."""
        return self.scoring(first_of(self.network(batch)))


class DenseLoss(nn.Module):
    """Minus the cross-entropy to given labels [x, y, z] (as before), and 0 (other)."""

    def __init__(self, labels: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("labels", torch.from_numpy(labels.astype(np.int64))[None])

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        """Give [n, 2] of scores [n, classes, x, y, z]."""
        many = self.labels.expand(len(scores), *self.labels.shape[1:])
        each = nn.functional.cross_entropy(scores, many, reduction="none")
        loss = each.flatten(1).mean(dim=1)
        return torch.stack([-loss, torch.zeros_like(loss)], dim=1)


class LogOdds(nn.Module):
    """0 and the log-odds of one class above its threshold: [n, 2] of scores [n, classes]."""

    def __init__(
        self, index: int, threshold: float, activation: str, temperature: float, count: int
    ) -> None:
        """`activation` is softmax, sigmoid or ""; of the scores the first `count` are classes."""
        super().__init__()
        self._index, self._count = index, count
        self._activation, self._temperature = activation, temperature
        inside = min(max(threshold, 1e-6), 1 - 1e-6)
        self._offset = float(np.log(inside / (1 - inside)))

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        """Give [n, 2]; the second is above 0 where the bundle would say that it is there."""
        flat = scores.flatten(1)[:, : self._count] / self._temperature
        own = flat[:, self._index]
        if self._activation == "softmax":
            others = torch.cat([flat[:, : self._index], flat[:, self._index + 1 :]], dim=1)
            own = own - torch.logsumexp(others, dim=1)
        elif not self._activation:
            own = torch.logit(own.clamp(1e-6, 1 - 1e-6))
        return torch.stack([torch.zeros_like(own), own - self._offset], dim=1)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How strong an attack may be: `eps` in units of the network's input, and what it may reach."""

    eps: float
    low: float
    high: float


def attacked(
    module: nn.Module, batch: np.ndarray, labels: np.ndarray, how: str, bounds: Bounds, seed: int
) -> np.ndarray:
    """Change a batch for the worse.

    Args:
        module: gives [n, 2].
        batch: [n, channels, ...] of float32.
        labels: [n], 0 or 1, what it must be turned away from.
        how: one of `ATTACKS`.
        bounds: no value is changed by more than `eps`, none leaves [low, high].
        seed: of the random ones.

    Returns:
        The changed batch.
    """
    if how == "random":
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=batch.shape)
        moved = batch + bounds.eps * signs
        return np.clip(moved, bounds.low, bounds.high).astype(np.float32)
    classifier = PyTorchClassifier(
        module,
        nn.CrossEntropyLoss(),
        batch.shape[1:],
        2,
        clip_values=(bounds.low, bounds.high),
        device_type="cpu",
    )
    if how == "FGSM":
        attack = FastGradientMethod(classifier, eps=bounds.eps, batch_size=AT_ONCE)
    else:
        step = 2.5 * bounds.eps / STEPS
        attack = ProjectedGradientDescent(
            classifier,
            eps=bounds.eps,
            eps_step=step,
            max_iter=STEPS,
            batch_size=AT_ONCE,
            verbose=False,
        )
    return np.asarray(attack.generate(batch, y=np.eye(2)[labels]), dtype=np.float32)


def bounds_of(batch: np.ndarray, part: float) -> Bounds:
    """Give bounds for a batch: eps is a part of its range, nothing leaves its extremes."""
    low, high = np.percentile(batch, [1.0, 99.0])
    span = float(high - low) or float(np.ptp(batch)) or 1.0
    return Bounds(part * span, float(batch.min()), float(batch.max()))


# ---- classifications -------------------------------------------------------------------------


def attack_class(
    network: Network,
    entry: Classification,
    inputs: np.ndarray,
    truths: np.ndarray,
    parts: Sequence[float] = PARTS,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Attack one class of a classification.

    Args:
        network: with gradients, checked against the bundle.
        entry: the class and its threshold.
        inputs: of the network, [cases, channels, ...].
        truths: [cases], whether it is there.
        parts: strengths.
        seed: of the random changes.

    Returns:
        For each attack and strength `eps`, `largest_change`, `clean` and `robust` accuracy and
        `withstood`, their ratio (None when nothing was right from the start).
    """
    classifying = network.bundle.manifest.classifying
    count = network.scores(inputs[:1]).reshape(1, -1).shape[1]
    if classifying.novelty is not None and classifying.novelty.statistics:
        with np.load(network.bundle.path / classifying.novelty.statistics) as arrays:
            count -= arrays["means"].shape[1]  # features stand behind the scores
    activation = network.pipeline.activation
    scoring = LogOdds(entry.index, entry.threshold, activation, classifying.temperature, count)
    module = TwoWays(network.module, scoring).eval()
    labels = truths.astype(int)
    clean = float((_sides(module, inputs) == labels).mean())
    told = []
    for part in parts:
        bounds = bounds_of(inputs, part)
        for how in ATTACKS:
            moved = attacked(module, inputs, labels, how, bounds, seed)
            robust = float(
                ((_sides(module, inputs) == labels) & (_sides(module, moved) == labels)).mean()
            )
            told.append(
                {
                    **_head(how, part, bounds, inputs, moved),
                    "clean": round(clean, 6),
                    "robust": round(robust, 6),
                    "withstood": round(robust / clean, 6) if clean else None,
                }
            )
    return told


def _sides(module: nn.Module, batch: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        found = module(torch.from_numpy(batch))
    return np.asarray((found[:, 1] >= 0).numpy().astype(int))


# ---- segmentations ---------------------------------------------------------------------------


def attack_patches(
    network: Network, patches: np.ndarray, parts: Sequence[float] = PARTS, seed: int = 0
) -> list[dict[str, Any]]:
    """Attack a segmentation on patches, against its own labels there.

    Args:
        network: with gradients, checked against the bundle.
        patches: inputs [n, channels, x, y, z].
        parts: strengths.
        seed: of the random changes.

    Returns:
        For each attack and strength `eps`, `largest_change`, `dice` (mean over patches of the
        foreground label by label, pooled), `voxels_kept` (part of foreground voxels that keep
        their label) and `withstood`, the part of patches whose Dice stays at `KEPT_DICE`.
    """
    told = []
    for part in parts:
        for how in ATTACKS:
            bounds = bounds_of(patches, part)
            moved = np.concatenate(
                [_attacked_patch(network, one[None], how, bounds, seed) for one in patches]
            )
            kept = [_kept(network, one, two) for one, two in zip(patches, moved, strict=True)]
            told.append(
                {
                    **_head(how, part, bounds, patches, moved),
                    "dice": round(float(np.mean([one[0] for one in kept])), 6),
                    "voxels_kept": round(float(np.mean([one[1] for one in kept])), 6),
                    "withstood": round(float(np.mean([one[0] >= KEPT_DICE for one in kept])), 6),
                }
            )
    return told


def _attacked_patch(
    network: Network, patch: np.ndarray, how: str, bounds: Bounds, seed: int
) -> np.ndarray:
    labels = network.scores(patch)[0].argmax(axis=0)
    module = TwoWays(network.module, DenseLoss(labels)).eval()
    return attacked(module, patch, np.zeros(1, dtype=int), how, bounds, seed)


def _kept(network: Network, before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """Give Dice and the part of foreground voxels that keep their label, both pooled."""
    was, now = (network.scores(one[None])[0].argmax(axis=0) for one in (before, after))
    same = int(((was == now) & (was > 0)).sum())
    total = int((was > 0).sum()) + int((now > 0).sum())
    foreground = int((was > 0).sum())
    return (2.0 * same / total if total else 1.0, same / foreground if foreground else 1.0)


def richest(network: Network, image: np.ndarray, size: Sequence[int], count: int) -> np.ndarray:
    """Give those windows of an input in which the network finds most.

    Args:
        network: looks at candidates, half a window apart, at most 12 of them.
        image: [channels, x, y, z].
        size: of a window (x, y, z); a smaller image is padded with its smallest value.
        count: how many.

    Returns:
        [count or fewer, channels, x, y, z].
    """
    pads = [(0, 0), *((0, max(0, s - n)) for s, n in zip(size, image.shape[1:], strict=True))]
    image = np.pad(image, pads, constant_values=float(image.min()))
    starts = np.stack(
        np.meshgrid(
            *(
                np.unique(np.linspace(0, n - s, 1 + int(np.ceil((n - s) / (s / 2)))).astype(int))
                for n, s in zip(image.shape[1:], size, strict=True)
            ),
            indexing="ij",
        ),
        axis=-1,
    ).reshape(-1, 3)
    chosen = starts[np.linspace(0, len(starts) - 1, min(12, len(starts))).astype(int)]
    windows = [
        image[(slice(None), *(slice(a, a + s) for a, s in zip(start, size, strict=True)))]
        for start in chosen
    ]
    found = [int((network.scores(one[None])[0].argmax(axis=0) > 0).sum()) for one in windows]
    best = np.argsort(found)[::-1][:count]
    return np.stack([windows[int(one)] for one in best if found[int(one)]] or windows[:1])


def _head(
    how: str, part: float, bounds: Bounds, before: np.ndarray, after: np.ndarray
) -> dict[str, Any]:
    return {
        "attack": how,
        "part_of_range": part,
        "eps": round(bounds.eps, 8),
        "largest_change": round(float(np.abs(after - before).max()), 8),
    }
