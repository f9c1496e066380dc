"""Takes training steps in a process of its own and says how much memory they took.

Reads one request as JSON on stdin, gives one answer as JSON on stdout (see `amp`).
"""

import json
import sys
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from torch import nn

from models.networks import build

MEGABYTE = 1 << 20


def stepped(request: dict[str, Any]) -> dict[str, float]:
    """Take the steps.

    Args:
        request: `network`, `options`, `shape` (of a batch), `precision`, `steps`, `seed`,
            `threads`.

    Returns:
        `peak_mb` (largest resident size less that before the network was built), `kept_mb` (saved
        from forward to backward, weights aside), `seconds` (the fastest step).
    """
    torch.set_num_threads(request["threads"])
    torch.manual_seed(request["seed"])
    half = request["precision"] == "bfloat16"
    tiny = build("unet", {"in_channels": 1, "out_channels": 1, "channels": (2, 2)})
    _steps(tiny, torch.randn(2, 1, 8, 8, 8), 1, half=half)  # loads what any step needs
    before = _resident("VmRSS")
    network = build(request["network"], request["options"]).train()
    batch = torch.randn(request["shape"])
    times = _steps(network, batch, request["steps"], half=half)
    peak = _resident("VmHWM") - before
    return {
        "peak_mb": round(peak, 1),
        "kept_mb": round(kept_mb(network, batch, half=half), 1),
        "seconds": round(min(times), 4),
    }


def _steps(network: nn.Module, batch: torch.Tensor, number: int, *, half: bool) -> list[float]:
    """Take steps of AdamW, and give the seconds of each."""
    optimiser = torch.optim.AdamW(network.parameters(), 1e-4)
    times = []
    for _ in range(number):
        began = monotonic()
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = network(batch).float().square().mean()
        loss.backward()
        optimiser.step()
        times.append(monotonic() - began)
    return times


def kept_mb(network: nn.Module, batch: torch.Tensor, *, half: bool) -> float:
    """Give what autograd keeps of a forward pass for the backward one, in MB, weights aside.

    Each storage counts once, however many operations keep it.
    """
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    kept: dict[int, tuple[int, torch.Tensor]] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes(), tensor
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=half),
    ):
        answer = network(batch)
    total = sum(size for size, _ in kept.values()) / MEGABYTE
    del answer
    return total


def _resident(field: str) -> float:
    """Give a line of this process's status, in MB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


if __name__ == "__main__":
    sys.stdout.write(json.dumps(stepped(json.load(sys.stdin))) + "\n")
