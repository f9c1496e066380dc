"""Watches a run: keeps the checkpoint, the best weights and the history, and ends it when asked to.

A checkpoint is written only where nothing is half done: after a change of the weights within an
epoch, or when an epoch and its validation are over. What is lost by kill -9 is what came after.
"""

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as lightning
import torch
from torch import nn

from models.training.averaging import Averaging
from models.training.checkpoints import write_json, write_weights
from models.training.config import Config
from models.training.learning import Learner
from node.clock import Clock

CHECKPOINT, BEST, LAST, HISTORY = "resume.ckpt", "best.pt", "last.pt", "training.json"


class StoppedError(Exception):
    """Somebody asked the run to stop; the checkpoint is written."""


class Signals:
    """Remembers that Ctrl-C or SIGTERM came; a second Ctrl-C does not wait."""

    def __init__(self) -> None:
        """Begin unasked."""
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        """Listen."""
        self.listen()
        return self

    def listen(self) -> None:
        """Listen alone, also where somebody else has begun to since: Lightning stops anywhere."""
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.signal(number, self._note)
            self._before.setdefault(number, before)

    def __exit__(self, *_: object) -> None:
        """Leave signals to whom they belonged."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal's
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True


class Watch(lightning.Callback):  # type: ignore[misc]
    """Stands beside a run, after every other callback (see the head of this file)."""

    def __init__(
        self, config: Config, facts: dict[str, Any], signals: Signals, clock: Clock
    ) -> None:
        """Begin a run, or take it up.

        Args:
            config: the whole configuration.
            facts: plain values for training.json: provenance, versions, seeds.
            signals: whether to stop.
            clock: for the time that it takes.
        """
        self._config = config
        self._facts = facts
        self._signals = signals
        self._clock = clock
        self._began = clock.monotonic()
        self._earlier_s = 0.0
        self._best: float | None = None
        self._history: list[dict[str, Any]] = []
        self._averaging: Averaging | None = None

    @property
    def folder(self) -> Path:
        """Where everything goes."""
        return self._config.folder

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: Learner) -> None:  # noqa: ARG002
        """Look for who averages the weights."""
        found = [one for one in trainer.callbacks if isinstance(one, Averaging)]
        self._averaging = found[0] if found else None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Learner) -> None:  # noqa: ARG002
        """Be the one who hears signals."""
        self._signals.listen()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: Learner,  # noqa: ARG002 - Lightning's signature
        outputs: object,  # noqa: ARG002
        batch: object,  # noqa: ARG002
        batch_idx: int,
    ) -> None:
        """Keep a checkpoint, or end the run, where the weights have just changed."""
        training = self._config.training
        if training.minutes is not None and self._seconds() > 60 * training.minutes:
            trainer.should_stop = True
        done = batch_idx + 1
        if done % training.accumulate or done >= trainer.num_training_batches:
            return
        every = training.checkpoint_every
        due = every is not None and trainer.global_step % every == 0
        if due or self._signals.asked:
            self._keep(trainer)
        if self._signals.asked:
            raise StoppedError

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: Learner) -> None:
        """Note the figures, and keep the weights where they are the best so far."""
        figures = dict(pl_module.figures)
        score = figures.pop("score") or 0.0
        self._history.append(
            {
                "epoch": trainer.current_epoch + 1,
                "step": trainer.global_step,
                "seconds": round(self._seconds(), 1),
                "loss": _number(trainer.callback_metrics.get("loss")),
                "score": score,
                "validation": figures,
            }
        )
        if self._best is None or score > self._best:
            self._best = score
            write_weights(self.folder / BEST, self._weights(pl_module))
        if not sys.stderr.isatty():
            sys.stderr.write(_line(self._history[-1]))
            sys.stderr.flush()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Learner) -> None:  # noqa: ARG002
        """Keep a checkpoint and the history; end the run if asked to."""
        self._keep(trainer)
        write_json(self.folder / HISTORY, self.summary(None))
        if self._signals.asked:
            raise StoppedError

    def finish(self, network: nn.Module, reason: str) -> None:
        """Write the last weights and the history of a run that is over.

        Args:
            network: as the trainer left it; with averaging, it holds the average.
            reason: epochs, patience or minutes.
        """
        write_weights(self.folder / LAST, network.state_dict())
        if not (self.folder / BEST).exists():
            write_weights(self.folder / BEST, network.state_dict())
        write_json(self.folder / HISTORY, self.summary(reason))

    def summary(self, finished: str | None) -> dict[str, Any]:
        """Give what training.json says. `finished` is why the run is over, or None."""
        return {
            "finished": finished,
            "best_score": self._best,
            "seconds": round(self._seconds(), 1),
            "peak_memory_mb": peak_memory_mb(),
            "config": self._config.plain(),
            **self._facts,
            "history": self._history,
        }

    def reason(self, trainer: lightning.Trainer) -> str:
        """Say why a run that is over is over."""
        minutes = self._config.training.minutes
        if minutes is not None and self._seconds() > 60 * minutes:
            return "minutes"
        return "epochs" if trainer.current_epoch >= self._config.training.epochs else "patience"

    def state_dict(self) -> dict[str, Any]:
        """Give what a checkpoint keeps of this."""
        return {
            "seconds": self._seconds(),
            "best": self._best,
            "history": self._history,
            "config": self._config.plain(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._earlier_s = state_dict["seconds"]
        self._best = state_dict["best"]
        self._history = list(state_dict["history"])

    def _keep(self, trainer: lightning.Trainer) -> None:
        trainer.save_checkpoint(self.folder / CHECKPOINT, weights_only=False)

    def _seconds(self) -> float:
        return self._earlier_s + self._clock.monotonic() - self._began

    def _weights(self, learner: Learner) -> dict[str, torch.Tensor]:
        if self._averaging is not None:
            return self._averaging.weights()
        weights: dict[str, torch.Tensor] = learner.network.state_dict()
        return weights


def peak_memory_mb() -> dict[str, float]:
    """Give the most memory that this process has had so far, in MB (10^6 bytes)."""
    import resource

    peaks = {"host": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6}
    if torch.cuda.is_available():
        peaks["device"] = torch.cuda.max_memory_allocated() / 1e6
    return {name: round(value, 1) for name, value in peaks.items()}


def _number(value: torch.Tensor | None) -> float | None:
    return None if value is None else float(value)


def _line(entry: dict[str, Any]) -> str:
    loss = "" if entry["loss"] is None else f"loss {entry['loss']:.4f}, "
    return (
        f"epoch {entry['epoch']}, step {entry['step']}, {entry['seconds']:.0f} s: "
        f"{loss}score {entry['score']:.4f}\n"
    )
