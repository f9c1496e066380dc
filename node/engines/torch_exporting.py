"""Writes a PyTorch network as ONNX, for the engines that are faster than PyTorch."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from node.engines.building_errors import CannotBuildError

OPSET = 18


def export(
    weights: Path,
    network: Mapping[str, Any] | None,
    shape: Sequence[int],
    target: Path,
    opset: int = OPSET,
) -> Path:
    """Write a network as ONNX of one fixed shape.

    Args:
        weights: TorchScript, or with `network` a state dict.
        network: name and plain arguments of a class in monai.networks.nets, or None.
        shape: [1, channels, x, y, z] of what it sees.
        target: the .onnx to write.
        opset: which version of ONNX's operators; below 18 it is traced, whatever it is.

    Raises:
        CannotBuildError: PyTorch cannot express it in ONNX.
    """
    example = torch.zeros(tuple(shape))
    if network is None:
        module = torch.jit.load(str(weights), map_location="cpu").eval()
        return as_onnx(module, example, target, by_export=False, opset=opset)
    from node.engines.torch_engine import with_state

    module = with_state(weights, network, "cpu").eval()
    return as_onnx(module, example, target, by_export=opset >= OPSET, opset=opset)


def as_onnx(
    module: torch.nn.Module,
    example: torch.Tensor,
    target: Path,
    *,
    by_export: bool,
    opset: int = OPSET,
) -> Path:
    """Write a network as ONNX of the shape of `example`.

    Args:
        module: the network.
        example: [1, channels, x, y, z].
        target: the .onnx to write.
        by_export: by torch.export, which takes programs in Python only, no TorchScript.
        opset: which version of ONNX's operators.

    Raises:
        CannotBuildError: PyTorch cannot express it in ONNX.
    """
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    names = {"input_names": ["image"], "output_names": ["pred"]}
    try:
        with torch.inference_mode(mode=not by_export):
            torch.onnx.export(
                module,
                (example,),
                str(target),
                dynamo=by_export,
                opset_version=opset,
                external_data=False,
                verbose=False,
                **names,
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        first = str(error).strip().splitlines()[0][:200]
        raise CannotBuildError(f"PyTorch cannot write it as ONNX: {first}") from error
    return target
