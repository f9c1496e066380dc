"""Chooses what executes a network, by its weight file; each engine has the same few verbs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np


class Engine(Protocol):
    """A network that is ready to run."""

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Give the network's first output for a batch [n, channels, x, y, z] of float32."""
        ...

    def warm_up(self, shape: Sequence[int]) -> None:
        """Run once on zeros of this shape, so that the first image does not pay for it."""
        ...

    def describe(self) -> Mapping[str, str]:
        """Say what runs the network: engine, device, precision, threads."""
        ...


def open_engine(
    engine: str,
    weights: Path,
    *,
    threads: int,
    precision: str = "f32",
    network: Mapping[str, Any] | None = None,
) -> Engine:
    """Open a weight file; the framework is imported only now.

    Args:
        engine: "openvino", "torchscript" or "state_dict".
        weights: the file.
        threads: how many CPU threads it may use.
        precision: "f32" or "bf16".
        network: for a state dict: name and arguments of one of MONAI's networks.

    Raises:
        ValueError: there is no such engine, or a state dict comes without its network.
    """
    if engine == "openvino":
        from node.engines.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(weights, threads, precision)
    if engine not in ("torchscript", "state_dict"):
        raise ValueError(f"there is no engine {engine}")
    if engine == "state_dict" and network is None:
        raise ValueError("a state dict needs network_def, one of monai.networks.nets")
    from node.engines.torch_engine import TorchEngine

    return TorchEngine(weights, threads, network if engine == "state_dict" else None)
