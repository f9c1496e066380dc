"""A tiny data set: bright balls (segmentation) or bright images (classification) in noise."""

import os
import sys
import threading
from pathlib import Path

import torch

from models.data import Splits


class Balls:
    def __init__(self, number, size, seed, dims=3):
        self.number, self.size, self.seed, self.dims, self.epoch = number, size, seed, dims, 0

    def __len__(self):
        return self.number

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __getitem__(self, index):
        _stand_still()
        chance = torch.Generator().manual_seed(self.seed + 1000 * self.epoch + index)
        axes = torch.meshgrid(*[torch.arange(self.size)] * self.dims, indexing="ij")
        label = torch.zeros([self.size] * self.dims, dtype=torch.uint8)
        for value in (1, 2):
            middle = torch.randint(4, self.size - 4, (self.dims,), generator=chance)
            distance = sum((a - m) ** 2 for a, m in zip(axes, middle, strict=True))
            label[distance < 16] = value
        noise = torch.randn(label.shape, generator=chance) * 0.1
        return {"image": (label.float() + noise)[None], "label": label[None]}


_given = 0


def _stand_still():
    """Before the item whose number BALLS_WAIT_AT names, say so and wait for the file BALLS_GO."""
    global _given  # noqa: PLW0603 - the process is the test
    _given += 1
    if _given == int(os.environ.get("BALLS_WAIT_AT", "0")):
        sys.stderr.write("standing still\n")
        sys.stderr.flush()
        while not Path(os.environ["BALLS_GO"]).exists():
            threading.Event().wait(0.05)


class Lights(Balls):
    def __getitem__(self, index):
        item = super().__getitem__(index)
        bright = index % 2
        return {"image": item["image"] * 0.2 + bright, "label": torch.tensor(bright)}


def open_balls(options, seed):
    size, dims = options.get("size", 16), options.get("dims", 3)
    return Splits(
        Balls(options.get("number", 12), size, seed, dims),
        Balls(2, size, seed + 500_000, dims),
        ("background", "small", "large"),
        "segmentation",
        {"made": "balls"},
    )


def open_lights(options, seed):
    size, dims = options.get("size", 16), options.get("dims", 3)
    return Splits(
        Lights(options.get("number", 12), size, seed, dims),
        Lights(6, size, seed + 500_000, dims),
        ("dark", "bright"),
        "classification",
        {"made": "lights"},
    )
