"""What happens in a step of training: images in, logits out, loss; and what in a validation."""

from typing import Any

import pytorch_lightning as lightning
import torch
from monai.inferers import sliding_window_inference
from torch import nn

from models.losses import Criterion
from models.training.config import Config
from models.training.judging import Judge, judge
from models.training.scheduling import learning_rate
from models.training.small_volumes import guarded

Batch = dict[str, torch.Tensor]


class DivergedError(Exception):
    """The loss is no number any more; going on from the last checkpoint may not help."""


class Learner(lightning.LightningModule):  # type: ignore[misc]
    """A network, what counts as wrong, and how its weights change.

    `network` is all that is kept in the end. Nothing here remembers anything from step to step but
    what a checkpoint holds.
    """

    def __init__(
        self,
        network: nn.Module,
        criterion: Criterion,
        config: Config,
        task: tuple[str, tuple[str, ...]],
        steps: int,
    ) -> None:
        """Bring the parts together.

        Args:
            network: takes images, gives logits.
            criterion: the loss.
            config: the whole configuration.
            task: segmentation or classification, and the names of the classes.
            steps: changes of the weights in the whole run, for the schedule.
        """
        super().__init__()
        self.network = network
        self.criterion = criterion
        self._config = config
        self._task = task
        self._steps = steps
        self._judge: Judge = judge(*task)
        self.figures: dict[str, float | None] = {}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Give logits (see `models.networks`)."""
        logits: torch.Tensor = self.network(images)
        return logits

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 - Lightning's
        """Seed chance anew for each batch, so that dropout repeats when a run is taken up again."""
        done = self.trainer.fit_loop.epoch_loop.total_batch_idx
        torch.manual_seed(self._config.seed * 1_000_003 + done)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:  # noqa: ARG002 - Lightning's
        """Give the loss of a batch; its parts go to the log.

        Raises:
            DivergedError: it is not a number.
        """
        with guarded(self._config.training.precision, self.device):
            logits = self.network(batch["image"])
        total, parts = self.criterion(logits, batch["label"])
        if not torch.isfinite(total):
            raise DivergedError(f"The loss is {total.item()} at step {self.global_step}")
        size = len(batch["image"])
        self.log("loss", total, prog_bar=True, on_step=True, on_epoch=True, batch_size=size)
        self.log_dict({f"loss/{name}": value for name, value in parts.items()}, batch_size=size)
        self.log("learning_rate", self.trainer.optimizers[0].param_groups[0]["lr"], batch_size=size)
        return total

    def on_validation_epoch_start(self) -> None:
        """Begin to judge."""
        self._judge = judge(*self._task)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 - Lightning's
        """Judge images."""
        self._judge.add(self._whole(batch["image"]), batch["label"])

    def on_validation_epoch_end(self) -> None:
        """Log what the judge says; what it cannot say is left out."""
        self.figures = self._judge.figures()
        known = {name: value for name, value in self.figures.items() if value is not None}
        self.log_dict({f"validation/{name}": value for name, value in known.items()})
        chosen = known.get(self._judge.monitor, known.get("accuracy", 0.0))
        self.log("score", chosen, prog_bar=True)
        self.figures["score"] = chosen

    def configure_optimizers(self) -> dict[str, Any]:
        """Give AdamW and the schedule of its learning rate."""
        chosen = self._config.optimiser
        weights = [p for p in self.network.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in weights if p.ndim > 1], "weight_decay": chosen.weight_decay},
            {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimiser = torch.optim.AdamW(groups, lr=chosen.learning_rate)
        share = learning_rate(chosen, self._steps)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, share)
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _whole(self, images: torch.Tensor) -> torch.Tensor:
        """Give logits of whole images, in overlapping windows where the configuration names one."""
        window = self._config.training.window
        if window is None:
            return self(images)
        logits = sliding_window_inference(
            images, window, sw_batch_size=1, predictor=self.network, overlap=0.25, mode="gaussian"
        )
        assert isinstance(logits, torch.Tensor)
        return logits
