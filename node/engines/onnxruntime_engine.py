"""Runs a network (ONNX) with ONNX Runtime: an alternative where OpenVINO is not at its best."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnxruntime

Array: TypeAlias = np.ndarray
WARNINGS_AND_WORSE = 3


class OnnxRuntimeEngine:
    """One network in ONNX Runtime, on CUDA if its build has it."""

    def __init__(self, weights: Path, threads: int, precision: str, device: str = "") -> None:
        """Read and optimise the network.

        Args:
            weights: a .onnx file; for "int8" one with explicit quantisation.
            threads: how many CPU threads it may use.
            precision: "f32" or "int8".
            device: "cpu" to keep off the accelerator.

        Raises:
            ValueError: it computes in no such precision here.
        """
        if precision not in ("f32", "int8"):
            raise ValueError(f"ONNX Runtime is not used in {precision}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = WARNINGS_AND_WORSE
        # between two volumes threads that spin would take the cores of the rest of the node
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        able = onnxruntime.get_available_providers()
        wanted = ["CPUExecutionProvider"]
        if "CUDAExecutionProvider" in able and device != "cpu":
            wanted.insert(0, "CUDAExecutionProvider")
        self._session = onnxruntime.InferenceSession(str(weights), options, providers=wanted)
        first = self._session.get_inputs()[0]
        self._name = first.name
        self._fixed = first.shape[0] if isinstance(first.shape[0], int) else None
        on_card = self._session.get_providers()[0] == "CUDAExecutionProvider"
        self._facts = {
            "engine": f"ONNX Runtime {onnxruntime.__version__}",
            "device": "CUDA" if on_card else "CPU",
            "precision": precision,
            "threads": str(threads),
        }

    def run(self, batch: Array) -> Array:
        """Give the network's first output for a batch [n, channels, x, y, z] of float32."""
        if self._fixed == 1 and len(batch) != 1:
            return np.concatenate([self._one(batch[i : i + 1]) for i in range(len(batch))])
        return self._one(batch)

    def _one(self, batch: Array) -> Array:
        return np.asarray(self._session.run(None, {self._name: batch})[0], dtype=np.float32)

    def warm_up(self, shape: Sequence[int]) -> None:
        """Run once on zeros of this shape, so that the first image does not pay for it."""
        self.run(np.zeros(shape, dtype=np.float32))

    def describe(self) -> Mapping[str, str]:
        """Say what runs the network: engine, device, precision, threads."""
        return self._facts

    def memory_mb(self) -> float:
        """Hold nothing that it would tell of outside this process."""
        return 0.0

    def suits(self, asked: int) -> int:
        """Take as many as asked for."""
        return asked
