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
    weights: Path, network: Mapping[str, Any] | None, shape: Sequence[int], target: Path
) -> Path:
    """Write a network as ONNX of one fixed shape.

    Args:
        weights: TorchScript, or with `network` a state dict.
        network: name and plain arguments of a class in monai.networks.nets, or None.
        shape: [1, channels, x, y, z] of what it sees.
        target: the .onnx to write.

    Raises:
        CannotBuildError: PyTorch cannot express it in ONNX.
    """
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    example = torch.zeros(tuple(shape))
    if network is None:
        module = torch.jit.load(str(weights), map_location="cpu").eval()
        by_export = False  # torch.export takes programs in Python only
    else:
        from node.engines.torch_engine import with_state

        module = with_state(weights, network, "cpu").eval()
        by_export = True
    names = {"input_names": ["image"], "output_names": ["pred"]}
    try:
        with torch.inference_mode(mode=not by_export):
            torch.onnx.export(
                module,
                (example,),
                str(target),
                dynamo=by_export,
                opset_version=OPSET,
                external_data=False,
                verbose=False,
                **names,
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        first = str(error).strip().splitlines()[0][:200]
        raise CannotBuildError(f"PyTorch cannot write it as ONNX: {first}") from error
    return target
