"""The road to TensorRT, as far as a machine without NVIDIA's card can go: all but running it.

TensorRT for RTX is the same parser and builder, and builds for a card that is not there. The real
TensorRT, its runtime and every figure of speed need the card; nothing of that is claimed here.
"""

import subprocess
import sys

import numpy as np
import onnx as onnx_package
import pytest
import tensorrt_rtx

from node.engines import tensorrt_calls
from node.engines.building_errors import CannotBuildError
from node.engines.cuda import NoCardError, open_card
from node.engines.onnx_building import halved, quantised
from node.engines.tensorrt_building import build_plan
from node.engines.tensorrt_calls import USED
from tests.bundles.networks import SIDE, brightness


@pytest.fixture
def onnx(tmp_path):
    return brightness(tmp_path / "network.onnx")


def windows() -> list[np.ndarray]:
    shape = (1, 1, SIDE, SIDE, SIDE)
    return [np.random.default_rng(i).uniform(0, 100, shape).astype("f4") for i in range(3)]


def test_networks_in_every_precision_are_understood_and_built(onnx, tmp_path):
    sources = {
        "f32": onnx,
        "f16": halved(onnx, tmp_path / "f16.onnx"),
        "int8": quantised(onnx, tmp_path / "int8.onnx", windows(), symmetric=True),
    }
    for precision, source in sources.items():
        plan = build_plan(source, tmp_path / f"{precision}.plan", tensorrt_rtx)
        assert plan.stat().st_size > 10_000, precision


@pytest.mark.parametrize("precision", ["f32", "f16", "int8"])
def test_a_network_of_any_batch_and_size_is_built_for_what_it_will_see(tmp_path, precision):
    fixed = onnx_package.load(brightness(tmp_path / "fixed.onnx"))
    for value in (*fixed.graph.input, *fixed.graph.output):
        for axis in (0, 2, 3, 4):
            value.type.tensor_type.shape.dim[axis].dim_param = f"{value.name}_{axis}"
    source = tmp_path / "any.onnx"
    onnx_package.save(fixed, source)
    if precision == "f16":
        source = halved(source, tmp_path / "f16.onnx")
    if precision == "int8":
        source = quantised(source, tmp_path / "int8.onnx", windows(), symmetric=True)
    with pytest.raises(CannotBuildError, match="wants to know what the network sees"):
        build_plan(source, tmp_path / "no.plan", tensorrt_rtx)
    shape = (1, 1, SIDE, SIDE, SIDE)
    plan = build_plan(source, tmp_path / "any.plan", tensorrt_rtx, shape=shape)
    assert plan.stat().st_size > 10_000


def test_what_is_no_network_is_told_as_such(tmp_path):
    (tmp_path / "no.onnx").write_bytes(b"no network at all")
    with pytest.raises(CannotBuildError, match="does not understand"):
        build_plan(tmp_path / "no.onnx", tmp_path / "no.plan", tensorrt_rtx)


def test_a_bias_that_was_quantised_is_what_it_does_not_understand(onnx, tmp_path):
    """Why ours leave it alone: this is what ONNX Runtime's quantiser makes by itself."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.left = iter(windows())

        def get_next(self):
            window = next(self.left, None)
            return None if window is None else {"image": window}

    usual = tmp_path / "usual.onnx"
    quantize_static(str(onnx), str(usual), Reader(), quant_format=QuantFormat.QDQ)
    with pytest.raises(CannotBuildError):
        build_plan(usual, tmp_path / "usual.plan", tensorrt_rtx)


def test_a_plan_is_made_for_newer_versions_where_that_is_asked_for(onnx, tmp_path, monkeypatch):
    flags = []
    config = tensorrt_rtx.IBuilderConfig
    monkeypatch.setattr(config, "set_flag", lambda _, flag: flags.append(flag))
    build_plan(onnx, tmp_path / "usual.plan", tensorrt_rtx)
    assert flags == []
    build_plan(onnx, tmp_path / "compatible.plan", tensorrt_rtx, compatible=True)
    assert flags == [tensorrt_rtx.BuilderFlag.VERSION_COMPATIBLE]


@pytest.mark.parametrize("name", USED)
def test_every_call_that_is_used_is_there(name):
    real = getattr(tensorrt_rtx, name)
    wanted = USED[name]
    methods = {call for call in vars(wanted) if not call.startswith("_")}
    attributes = {call for call in wanted.__annotations__ if not call.startswith("_")}
    assert methods | attributes
    assert [call for call in methods | attributes if not hasattr(real, call)] == []


def test_what_is_used_besides_classes_is_there():
    assert tensorrt_rtx.TensorIOMode.INPUT != tensorrt_rtx.TensorIOMode.OUTPUT
    assert tensorrt_rtx.nptype(tensorrt_rtx.float32) is np.float32
    assert tensorrt_rtx.Logger.ERROR is not None
    assert hasattr(tensorrt_rtx.Runtime, "engine_host_code_allowed")


class Version:
    """What a TensorRT of some version offers."""

    __name__ = "tensorrt"

    class NetworkDefinitionCreationFlag:
        EXPLICIT_BATCH, STRONGLY_TYPED = 0, 1

    class BuilderFlag:
        FP16, INT8 = "FP16", "INT8"

    def __init__(self, version: str) -> None:
        self.__version__ = version


class Config:
    def __init__(self) -> None:
        self.flags: list[object] = []

    def set_flag(self, flag: object) -> None:
        self.flags.append(flag)


@pytest.mark.parametrize(
    ("version", "network", "allowed"),
    [
        ("8.5.2.2", 0b01, ["FP16", "INT8"]),
        ("10.3.0", 0b10, []),
        ("11.4.0.106", 0, []),
    ],
)
def test_each_version_is_told_what_it_must_be_told(version, network, allowed):
    trt, config = Version(version), Config()
    assert tensorrt_calls.network_flags(trt) == network
    tensorrt_calls.allow_precisions(trt, config)
    assert config.flags == allowed


def test_without_a_driver_the_runtime_is_not_even_touched():
    with pytest.raises(NoCardError, match="no NVIDIA driver"):
        open_card("libcuda-that-is-not-there.so.1")
    code = """
from pathlib import Path
from node.engines.cuda import NoCardError
from node.engines.engine import open_engine
import sys
try:
    open_engine("tensorrt", Path("no.plan"), threads=1, precision="f16")
except (NoCardError, ModuleNotFoundError, FileNotFoundError, RuntimeError) as error:
    print(type(error).__name__, "tensorrt" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    try:
        open_card().close()
    except NoCardError:
        assert ran.stdout.split() == ["NoCardError", "False"]
