"""Chooses what executes a network; every engine has the same few verbs.

An engine loads a file, runs batches of windows and says what it computes with. Frameworks are
imported by the engine that needs them and by nothing else, so a child that runs OpenVINO never
pays for PyTorch.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

SAID = (
    *("bad_alloc", "out of memory", "OutOfMemory", "out_of_memory", "OUT_OF_MEMORY"),
    *("allocate memory", "Failed to allocate"),
)
"""How engines say that there is no memory left, since they have no common exception for it."""


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

    def memory_mb(self) -> float:
        """Say how much memory it holds on an accelerator; 0 where it has none of its own."""
        ...

    def suits(self, asked: int) -> int:
        """Say how many windows it wants at once, where the bundle asks for so many."""
        ...


def open_engine(
    engine: str,
    weights: Path,
    *,
    threads: int,
    precision: str = "f32",
    network: Mapping[str, Any] | None = None,
    device: str = "",
) -> Engine:
    """Open a weight file; the framework is imported only now.

    Args:
        engine: "openvino", "onnxruntime", "tensorrt", "torchscript" or "state_dict".
        weights: the file.
        threads: how many CPU threads it may use.
        precision: "f32", "bf16", "f16" or "int8".
        network: for a state dict: name and arguments of one of MONAI's networks.
        device: "cpu" to keep off an accelerator, "" to use one if there is one.

    Raises:
        ValueError: there is no such engine or it has no such precision, or a state dict comes
            without its network.
    """
    if engine == "openvino":
        from node.engines.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(weights, threads, precision)
    if engine == "onnxruntime":
        from node.engines.onnxruntime_engine import OnnxRuntimeEngine

        return OnnxRuntimeEngine(weights, threads, precision, device)
    if engine == "tensorrt":
        from node.engines.tensorrt_engine import TensorRtEngine

        return TensorRtEngine(weights, precision)
    return _open_torch(engine, weights, threads, precision, (network, device))


def _open_torch(
    engine: str,
    weights: Path,
    threads: int,
    precision: str,
    how: tuple[Mapping[str, Any] | None, str],
) -> Engine:
    network, device = how
    if engine not in ("torchscript", "state_dict"):
        raise ValueError(f"there is no engine {engine}")
    if engine == "state_dict" and network is None:
        raise ValueError("a state dict needs network_def, one of monai.networks.nets")
    from node.engines.torch_engine import TorchEngine

    wanted = network if engine == "state_dict" else None
    return TorchEngine(weights, threads, wanted, precision=precision, device=device)


def says_out_of_memory(error: BaseException) -> bool:
    """Say whether an engine's exception means that there is no memory left."""
    return isinstance(error, MemoryError) or any(
        word in f"{type(error).__name__}: {error}" for word in SAID
    )
