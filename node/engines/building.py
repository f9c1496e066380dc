"""Builds a compiled network from a bundle's weights, in a process of its own that ends with it.

Run as `python -m node.engines.building`; one request as JSON on stdin, one answer on stdout:

    {"engine": …, "precision": …, "kind": …, "weights": PATH, "folder": PATH, "inputs": [PATH], …}
    -> {"opens": NAME, "files": [PATH], "calibrated_on": N}, or {"cannot": "why"}

`opens` is "" when the engine opens the bundle's own weights. What is built is trusted by nobody
until it has stood the gate (`node.bundles.gate`).
"""

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from node.engines.building_errors import CannotBuildError
from node.engines.calibrating import windows_of
from node.engines.tensorrt_calls import STRONGLY_TYPED_SINCE

OPSET, OLD_OPSET = 18, 17
OWN_WEIGHTS = ("torchscript", "state_dict")


def build(request: Mapping[str, Any]) -> dict[str, Any]:
    """Build what is asked for.

    Raises:
        CannotBuildError: it cannot be made of these weights, or something is not installed.
    """
    engine, precision = request["engine"], request["precision"]
    if engine in OWN_WEIGHTS:
        return {"opens": "", "files": [], "calibrated_on": 0}
    folder = Path(request["folder"])
    windows = windows_of(request) if precision == "int8" or not request["shape"] else []
    source = _as_onnx(request, folder, windows)
    if engine == "openvino":
        made = _openvino(source, precision, folder, windows)
    elif engine == "onnxruntime":
        made = [_onnx(source, precision, folder, windows)]
    else:
        made = [_tensorrt(source, request, folder, windows)]
    counted = len(windows) if precision == "int8" else 0
    return {"opens": made[0].name, "files": [str(path) for path in made], "calibrated_on": counted}


def _as_onnx(request: Mapping[str, Any], folder: Path, windows: Sequence[np.ndarray]) -> Path:
    """Give the network as ONNX (or as OpenVINO's own format, which only OpenVINO reads)."""
    weights = Path(request["weights"])
    if request["kind"] not in OWN_WEIGHTS:
        return weights
    from node.engines.torch_exporting import export

    channels = request["channels"]
    shape = (1, channels, *request["shape"]) if request["shape"] else windows[0].shape
    target, opset = folder / "exported.onnx", opset_for(request["engine"], request["version"])
    return export(weights, request["network"], shape, target, opset)


def opset_for(engine: str, version: str) -> int:
    """Say which version of ONNX's operators to write: TensorRT 8 of older Jetsons reads 17."""
    major = version.partition(".")[0]
    is_old = engine == "tensorrt" and major.isdecimal() and int(major) < STRONGLY_TYPED_SINCE
    return OLD_OPSET if is_old else OPSET


def _openvino(
    source: Path, precision: str, folder: Path, windows: Sequence[np.ndarray]
) -> list[Path]:
    """Write OpenVINO's own format, which is read faster than ONNX and means the same."""
    from node.engines.openvino_building import convert

    if precision == "int8":
        # OpenVINO computes with unsigned activations as fast, and they lose less after a ReLU
        source = _quantised(source, folder, windows, symmetric=False)
    return convert(source, folder / "network.xml")


def _onnx(source: Path, precision: str, folder: Path, windows: Sequence[np.ndarray]) -> Path:
    _must_be_onnx(source)
    if precision == "int8":
        return _quantised(source, folder, windows, symmetric=False)
    made = folder / "network.onnx"
    shutil.copyfile(source, made)
    return made


def _tensorrt(
    source: Path, request: Mapping[str, Any], folder: Path, windows: Sequence[np.ndarray]
) -> Path:
    """Build a plan: it is for this card, this driver and this version, and no other."""
    from node.engines.onnx_building import halved, lowered
    from node.engines.tensorrt_building import build_plan

    _must_be_onnx(source)
    precision = request["precision"]
    shape = (1, request["channels"], *request["shape"]) if request["shape"] else None
    if precision == "int8":
        # TensorRT takes symmetric quantisation only, and refuses a bias that was quantised
        source = _quantised(source, folder, windows, symmetric=True)
    elif precision == "f16":
        source = halved(source, folder / "halved.onnx")
    if opset_for("tensorrt", request["version"]) == OLD_OPSET:
        source = lowered(source, folder / "lowered.onnx", OLD_OPSET)
    compatible = bool(request["compatible"])
    return build_plan(source, folder / "network.plan", shape=shape, compatible=compatible)


def _quantised(
    source: Path, folder: Path, windows: Sequence[np.ndarray], *, symmetric: bool
) -> Path:
    from node.engines.onnx_building import quantised

    _must_be_onnx(source)
    return quantised(source, folder / "quantised.onnx", windows, symmetric=symmetric)


def _must_be_onnx(source: Path) -> None:
    if source.suffix != ".onnx":
        raise CannotBuildError(
            f"{source.name} is not ONNX; put the network into the bundle as such"
        )


def main() -> None:
    """Answer the one request."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a framework prints goes to stderr
    request = json.loads(sys.stdin.readline())
    try:
        reply = build(request)
    except CannotBuildError as error:
        reply = {"cannot": str(error)}
    except ModuleNotFoundError as error:
        reply = {"cannot": f"{error.name} is not installed"}
    answers.write(json.dumps(reply) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
