"""Keeps a moving average of the weights, which often judges better than the weights of any step."""

import torch
from pytorch_lightning.callbacks import WeightAveraging


class Averaging(WeightAveraging):  # type: ignore[misc]
    """An exponential moving average; it is what is validated and what is written as weights.

    Early on the decay is less, (1 + n) / (10 + n) after n steps, or the random weights of the
    beginning would weigh on the average for as long as 1 / (1 - decay) steps.
    """

    def __init__(self, decay: float) -> None:
        """Begin; `decay` is how much of the average stays at each step, for example 0.999."""

        def mean(
            average: torch.Tensor, current: torch.Tensor, number: torch.Tensor | int
        ) -> torch.Tensor:
            count = float(number)
            share = min(decay, (1.0 + count) / (10.0 + count))
            return average * share + current * (1.0 - share)

        super().__init__(use_buffers=True, avg_fn=mean)

    def weights(self) -> dict[str, torch.Tensor]:
        """Give the averaged weights of the network."""
        assert self._average_model is not None
        found: dict[str, torch.Tensor] = self._average_model.module.network.state_dict()
        return found
