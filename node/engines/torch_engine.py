"""Runs a network (TorchScript, or a state dict with one of MONAI's networks) with PyTorch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

Array: TypeAlias = np.ndarray


class TorchEngine:
    """One network in PyTorch, on the GPU if there is one."""

    def __init__(self, weights: Path, threads: int, network: Mapping[str, Any] | None) -> None:
        """Load the network.

        Args:
            weights: TorchScript, or with `network` a state dict.
            threads: how many CPU threads it may use.
            network: name and plain arguments of a class in monai.networks.nets, or None.

        Raises:
            RuntimeError: the file is not what it should be, or does not fit the network.
            AttributeError: MONAI has no such network.
        """
        torch.set_num_threads(threads)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        if network is None:
            module = torch.jit.load(str(weights), map_location=self._device)
        else:
            module = _with_state(weights, network, self._device)
        self._module = module.eval()
        name = torch.cuda.get_device_name() if self._device == "cuda" else "CPU"
        self._facts = {
            "engine": f"PyTorch {torch.__version__}",
            "device": name,
            "precision": "f32",
            "threads": str(threads),
        }

    def run(self, batch: Array) -> Array:
        """Give the network's first output for a batch [n, channels, x, y, z] of float32."""
        with torch.inference_mode():
            found = self._module(torch.from_numpy(batch).to(self._device))
        first = found[0] if isinstance(found, (tuple, list)) else found
        return np.asarray(first.float().cpu().numpy())

    def warm_up(self, shape: Sequence[int]) -> None:
        """Run once on zeros of this shape, so that the first image does not pay for it."""
        self.run(np.zeros(shape, dtype=np.float32))

    def describe(self) -> Mapping[str, str]:
        """Say what runs the network: engine, device, precision, threads."""
        return self._facts


def _with_state(weights: Path, network: Mapping[str, Any], device: str) -> Any:  # noqa: ANN401
    """Build one of MONAI's networks and fill in its weights; nothing else can be built here."""
    from monai.networks import nets

    module = getattr(nets, network["name"])(**network["arguments"])
    # weights_only refuses everything but tensors, so that a weight file cannot run a program
    state = torch.load(weights, map_location=device, weights_only=True)  # noqa: TID251
    module.load_state_dict(state.get("state_dict", state))
    return module.to(device)
