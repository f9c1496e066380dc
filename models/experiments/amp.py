"""How much memory does mixed precision save in training? bfloat16 against float32, on the CPU.

Each measurement is a process of its own (`stepping`), because memory that a process once had says
nothing of what its next step needs. float32 and bfloat16 take turns.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from models.experiments.comparing import Claim, Comparison, compared
from models.experiments.results import Found, Given, table
from models.experiments.settings import Settings as Common

PRECISIONS = ("float32", "bfloat16")
MEASURES = {
    "peak_mb": "peak of the process beyond the libraries, MB",
    "kept_mb": "kept from forward to backward, MB",
    "seconds": "time of a step, s",
}


class Trained(BaseModel):
    """What takes steps: a network of the workshop, its options, and the shape of a batch."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: str
    options: dict[str, Any]
    shape: tuple[int, ...]


class Settings(Common):
    """Networks by name, and how many steps each takes."""

    networks: dict[str, Trained]
    steps: int


def run(settings: Settings, given: Given) -> Found:
    """Measure every network in both precisions, as often as there are seeds."""
    found: dict[str, dict[str, list[dict[str, float]]]] = {
        name: {precision: [] for precision in PRECISIONS} for name in settings.networks
    }
    for seed in range(settings.seeds):
        for name, trained in settings.networks.items():
            for precision in PRECISIONS if seed % 2 else PRECISIONS[::-1]:
                one = _measured(trained, (precision, settings.steps, seed, given.threads))
                found[name][precision].append(one)
                given.say(f"  seed {seed}: {name}, {precision}: {one['peak_mb']:.0f} MB")
    return _told(settings, found)


def _measured(trained: Trained, how: tuple[str, int, int, int]) -> dict[str, float]:
    precision, steps, seed, threads = how
    request = {
        **trained.model_dump(mode="json"),
        "precision": precision,
        "steps": steps,
        "seed": seed,
        "threads": threads,
    }
    answer = subprocess.run(
        [sys.executable, "-m", "models.experiments.stepping"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
    )
    told: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return told


Measured = Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]]


def _told(settings: Settings, found: Measured) -> Found:
    shapes = "; ".join(
        f"{name}: {'x'.join(map(str, one.shape))}" for name, one in settings.networks.items()
    )
    per_network = [_change(found, settings, "peak_mb", [name]) for name in found]
    tables = tuple(
        table(
            f"{name}: {what.partition(', ')[0]}",
            what.partition(", ")[2],
            {p: [one[key] for one in found[name][p]] for p in PRECISIONS},
        )
        for name in found
        for key, what in MEASURES.items()
    )
    return Found(
        title="Memory of mixed precision",
        claimed="memory of training -40 %",
        tables=tables,
        comparisons=(
            _change(found, settings, "peak_mb", list(found)),
            *per_network,
            _change(found, settings, "kept_mb", list(found)),
        ),
        setup=(
            f"{settings.steps} steps of AdamW on random batches ({shapes}); weights and optimiser "
            "in float32, autocast to bfloat16 in the forward pass, as on a GPU.",
            "The peak is the largest resident size of a process of its own, less what the imported "
            "libraries take; what is kept for the backward pass is counted tensor by tensor and is "
            "the same on every device.",
            "Seeds are repeats on one machine: their interval says how steady the measurement is. "
            "The bootstrap of the first line draws networks, too.",
        ),
        limits=(
            "There is no GPU here: a GPU's allocator, cuDNN's workspaces and float16 with loss "
            "scaling are not measured. What is kept for the backward pass carries over, the peak "
            "need not.",
            "Weights, gradients and optimiser stay in float32, so a network that is large beside "
            "its images saves less.",
        ),
    )


def _change(found: Measured, settings: Settings, key: str, names: list[str]) -> Comparison:
    def change(seed: int, cases: np.ndarray) -> float:
        each = [found[names[int(case)]] for case in cases]
        ratios = [one["bfloat16"][seed][key] / one["float32"][seed][key] for one in each]
        return 100 * (float(np.mean(ratios)) - 1)

    who = "mean over networks" if len(names) > 1 else names[0]
    what = f"{MEASURES[key].partition(', ')[0]}, bfloat16 over float32, {who}"
    return compared(what, change, [len(names)] * settings.seeds, Claim(-40.0, "%"))
