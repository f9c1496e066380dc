"""Builds a TensorRT plan of an ONNX network: for this card, this version, and no other."""

from pathlib import Path
from typing import Any

from node.engines.building_errors import CannotBuildError
from node.engines.tensorrt_calls import allow_precisions, load_tensorrt, network_flags


def build_plan(source: Path, target: Path, trt: Any | None = None) -> Path:  # noqa: ANN401
    """Build a plan.

    Args:
        source: ONNX in f32 or f16, or with explicit, symmetric quantisation.
        target: where to write it.
        trt: the package, by default the TensorRT that is installed.

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
    config = builder.create_builder_config()
    allow_precisions(trt, config)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise CannotBuildError("TensorRT could not build the network")
    target.write_bytes(plan)
    return target


def _must_have_card() -> None:
    from node.engines.cuda import NoCardError, open_card

    try:
        open_card().close()
    except NoCardError as error:
        raise CannotBuildError(f"TensorRT builds on the card that is to run it: {error}") from error
