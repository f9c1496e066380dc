"""Runs a network (ONNX or OpenVINO IR) on the CPU with OpenVINO, in single precision."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import openvino

Array: TypeAlias = np.ndarray


class OpenVinoEngine:
    """One network, compiled for this machine's CPU."""

    def __init__(self, weights: Path, threads: int, precision: str = "f32") -> None:
        """Read and compile the network.

        Args:
            weights: a .onnx or .xml file.
            threads: how many threads it may use.
            precision: "f32", or "bf16" where the bundle was checked in it.

        Raises:
            RuntimeError: OpenVINO cannot read or compile it.
        """
        core = openvino.Core()
        # Without the hint OpenVINO computes in bf16 where the CPU can, and results differ by CPU.
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._model = core.compile_model(core.read_model(weights), "CPU", settings)
        self._request = self._model.create_infer_request()
        self._facts = {
            "engine": f"OpenVINO {openvino.__version__.split('-')[0]}",
            "device": str(core.get_property("CPU", "FULL_DEVICE_NAME")),
            "precision": precision,
            "threads": str(threads),
        }

    def run(self, batch: Array) -> Array:
        """Give the network's first output for a batch [n, channels, x, y, z] of float32."""
        self._request.infer([batch])
        return np.array(self._request.get_output_tensor(0).data, dtype=np.float32)

    def warm_up(self, shape: Sequence[int]) -> None:
        """Run once on zeros of this shape, so that the first image does not pay for it."""
        self.run(np.zeros(shape, dtype=np.float32))

    def describe(self) -> Mapping[str, str]:
        """Say what runs the network: engine, device, precision, threads."""
        return self._facts
