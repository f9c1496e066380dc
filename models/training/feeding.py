"""Feeds the trainer: which items in which order, the same whenever a run is taken up again.

The order is a function of seed and epoch. What travels to the data set, also into another process,
is epoch and index together, so no worker can be an epoch behind.
"""

import signal
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from models.data import Samples, Splits
from models.training.config import Training

Key = tuple[int, int]


class Drawn(Dataset[Any]):
    """A data set whose items are asked for by epoch and index."""

    def __init__(self, samples: Samples) -> None:
        """Stand before a data set of `models.data`."""
        self._samples = samples
        self._epoch: int | None = None

    def __getitem__(self, key: Key) -> dict[str, Any]:
        """Give an item: `image` and `label` (see `models.data`)."""
        epoch, index = key
        if epoch != self._epoch:
            self._samples.set_epoch(epoch)
            self._epoch = epoch
        return self._samples[index]


class Order(Sampler[Key]):
    """Says what comes next: every item once in an epoch, shuffled, or as many as were asked for."""

    def __init__(self, items: int, wanted: int, seed: int) -> None:
        """Shuffle.

        Args:
            items: how many there are.
            wanted: how many make an epoch; more than there are come again in another order.
            seed: another seed, another order.
        """
        self._items = items
        self._wanted = wanted
        self._seed = seed
        self._epoch = 0
        self._skipped = 0

    def __len__(self) -> int:
        """Give the number of items of an epoch."""
        return self._wanted

    def set_epoch(self, epoch: int) -> None:
        """Draw the order of another epoch; Lightning calls this before each one."""
        self._epoch = epoch

    def begin_at(self, epoch: int, item: int) -> None:
        """Begin within an epoch, where a run is taken up again."""
        self._epoch = epoch
        self._skipped = item

    def __iter__(self) -> Iterator[Key]:
        """Give epoch and index of one item after the other."""
        epoch, skipped = self._epoch, self._skipped
        self._skipped = 0
        yield from ((epoch, index) for index in self.drawn(epoch)[skipped:])

    def drawn(self, epoch: int) -> list[int]:
        """Give the indices of a whole epoch."""
        chance = torch.Generator().manual_seed(self._seed * 1_000_003 + epoch)
        order: list[int] = []
        while len(order) < self._wanted:
            order += torch.randperm(self._items, generator=chance).tolist()
        return order[: self._wanted]


def training_loader(splits: Splits, training: Training, seed: int) -> tuple[DataLoader[Any], Order]:
    """Make what gives the batches of an epoch, and the order in which it does.

    Raises:
        ValueError: there are fewer items than make a batch.
    """
    items, batch = len(splits.training), training.batch_size
    wanted = items // batch * batch
    if training.steps_per_epoch is not None:
        wanted = training.steps_per_epoch * training.accumulate * batch
    if wanted == 0:
        raise ValueError(f"training.batch_size {batch} is more than the {items} items there are")
    order = Order(items, wanted, seed)
    loader = DataLoader(
        Drawn(splits.training),
        batch_size=batch,
        sampler=order,
        num_workers=training.workers,
        persistent_workers=training.workers > 0,
        worker_init_fn=_leave_signals_to_the_trainer,
        pin_memory=torch.cuda.is_available(),
    )
    return loader, order


def validation_loader(splits: Splits, training: Training) -> DataLoader[Any]:
    """Make what gives the items that the network is held against, in their own order.

    Images to be segmented come one by one, as they may be of different sizes.
    """
    return DataLoader(
        splits.validation,
        batch_size=1 if splits.task == "segmentation" else training.batch_size,
        num_workers=training.workers,
        persistent_workers=training.workers > 0,
        worker_init_fn=_leave_signals_to_the_trainer,
        pin_memory=torch.cuda.is_available(),
    )


def _leave_signals_to_the_trainer(worker: int) -> None:  # noqa: ARG001 - torch passes its number
    """Keep a worker alive when Ctrl-C or SIGTERM goes to the whole group: the trainer ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
