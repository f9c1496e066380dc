"""The six networks of the benchmark, in halves and in 8 bits, are what TensorRT can build."""

import logging
import warnings

import numpy as np
import pytest
import tensorrt_rtx

torch = pytest.importorskip("torch", reason="the extra torch is not installed")
pytest.importorskip("monai", reason="the extra torch is not installed")
pytest.importorskip("einops", reason="MONAI's Swin UNETR needs einops")
pytest.importorskip("onnxscript", reason="the extra compile is not installed")

from bench.engines.networks import NETWORKS, SMALL  # noqa: E402
from node.engines.onnx_building import halved, quantised  # noqa: E402
from node.engines.tensorrt_building import build_plan  # noqa: E402
from node.engines.torch_exporting import as_onnx  # noqa: E402

EXPORTED = ("3D U-Net", "SegResNet")
"""By torch.export, as state dicts are; the others by tracing, which takes a tenth of the time."""


@pytest.fixture
def quiet():
    """PyTorch's exporter switches warnings and the journal off; put them back."""
    with warnings.catch_warnings():
        yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", SMALL)
def test_in_halves_and_with_explicit_quantisation(name, tmp_path, quiet):
    network = SMALL[name]
    torch.manual_seed(0)
    chance = np.random.default_rng(0)
    window = chance.standard_normal(network.shape).astype(np.float32)
    source = as_onnx(
        network.build().eval(),
        torch.from_numpy(window),
        tmp_path / "network.onnx",
        by_export=name in EXPORTED,
    )
    sources = {
        "f16": halved(source, tmp_path / "f16.onnx"),
        "int8": quantised(source, tmp_path / "int8.onnx", [window], symmetric=True),
    }
    for precision, made in sources.items():
        plan = build_plan(made, tmp_path / f"{precision}.plan", tensorrt_rtx, shape=network.shape)
        assert plan.stat().st_size > 10_000, precision


def test_they_are_the_networks_of_the_benchmark():
    assert list(SMALL) == list(NETWORKS)
    for name, network in SMALL.items():
        assert len(network.shape) == len(NETWORKS[name].shape)
