"""Runs a network (ONNX or OpenVINO IR) on the CPU with OpenVINO."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import openvino

Array: TypeAlias = np.ndarray
UNTOUCHED = np.float32(-1.6180339e-33)
"""Stands in the output before a run; if it still does afterwards, nothing was computed."""


class OpenVinoEngine:
    """One network, compiled for this machine's CPU."""

    def __init__(self, weights: Path, threads: int, precision: str = "f32") -> None:
        """Read and compile the network.

        Args:
            weights: a .onnx or .xml file.
            threads: how many threads it may use.
            precision: "f32"; "bf16" where that was compared; "int8" for a network with explicit
                quantisation, whose other layers then compute in bf16 if the CPU can.

        Raises:
            RuntimeError: OpenVINO cannot read or compile it.
            ValueError: OpenVINO computes in no such precision on a CPU.
        """
        if precision not in ("f32", "bf16", "int8"):
            raise ValueError(f"OpenVINO does not compute in {precision} on a CPU")
        core = openvino.Core()
        rest = precision
        if precision == "int8":
            able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
            rest = "bf16" if "BF16" in able else "f32"
        # Without the hint OpenVINO computes in bf16 where the CPU can, and results differ by CPU.
        settings = {
            "INFERENCE_PRECISION_HINT": rest,
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        model = core.read_model(weights)
        self._fixed = _fixed_batch(model)
        self._grows = model.is_dynamic()
        self._model = core.compile_model(model, "CPU", settings)
        self._request = self._model.create_infer_request()
        self._facts = {
            "engine": f"OpenVINO {openvino.__version__.split('-')[0]}",
            "device": str(core.get_property("CPU", "FULL_DEVICE_NAME")),
            "precision": precision if rest == precision else f"{precision}, the rest {rest}",
            "threads": str(threads),
        }

    def run(self, batch: Array) -> Array:
        """Give the network's first output for a batch [n, channels, x, y, z] of float32."""
        if self._fixed is None or len(batch) == self._fixed:
            return self._one(batch)
        if self._fixed != 1:
            raise ValueError(f"the network takes {self._fixed} windows at once, not {len(batch)}")
        return np.concatenate([self._one(batch[i : i + 1]) for i in range(len(batch))])

    def _one(self, batch: Array) -> Array:
        if self._grows:
            return self._one_of_any_size(batch)
        self._request.infer([batch])
        return np.array(self._request.get_output_tensor(0).data, dtype=np.float32)

    def _one_of_any_size(self, batch: Array) -> Array:
        """Run a network whose memory is taken during the run, and see that the run took place.

        OpenVINO 2026.4 says nothing when it finds no memory for a larger input: what lies in the
        output then is the answer to an earlier one.
        """
        before = self._request.get_output_tensor(0).data
        if before.size and before.dtype == np.float32:
            before.flat[0] = UNTOUCHED
        self._request.infer([batch])
        found = np.array(self._request.get_output_tensor(0).data, dtype=np.float32)
        if len(found) != len(batch) or found.size == 0 or found.flat[0] == UNTOUCHED:
            raise MemoryError(f"OpenVINO found no memory for {batch.shape}")
        return found

    def warm_up(self, shape: Sequence[int]) -> None:
        """Run once on zeros of this shape, so that the first image does not pay for it."""
        self.run(np.zeros(shape, dtype=np.float32))

    def describe(self) -> Mapping[str, str]:
        """Say what runs the network: engine, device, precision, threads."""
        return self._facts

    def memory_mb(self) -> float:
        """Hold nothing outside this process."""
        return 0.0

    def suits(self, asked: int) -> int:
        """Take as many as asked for: on a CPU more at once gain nothing."""
        return asked


def _fixed_batch(model: openvino.Model) -> int | None:
    """Give the batch that the network was made for, None when it takes any."""
    first = model.inputs[0].partial_shape[0]
    return None if first.is_dynamic else int(first.get_length())
