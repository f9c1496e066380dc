"""Runs a network (TorchScript, or a state dict with one of MONAI's networks) with PyTorch."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

Array: TypeAlias = np.ndarray
MEGABYTE = 1 << 20
NESTED = ("state_dict", "model", "network_weights")
"""Where checkpoints keep the weights, if not on top."""
FORGOTTEN = {("SwinUNETR", "img_size")}
"""Arguments that MONAI once asked for and no longer takes; they changed no weight."""
HALVES = {"bf16": torch.bfloat16, "f16": torch.float16}


class TorchEngine:
    """One network in PyTorch, on the GPU if there is one."""

    def __init__(
        self,
        weights: Path,
        threads: int,
        network: Mapping[str, Any] | None,
        *,
        precision: str = "f32",
        device: str = "",
    ) -> None:
        """Load the network.

        Args:
            weights: TorchScript, or with `network` a state dict.
            threads: how many CPU threads it may use.
            network: name and plain arguments of a class in monai.networks.nets, or None.
            precision: "f32", "bf16", or on a GPU "f16"; the latter two by autocast.
            device: "cpu" to keep off the GPU.

        Raises:
            RuntimeError: the file is not what it should be, or does not fit the network.
            AttributeError: MONAI has no such network.
            ValueError: the precision is none for this device.
        """
        torch.set_num_threads(threads)
        on_card = torch.cuda.is_available() and device != "cpu"
        self._device = "cuda" if on_card else "cpu"
        # f16 convolutions in three dimensions take minutes each on a CPU
        if precision not in ("f32", "bf16") and not (on_card and precision == "f16"):
            raise ValueError(f"PyTorch is not used in {precision} on the {self._device}")
        if network is None:
            module = torch.jit.load(str(weights), map_location=self._device)
        else:
            module = with_state(weights, network, self._device)
        self._module = module.eval()
        self._half = HALVES.get(precision)
        self._alone_is_slow = not on_card and self._half is None and network is not None
        self._facts = {
            "engine": f"PyTorch {torch.__version__}",
            "device": torch.cuda.get_device_name() if on_card else "CPU",
            "precision": precision,
            "threads": str(threads),
        }

    def run(self, batch: Array) -> Array:
        """Give the network's first output for a batch [n, channels, x, y, z] of float32."""
        with torch.inference_mode(), self._autocast():
            found = self._module(self._tensor(batch))
        first = found[0] if isinstance(found, (tuple, list)) else found
        return np.asarray(first.float().cpu().numpy())

    def _autocast(self) -> AbstractContextManager[Any]:
        if self._half is None:
            return nullcontext()
        return torch.autocast(self._device, dtype=self._half)

    def _tensor(self, batch: Array) -> torch.Tensor:
        tensor = torch.from_numpy(batch).to(self._device)
        if self._half is not None and tensor.ndim == 5:
            # oneDNN and cuDNN compute halves with channels last; anything else is turned first
            return tensor.contiguous(memory_format=torch.channels_last_3d)
        return tensor

    def warm_up(self, shape: Sequence[int]) -> None:
        """Run once on zeros of this shape, so that the first image does not pay for it."""
        self.run(np.zeros(shape, dtype=np.float32))

    def describe(self) -> Mapping[str, str]:
        """Say what runs the network: engine, device, precision, threads."""
        return self._facts

    def memory_mb(self) -> float:
        """Say how much of the GPU's memory PyTorch keeps for it."""
        if self._device == "cpu":
            return 0.0
        return float(torch.cuda.max_memory_reserved()) / MEGABYTE

    def suits(self, asked: int) -> int:
        """Take two at least on a CPU in f32: one alone goes through a convolution that is slow.

        PyTorch sends a small batch of 3D convolutions to `slow_conv3d`, a larger one to oneDNN;
        MONAI's UNet takes 224 ms for one window of 96 cubed and 204 ms for two. A traced network
        may know its batch by heart, so TorchScript gets what the bundle asks for.
        """
        return max(asked, 2) if self._alone_is_slow else asked


def with_state(weights: Path, network: Mapping[str, Any], device: str) -> Any:  # noqa: ANN401
    """Build one of MONAI's networks and fill in its weights; nothing else can be built here."""
    from monai.networks import nets

    name = network["name"]
    said = {k: v for k, v in network["arguments"].items() if (name, k) not in FORGOTTEN}
    module = getattr(nets, name)(**said)
    # weights_only refuses everything but tensors, so that a weight file cannot run a program
    state = torch.load(weights, map_location=device, weights_only=True)  # noqa: TID251
    module.load_state_dict(state_in(state))
    return module.to(device)


def state_in(checkpoint: Mapping[str, Any]) -> Mapping[str, Any]:
    """Find the weights in what was saved: on top, or where trainers keep them."""
    for key in NESTED:
        if isinstance(checkpoint.get(key), Mapping):
            return state_in(checkpoint[key])
    return checkpoint
