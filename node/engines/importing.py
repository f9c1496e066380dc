"""Converts what other tools saved, in a process of its own that ends with it.

Run as `python -m node.engines.importing`; one request as JSON on stdin, one answer on stdout:

    {"what": "nnunet", "checkpoint": PATH, "architecture": {…}, "channels": N, "classes": N,
     "patch": [x, y, z], "target": PATH}                  -> {"epoch": N, "trainer": NAME, …}
    {"what": "state", "checkpoint": PATH, "target": PATH} -> {}

or {"cannot": "why"}. Checkpoints are pickles. Of what one can name only tensors and NumPy's
numbers are let in, here as anywhere: whoever wants more is refused, with the name of it.
"""

import json
import re
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.dtypes import BoolDType, Float32DType, Float64DType, Int32DType, Int64DType

from node.engines.building_errors import CannotBuildError
from node.engines.torch_exporting import as_onnx

NETWORKS = "dynamic_network_architectures.architectures."
INSTALL = ".venv/bin/pip install --no-deps dynamic-network-architectures==0.4.4"
KEYS = ("network_weights", "state_dict", "model_state_dict", "model")
"""Where checkpoints keep the weights, if not on top."""
_ARRAYS = import_module("numpy._core.multiarray")
_MAKERS = {name: getattr(_ARRAYS, name) for name in ("scalar", "_reconstruct")}
HARMLESS = (
    *(np.dtype, np.ndarray, BoolDType, Float32DType, Float64DType, Int32DType, Int64DType),
    *_MAKERS.values(),
    *((made, f"numpy.core.multiarray.{name}") for name, made in _MAKERS.items()),
)
"""What makes numbers, and nothing else; under NumPy 1's names, too."""


def convert(request: Mapping[str, Any]) -> dict[str, Any]:
    """Convert what is asked for.

    Raises:
        CannotBuildError: it cannot be made of this checkpoint, or something is not installed.
    """
    checkpoint = _loaded(Path(request["checkpoint"]))
    weights = _weights(checkpoint)
    if request["what"] == "state":
        torch.save(dict(weights), request["target"])
        return {}
    module = _network(request)
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise CannotBuildError(f"the weights do not fit: {str(error)[:200]}") from error
    example = torch.zeros((1, request["channels"], *request["patch"]))
    as_onnx(module.eval(), example, Path(request["target"]), by_export=True)
    return {
        "epoch": int(checkpoint.get("current_epoch", 0)),
        "trainer": str(checkpoint.get("trainer_name", "")),
    }


def _loaded(path: Path) -> Mapping[str, Any]:
    with torch.serialization.safe_globals(list(HARMLESS)):
        try:
            found = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251
        except torch.serialization.pickle.UnpicklingError as error:
            named = re.search(r"GLOBAL ([\w.]+)", str(error))
            what = f"names {named[1]}" if named else "is no checkpoint"
            why = f"{path.name} {what}, and whoever opens it runs whatever program is in it"
            raise CannotBuildError(f"{why}; save its state dict alone") from error
        except (RuntimeError, OSError, EOFError) as error:
            raise CannotBuildError(f"{path.name} is no checkpoint of PyTorch") from error
    if not isinstance(found, Mapping):
        raise CannotBuildError(f"{path.name} holds no weights by name")
    return found


def _weights(checkpoint: Mapping[str, Any]) -> Mapping[str, torch.Tensor]:
    for key in KEYS:
        if isinstance(checkpoint.get(key), Mapping):
            return _weights(checkpoint[key])
    tensors = {
        name.removeprefix("module.").removeprefix("_orig_mod."): value
        for name, value in checkpoint.items()
        if isinstance(value, torch.Tensor)
    }
    if not tensors:
        raise CannotBuildError("the checkpoint holds no weights")
    return tensors


def _network(request: Mapping[str, Any]) -> torch.nn.Module:
    """Build the network of an nnU-Net plan; of its names only that library's and torch.nn's."""
    said = request["architecture"]
    where, _, name = said["network_class_name"].rpartition(".")
    if not f"{where}.".startswith(NETWORKS):
        raise CannotBuildError(f"{said['network_class_name']} is no network that is known here")
    try:
        from dynamic_network_architectures.architectures import unet
    except ImportError as error:
        raise CannotBuildError(f"it needs the networks of nnU-Net: run {INSTALL}") from error
    made = getattr(unet, name, None)
    if made is None:
        raise CannotBuildError(f"{name} is none of the U-Nets of nnU-Net")
    arguments = dict(said["arch_kwargs"])
    for key in said.get("_kw_requires_import", ()):
        if arguments.get(key) is not None:
            arguments[key] = _of_torch(str(arguments[key]))
    network: torch.nn.Module = made(
        input_channels=request["channels"],
        num_classes=request["classes"],
        deep_supervision=False,
        **arguments,
    )
    return network


def _of_torch(named: str) -> Any:  # noqa: ANN401 - a class of torch.nn
    where, _, name = named.rpartition(".")
    found = getattr(torch.nn, name, None)
    if not f"{where}.".startswith("torch.nn.") or not isinstance(found, type):
        raise CannotBuildError(f"{named} is no layer of torch.nn")
    return found


def main() -> None:
    """Answer the one request."""
    request = json.loads(sys.stdin.readline())
    try:
        answer = convert(request)
    except CannotBuildError as error:
        answer = {"cannot": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
