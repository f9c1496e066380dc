"""Every engine keeps the same contract: the same numbers, any batch, and a word about itself."""

import numpy as np
import pytest

from node.engines.batching import Batches
from node.engines.engine import Engine, open_engine, says_out_of_memory
from node.engines.onnx_building import halved, quantised
from node.engines.openvino_building import convert
from tests.bundles.networks import SIDE, brightness

SHAPE = (1, 1, SIDE, SIDE, SIDE)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same network in every format: name -> file."""
    import torch

    folder = tmp_path_factory.mktemp("networks")
    onnx = brightness(folder / "network.onnx")
    windows = [np.random.default_rng(i).uniform(0, 100, SHAPE).astype("f4") for i in range(4)]
    quantised(onnx, folder / "unsigned.onnx", windows, symmetric=False)
    quantised(onnx, folder / "signed.onnx", windows, symmetric=True)
    halved(onnx, folder / "halved.onnx")
    convert(onnx, folder / "network.xml")
    convert(folder / "unsigned.onnx", folder / "unsigned.xml")
    convolutions = torch.nn.Sequential(
        torch.nn.Conv3d(1, 8, 3, padding=1, bias=False), torch.nn.ReLU(), torch.nn.Conv3d(8, 2, 1)
    )
    import onnx as reader
    from onnx import numpy_helper

    held = {one.name: numpy_helper.to_array(one) for one in reader.load(onnx).graph.initializer}
    with torch.no_grad():
        convolutions[0].weight[:] = torch.tensor(held["blur"])
        convolutions[2].weight[:] = torch.tensor(held["score"])
        convolutions[2].bias[:] = torch.tensor(held["bias"])
    torch.jit.script(convolutions).save(folder / "network.ts")
    return folder


WAYS = {
    "openvino f32": ("network.onnx", 1e-5),
    "openvino f32 IR": ("network.xml", 1e-5),
    "openvino bf16": ("network.xml", 0.01),
    "openvino int8": ("unsigned.xml", 0.03),
    "onnxruntime f32": ("network.onnx", 1e-5),
    "onnxruntime int8": ("unsigned.onnx", 0.03),
    "torchscript f32": ("network.ts", 1e-5),
    "torchscript bf16": ("network.ts", 0.02),
}


@pytest.fixture(params=WAYS)
def way(request, files) -> tuple[Engine, float]:
    engine, precision = request.param.split()[:2]
    name, tolerance = WAYS[request.param]
    return open_engine(engine, files / name, threads=2, precision=precision), tolerance


def test_the_numbers_are_those_of_the_network(way):
    engine, tolerance = way
    image = np.random.default_rng(9).uniform(0, 100, SHAPE).astype(np.float32)
    scores = engine.run(image)
    assert scores.shape == (1, 2, SIDE, SIDE, SIDE)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores[0, 0], 50.0, rtol=0.02)
    np.testing.assert_allclose(scores[0, 1], image[0, 0], atol=100 * tolerance)


def test_a_batch_gives_what_its_windows_give_alone(way):
    engine, _ = way
    image = np.random.default_rng(3).uniform(0, 100, (3, *SHAPE[1:])).astype(np.float32)
    alone = np.concatenate([engine.run(image[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(engine.run(image), alone, atol=0.5)


def test_it_says_what_it_is(way):
    engine, _ = way
    engine.warm_up(SHAPE)
    facts = engine.describe()
    assert set(facts) == {"engine", "device", "precision", "threads"}
    assert engine.memory_mb() >= 0
    assert engine.suits(4) == 4


@pytest.mark.parametrize(
    ("engine", "precision"),
    [("openvino", "f16"), ("onnxruntime", "bf16"), ("torchscript", "f16"), ("abacus", "f32")],
)
def test_what_it_cannot_compute_in_is_refused(files, engine, precision):
    name = "network.ts" if engine == "torchscript" else "network.onnx"
    with pytest.raises(ValueError, match=r"f16|bf16|no engine"):
        open_engine(engine, files / name, threads=1, precision=precision)


def test_pytorch_takes_two_windows_at_once_where_one_alone_is_slow(tmp_path):
    import torch
    from monai.networks.nets import UNet

    arguments = {
        "spatial_dims": 3,
        "in_channels": 1,
        "out_channels": 2,
        "channels": [4, 8],
        "strides": [2],
    }
    torch.save(UNet(**arguments).state_dict(), tmp_path / "unet.pt")
    network = {"name": "UNet", "arguments": arguments}
    slow = open_engine("state_dict", tmp_path / "unet.pt", threads=1, network=network)
    assert slow.suits(1) == 2
    fast = open_engine(
        "state_dict", tmp_path / "unet.pt", threads=1, network=network, precision="bf16"
    )
    assert fast.suits(1) == 1


def test_a_large_batch_is_handed_over_in_parts_and_timed(files):
    engine = open_engine("openvino", files / "network.onnx", threads=1)
    ticks = iter(range(100))
    batches = Batches(engine, lambda: float(next(ticks)))
    batches.begin(2)
    image = np.random.default_rng(3).uniform(0, 100, (5, *SHAPE[1:])).astype(np.float32)
    np.testing.assert_array_equal(batches(image), engine.run(image))
    assert batches.seconds == [0.5, 0.5, 0.5, 0.5, 1.0]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("Exception from allocator.cpp:79: std::bad_alloc"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("Failed to allocate memory for requested buffer of size 2"), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("shapes do not match"), False),
    ],
)
def test_it_is_understood_when_memory_runs_out(error, expected):
    assert says_out_of_memory(error) is expected
