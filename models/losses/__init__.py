"""What counts as wrong: Dice and cross-entropy, and what anatomy forbids.

`criterion("segmentation", classes, options)` makes a loss of the options of a configuration. Its
parts are kept apart, so that a log shows which of them falls.
"""

from collections.abc import Callable, Sequence

import torch
from monai.losses import DiceCELoss
from torch import nn

from models.losses.options import AnatomyTerms, Loss

__all__ = ["AnatomyTerms", "Criterion", "Loss", "criterion"]

Term = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Takes logits and reference, gives one number."""


class Criterion(nn.Module):  # type: ignore[misc]
    """Adds up weighted parts."""

    def __init__(self, parts: dict[str, tuple[float, Term]]) -> None:
        """Take the parts by name, each with its weight; those that weigh nothing are left out."""
        super().__init__()
        self._parts = {name: part for name, part in parts.items() if part[0] > 0}
        if not self._parts:
            raise ValueError("loss: nothing weighs anything")

    def forward(
        self, logits: torch.Tensor, label: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Give the sum, and each part as it is before it is weighed.

        Args:
            logits: [N, K, x, y(, z)] or [N, K]; or [N, heads, K, ...] of a network that answers at
                several scales, where each head weighs half as much as the one before.
            label: class of each voxel, [N, 1, x, y(, z)], or of each image, [N].
        """
        if logits.ndim != label.ndim + (label.ndim == 1):
            return self._of_heads(logits, label)
        values = {name: term(logits.float(), label) for name, (_, term) in self._parts.items()}
        total = torch.stack([self._parts[name][0] * value for name, value in values.items()]).sum()
        return total, {name: value.detach() for name, value in values.items()}

    def _of_heads(
        self, logits: torch.Tensor, label: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        weights = [0.5**number for number in range(logits.shape[1])]
        answers = [self(head, label) for head in logits.unbind(1)]
        total = sum(w * answer[0] for w, answer in zip(weights, answers, strict=True))
        return total / sum(weights), answers[0][1]


def criterion(task: str, classes: Sequence[str], options: Loss) -> Criterion:
    """Make the loss of a run.

    Args:
        task: segmentation or classification.
        classes: names by index; for a segmentation the background comes first.
        options: what the configuration says.

    Raises:
        ValueError: nothing weighs anything, or an anatomy table does not go with the classes.
    """
    if task == "classification":
        entropy = nn.CrossEntropyLoss(label_smoothing=options.label_smoothing)
        return Criterion({"cross_entropy": (options.cross_entropy, entropy)})
    parts: dict[str, tuple[float, Term]] = {"dice_ce": (options.dice_ce, _dice_ce(options))}
    if options.anatomy is not None:
        from models.losses.anatomy import anatomical_terms

        parts |= anatomical_terms(options.anatomy, classes)
    return Criterion(parts)


def _dice_ce(options: Loss) -> Term:
    """Dice over a whole batch (few patches hold all classes) and cross-entropy, in equal parts."""
    loss = DiceCELoss(
        include_background=options.background,
        to_onehot_y=True,
        softmax=True,
        batch=True,
        label_smoothing=options.label_smoothing,
    )
    term: Term = loss
    return term
