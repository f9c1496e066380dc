"""How the learning rate goes up and down over a run."""

import math
from collections.abc import Callable

from models.training.config import Optimiser


def learning_rate(optimiser: Optimiser, steps: int) -> Callable[[int], float]:
    """Give the share of the learning rate that holds at a step, as a function of the step.

    It rises in a line during the steps of warming up. Then it stays (constant), falls as half a
    cosine wave to nothing (cosine), or as (1 - progress) ** 0.9 (poly, as nnU-Net does).

    Args:
        optimiser: what the configuration says.
        steps: changes of the weights in the whole run.
    """
    warmup = min(optimiser.warmup_steps, steps)

    def share(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        progress = min(1.0, (step - warmup) / max(1, steps - warmup))
        if optimiser.schedule == "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * progress))
        if optimiser.schedule == "poly":
            return float((1.0 - progress) ** 0.9)
        return 1.0

    return share
