"""Puts a training run together and carries it out, or takes it up where it was left."""

import json
import platform
import sys
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import EarlyStopping, TQDMProgressBar
from pytorch_lightning.loggers import TensorBoardLogger

from models.data import Splits, open_splits
from models.losses import criterion
from models.networks import build, decided_by_data
from models.training.averaging import Averaging
from models.training.checkpoints import WholeCheckpoints, read_tensors
from models.training.config import Config, ConfigError, differences
from models.training.feeding import Order, training_loader, validation_loader
from models.training.learning import Learner
from models.training.watching import CHECKPOINT, HISTORY, Signals, Watch
from node.clock import SystemClock

LIBRARIES = ("torch", "monai", "pytorch-lightning", "numpy", "timm", "torchvision")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: where everything lies, and why the run is over."""

    folder: Path
    reason: str
    best_score: float | None


def train(config: Config) -> Outcome:
    """Train a network; with a checkpoint in the folder of the run, go on from there.

    Chance is seeded, so on a CPU in float32, with as many threads, a run that was interrupted ends
    with the same bits as one that was not. On a GPU some of torch's kernels have no fixed order.

    Raises:
        ConfigError: data, network or loss do not go together, or the folder is of another run.
        StoppedError: Ctrl-C or SIGTERM came; the checkpoint is written.
    """
    over = _already(config)
    if over is not None:
        return over
    lightning.seed_everything(config.seed, verbose=False)
    try:
        splits = open_splits(config.data.dataset, config.data.options, config.seed)
        loader, order = training_loader(splits, config.training, config.seed)
    except ValueError as error:
        raise ConfigError(f"data: {error}") from error
    learner, facts = _learner(config, splits, len(loader))
    checkpoint = _checkpoint(config, order)
    with Signals() as signals:
        watch = Watch(config, facts, signals, SystemClock())
        trainer = _trainer(config, watch)
        held = validation_loader(splits, config.training)
        trainer.fit(learner, loader, held, ckpt_path=checkpoint, weights_only=True)
        reason = watch.reason(trainer)
        watch.finish(learner.network, reason)
    return Outcome(config.folder, reason, watch.summary(reason)["best_score"])


def network_options(config: Config, splits: Splits) -> dict[str, Any]:
    """Give the options of the network with what the data decide: dimensions, channels, classes.

    Raises:
        ConfigError: the configuration says otherwise.
    """
    image = splits.training[0]["image"]
    try:
        decided = decided_by_data(config.network.name, tuple(image.shape), len(splits.classes))
    except ValueError as error:
        raise ConfigError(f"network.name: {error}") from error
    for key, value in decided.items():
        said = config.network.options.get(key, value)
        if said != value:
            raise ConfigError(f"network.options.{key}: {said}, but the data have {value}")
    return {**config.network.options, **decided}


def _learner(config: Config, splits: Splits, batches: int) -> tuple[Learner, dict[str, Any]]:
    """Give what learns, and what training.json is to say of it."""
    options = network_options(config, splits)
    try:
        network = build(config.network.name, options)
        loss = criterion(splits.task, splits.classes, config.loss)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if config.training.initial_weights is not None:
        network.load_state_dict(read_tensors(config.training.initial_weights))
    steps = config.training.epochs * -(-batches // config.training.accumulate)
    learner = Learner(network, loss, config, (splits.task, splits.classes), steps)
    facts = {
        "network": {"name": config.network.name, "options": options},
        "parameters": sum(p.numel() for p in network.parameters()),
        "task": splits.task,
        "classes": list(splits.classes),
        "steps": steps,
        "seeds": {"run": config.seed, "step": "seed * 1000003 + batches so far"},
        "machine": _machine(),
        "data": splits.provenance,
    }
    return learner, facts


def _trainer(config: Config, watch: Watch) -> lightning.Trainer:
    training = config.training
    callbacks: list[lightning.Callback] = []
    if training.ema is not None:
        callbacks.append(Averaging(training.ema))
    if training.patience is not None:
        callbacks.append(
            EarlyStopping(
                "score", mode="max", patience=training.patience, check_on_train_epoch_end=False
            )
        )
    if sys.stderr.isatty():
        callbacks.append(TQDMProgressBar(leave=True))
    _quiet()
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return lightning.Trainer(
        accelerator="auto",
        devices=1,
        precision=training.precision,
        max_epochs=training.epochs,
        accumulate_grad_batches=training.accumulate,
        gradient_clip_val=config.optimiser.clip,
        check_val_every_n_epoch=training.validate_every,
        num_sanity_val_steps=0,
        deterministic="warn",
        benchmark=False,
        logger=TensorBoardLogger(config.folder, name="", version="logs"),
        log_every_n_steps=1,
        plugins=[WholeCheckpoints()],
        callbacks=[*callbacks, watch],
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=sys.stderr.isatty(),
    )


def _already(config: Config) -> Outcome | None:
    """Give how a run ended that is over already, unless it is now to take longer."""
    file = config.folder / HISTORY
    if not file.exists():
        return None
    told = json.loads(file.read_text())
    _same_run(told["config"], config)
    if told["finished"] is None or told["config"]["training"] != config.plain()["training"]:
        return None
    return Outcome(config.folder, told["finished"], told["best_score"])


def _checkpoint(config: Config, order: Order) -> Path | None:
    """Give the checkpoint to go on from, if there is one, and set the order of items there."""
    file = config.folder / CHECKPOINT
    if not file.exists():
        return None
    read = read_tensors(file)
    _same_run(read["callbacks"]["Watch"]["config"], config)
    loops = read["loops"]["fit_loop"]
    epoch = loops["epoch_progress"]["current"]["processed"]
    batch = loops["epoch_loop.batch_progress"]["current"]["processed"]
    within = loops["epoch_loop.batch_progress"]["current"]["completed"] < batch
    order.begin_at(epoch, batch * config.training.batch_size if within else 0)
    return file


def _same_run(before: dict[str, Any], config: Config) -> None:
    keys = differences(before, config.plain())
    if keys:
        raise ConfigError(
            f"{config.folder} holds a run with another {', '.join(keys)}; "
            "name another folder with --output, or move that one away"
        )


def _machine() -> dict[str, Any]:
    cuda = torch.cuda.is_available()
    return {
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
        "device": torch.cuda.get_device_name()
        if cuda
        else platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
    }


def _quiet() -> None:
    """Leave out advice that is not for whoever trains here."""
    for text in (
        ".*does not have many workers.*",
        ".*is not resumable.*",
        ".*smaller than the logging.*",
    ):
        warnings.filterwarnings("ignore", text)
