"""Runs a TensorRT plan on an NVIDIA card or a Jetson."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from node.engines.cuda import Room, open_card
from node.engines.tensorrt_calls import Context, Plan, load_tensorrt

Array: TypeAlias = np.ndarray
DEFAULT_STREAM = 0


class TensorRtEngine:
    """One plan, with its memory on the card."""

    def __init__(self, weights: Path, precision: str) -> None:
        """Read the plan.

        Args:
            weights: a plan that was built on this card with this version.
            precision: what it was built in, for the record.

        Raises:
            NoCardError: there is no card; TensorRT's runtime is not even touched then.
            RuntimeError: the plan is for another card, driver or version.
        """
        self._card = open_card()
        before = self._card.used_mb()
        trt = load_tensorrt()
        self._trt = trt
        self._runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))
        # plans that newer versions run bring code of their own; they are ours, by their digest
        self._runtime.engine_host_code_allowed = True
        plan: Plan | None = self._runtime.deserialize_cuda_engine(weights.read_bytes())
        if plan is None:
            raise RuntimeError("the plan is for another card, driver or TensorRT; compile it again")
        context = plan.create_execution_context()
        if context is None:
            raise RuntimeError("CUDA out of memory (no room to run the plan in)")
        self._plan = plan
        self._context: Context = context
        names = [plan.get_tensor_name(i) for i in range(plan.num_io_tensors)]
        modes = {name: plan.get_tensor_mode(name) for name in names}
        self._input = next(n for n in names if modes[n] == trt.TensorIOMode.INPUT)
        self._outputs = [n for n in names if modes[n] == trt.TensorIOMode.OUTPUT]
        self._rooms: dict[str, Room] = {}
        self._held = max(self._card.used_mb() - before, 0.0)
        self._facts = {
            "engine": f"TensorRT {trt.__version__}",
            "device": self._card.name,
            "precision": precision,
            "threads": "1",
        }

    def run(self, batch: Array) -> Array:
        """Give the network's first output for a batch [n, channels, x, y, z] of float32."""
        if len(batch) == 1 or self._takes(batch.shape):
            return self._one(batch)
        return np.concatenate([self._one(batch[i : i + 1]) for i in range(len(batch))])

    def _takes(self, shape: Sequence[int]) -> bool:
        return bool(self._context.set_input_shape(self._input, tuple(shape)))

    def _one(self, batch: Array) -> Array:
        if not self._takes(batch.shape):
            raise RuntimeError(f"the plan takes no input of shape {batch.shape}")
        sent = np.ascontiguousarray(batch, dtype=self._kind(self._input))
        self._card.send(sent, self._place(self._input, sent.nbytes))
        found: Array | None = None
        for name in self._outputs:
            shape = tuple(self._context.get_tensor_shape(name))
            array = np.empty(shape, dtype=self._kind(name))
            self._place(name, array.nbytes)
            found = array if found is None else found
        if found is None or not self._context.execute_async_v3(DEFAULT_STREAM):
            raise RuntimeError("TensorRT could not run the plan")
        self._card.fetch(self._rooms[self._outputs[0]], found)
        return found.astype(np.float32, copy=False)

    def _place(self, name: str, size: int) -> Room:
        """Give a tensor memory on the card, once, and tell the plan where."""
        room = self._rooms.get(name)
        if room is None or room.size < size:
            if room is not None:
                self._card.release(room)
            room = self._rooms[name] = self._card.room(size)
        self._context.set_tensor_address(name, room.address)
        return room

    def _kind(self, name: str) -> Any:  # noqa: ANN401
        return self._trt.nptype(self._plan.get_tensor_dtype(name))

    def warm_up(self, shape: Sequence[int]) -> None:
        """Run once on zeros of this shape, so that the first image does not pay for it."""
        self.run(np.zeros(shape, dtype=np.float32))

    def describe(self) -> Mapping[str, str]:
        """Say what runs the network: engine, device, precision, threads."""
        return self._facts

    def memory_mb(self) -> float:
        """Say how much of the card's memory it holds: the plan, its room, and its tensors."""
        return self._held + sum(room.size for room in self._rooms.values()) / (1 << 20)

    def suits(self, asked: int) -> int:
        """Take as many as asked for; a plan for one window is run one by one."""
        return asked
