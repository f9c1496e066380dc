"""Builds a TensorRT plan of an ONNX network: for this card, this version, and no other."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from node.engines.building_errors import CannotBuildError
from node.engines.tensorrt_calls import allow_precisions, load_tensorrt, network_flags


def build_plan(
    source: Path,
    target: Path,
    trt: Any | None = None,  # noqa: ANN401
    *,
    shape: Sequence[int] | None = None,
    compatible: bool = False,
) -> Path:
    """Build a plan.

    Args:
        source: ONNX in f32 or f16, or with explicit, symmetric quantisation.
        target: where to write it.
        trt: the package, by default the TensorRT that is installed.
        shape: [1, channels, x, y, z] of what it sees, needed where the ONNX file leaves it open: a
            plan is for one shape, and several windows are run one by one.
        compatible: whether newer versions of TensorRT are to run it too, at some cost in speed.

    Raises:
        CannotBuildError: TensorRT does not understand the network, or cannot build it here.
        ModuleNotFoundError: there is no TensorRT.
    """
    if trt is None:
        trt = load_tensorrt()
        _must_have_card()
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(network_flags(trt))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(source.read_bytes()):
        said = "; ".join(str(parser.get_error(i).desc()) for i in range(parser.num_errors))
        raise CannotBuildError(f"TensorRT does not understand the network: {said[:300]}")
    _fix_input(network.get_input(0), shape)
    config = builder.create_builder_config()
    allow_precisions(trt, config)
    if compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise CannotBuildError("TensorRT could not build the network")
    target.write_bytes(plan)
    return target


def _fix_input(image: Any, shape: Sequence[int] | None) -> None:  # noqa: ANN401
    """Put numbers where the network leaves its input's size open."""
    open_axes = [axis for axis, size in enumerate(image.shape) if size < 0]
    if not open_axes:
        return
    if shape is None or len(shape) != len(image.shape):
        raise CannotBuildError(
            "TensorRT wants to know what the network sees; say spatial_shape in metadata.json, or "
            "use a SlidingWindowInferer"
        )
    image.shape = tuple(shape[a] if a in open_axes else n for a, n in enumerate(image.shape))


def _must_have_card() -> None:
    from node.engines.cuda import NoCardError, open_card

    try:
        open_card().close()
    except NoCardError as error:
        raise CannotBuildError(f"TensorRT builds on the card that is to run it: {error}") from error
