"""Small ONNX networks for tests, with convolutions that can be quantised."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 16


def brightness(path: Path, above: float = 50.0, gain: float = 1.0, size: int = SIDE) -> Path:
    """Write a network of two convolutions that finds what is brighter than `above`.

    The first makes eight blurred copies, the second sums them up and holds them against `above`;
    `gain` makes the copies larger and the sum smaller.
    """
    blur = np.zeros((8, 1, 3, 3, 3), dtype=np.float32)
    blur[:, 0, 1, 1, 1] = np.linspace(0.5, 1.5, 8) * gain
    score = np.zeros((2, 8, 1, 1, 1), dtype=np.float32)
    score[1] = 1 / (8 * gain)
    bias = np.array([above, 0.0], dtype=np.float32)
    tensors = {"blur": blur, "score": score, "bias": bias}
    nodes = [
        helper.make_node("Conv", ["image", "blur"], ["copies"], pads=[1] * 6),
        helper.make_node("Relu", ["copies"], ["positive"]),
        helper.make_node("Conv", ["positive", "score", "bias"], ["pred"]),
    ]
    return _write(path, nodes, tensors, [1, 1, size, size, size])


def hungry(path: Path, channels: int, size: int) -> Path:
    """Write a network of any batch that holds `channels` copies of its windows at once."""
    blur = np.zeros((channels, 1, 3, 3, 3), dtype=np.float32)
    blur[:, 0, 1, 1, 1] = 1.0
    score = np.zeros((2, channels, 1, 1, 1), dtype=np.float32)
    score[1] = 1 / channels
    tensors = {"blur": blur, "score": score, "bias": np.array([50.0, 0.0], dtype=np.float32)}
    nodes = [
        helper.make_node("Conv", ["image", "blur"], ["copies"], pads=[1] * 6),
        helper.make_node("Relu", ["copies"], ["positive"]),
        helper.make_node("Conv", ["positive", "score", "bias"], ["pred"]),
    ]
    return _write(path, nodes, tensors, ["n", 1, size, size, size])


def _write(path: Path, nodes, tensors, shape) -> Path:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    pred = helper.make_tensor_value_info("pred", TensorProto.FLOAT, [shape[0], 2, *shape[2:]])
    held = [numpy_helper.from_array(value, name) for name, value in tensors.items()]
    graph = helper.make_graph(nodes, "net", [image], [pred], held)
    opset = [helper.make_opsetid("", 18)]
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    return path
