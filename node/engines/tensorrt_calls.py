"""The calls of NVIDIA's TensorRT that are used here, and what differs between its versions.

TensorRT's package has no types, so what is used of it stands here; a test holds that against a
real package. Networks are typed strongly: what a layer computes in is said in the ONNX file. That
is all that TensorRT 11 knows, TensorRT 10 has a switch for it, and TensorRT 8.5 of older Jetsons
wants to be allowed each precision instead.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

STRONGLY_TYPED_SINCE = 10
ALWAYS_STRONGLY_TYPED_SINCE = 11


class Parser(Protocol):
    """Reads ONNX into a network."""

    num_errors: int

    def parse(self, model: bytes) -> bool:
        """Read a model; False when it could not."""
        ...

    def get_error(self, index: int) -> Any:  # noqa: ANN401
        """Give one of the errors."""
        ...


class BuilderConfig(Protocol):
    """Says how to build."""

    def set_flag(self, flag: Any) -> None:  # noqa: ANN401
        """Allow something."""
        ...


class Builder(Protocol):
    """Makes a plan of a network, on the card that will run it."""

    def create_network(self, flags: int) -> Any:  # noqa: ANN401
        """Make an empty network."""
        ...

    def create_builder_config(self) -> BuilderConfig:
        """Make an empty configuration."""
        ...

    def build_serialized_network(self, network: Any, config: Any) -> Any:  # noqa: ANN401
        """Build; None when it could not."""
        ...


class Runtime(Protocol):
    """Reads plans."""

    def deserialize_cuda_engine(self, plan: bytes) -> Any:  # noqa: ANN401
        """Read a plan; None when it is not for this card, driver and version."""
        ...


class Plan(Protocol):
    """A network that is ready for one card."""

    num_io_tensors: int

    def get_tensor_name(self, index: int) -> str:
        """Name an input or output."""
        ...

    def get_tensor_mode(self, name: str) -> Any:  # noqa: ANN401
        """Say whether it is an input or an output."""
        ...

    def get_tensor_dtype(self, name: str) -> Any:  # noqa: ANN401
        """Say what its numbers are."""
        ...

    def create_execution_context(self) -> Any:  # noqa: ANN401
        """Make room to run it in; None when there is none."""
        ...


class Context(Protocol):
    """A plan at work."""

    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool:
        """Say how large the input is; False when the plan does not take it."""
        ...

    def get_tensor_shape(self, name: str) -> Sequence[int]:
        """Say how large an output will be."""
        ...

    def set_tensor_address(self, name: str, address: int) -> bool:
        """Say where a tensor lies on the card."""
        ...

    def execute_async_v3(self, stream_handle: int) -> bool:
        """Run on a stream; False when it could not."""
        ...


USED = {
    "OnnxParser": Parser,
    "IBuilderConfig": BuilderConfig,
    "Builder": Builder,
    "Runtime": Runtime,
    "ICudaEngine": Plan,
    "IExecutionContext": Context,
}
"""TensorRT's classes by name, and what is used of each."""


def load_tensorrt(name: str = "tensorrt") -> Any:  # noqa: ANN401
    """Import TensorRT; that alone touches no card.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    return import_module(name)


def major(trt: Any) -> int:  # noqa: ANN401
    """Give the version that decides what a network may be; TensorRT for RTX is like the newest."""
    if trt.__name__ == "tensorrt_rtx":
        return ALWAYS_STRONGLY_TYPED_SINCE
    return int(str(trt.__version__).split(".")[0])


def network_flags(trt: Any) -> int:  # noqa: ANN401
    """Give the flags for an empty network that is typed as strongly as this version can."""
    version = major(trt)
    if version >= ALWAYS_STRONGLY_TYPED_SINCE:
        return 0
    flags = trt.NetworkDefinitionCreationFlag
    wanted = flags.STRONGLY_TYPED if version >= STRONGLY_TYPED_SINCE else flags.EXPLICIT_BATCH
    return 1 << int(wanted)


def allow_precisions(trt: Any, config: BuilderConfig) -> None:  # noqa: ANN401
    """Allow what the network says it computes in, where this version must be told."""
    if major(trt) < STRONGLY_TYPED_SINCE:
        config.set_flag(trt.BuilderFlag.FP16)
        config.set_flag(trt.BuilderFlag.INT8)
