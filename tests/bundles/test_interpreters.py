"""Models' processes may be run by another Python, as that which a JetPack's TensorRT is for."""

import ast
import sys
from pathlib import Path

import pytest

import node
from node.bundles import interpreters
from node.bundles.compiled import keys_of
from node.bundles.machine import Machine, engine_version
from node.bundles.runner import Runner
from node.bundles.weights import missing_for
from node.cli import main
from node.engines.building import opset_for
from node.rules.failures import Refusal

ROOT = Path(node.__file__).parent
STARTED = ("node.bundles.child", "node.engines.building", "node.bundles.by_monai")
NEWER = {
    *("datetime.UTC", "enum.StrEnum", "typing.Self", "typing.assert_never", "typing.Never"),
    *("hashlib.file_digest", "tomllib", "asyncio.TaskGroup", "enum.member"),
}
"""What Python 3.11 added, as far as anybody here might use it."""
JETPACKS = """#!{python}
import json
print(json.dumps({{
    "versions": {{"tensorrt": "{version}", "numpy": "1.26.4"}},
    "modules": ["tensorrt"],
    "python": [3, {minor}],
}}))
"""


@pytest.fixture
def jetpack(tmp_path, monkeypatch):
    def choose(version="10.3.0", minor=10):
        path = tmp_path / f"python3.{minor}"
        text = JETPACKS.format(python=sys.executable, version=version, minor=minor)
        path.write_text(text)
        path.chmod(0o755)
        interpreters._told.cache_clear()
        interpreters.use(path)
        return path

    yield choose
    interpreters.use(None)


def module_path(name):
    path = ROOT.parent.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def everything_imported():
    """Follow imports of ours from what a model's process starts with, late ones too."""
    seen, todo = {}, list(STARTED)
    while todo:
        name = todo.pop()
        path = module_path(name)
        if name in seen or not path.is_file():
            continue
        tree = ast.parse(path.read_text(), feature_version=interpreters.OLDEST)
        seen[name] = tree
        for item in ast.walk(tree):
            if isinstance(item, ast.ImportFrom) and item.module.split(".")[0] == "node":
                todo += [item.module, *(f"{item.module}.{one.name}" for one in item.names)]
    return seen


def test_what_runs_in_them_is_written_for_an_older_python_than_ours():
    """Parsed by that version's grammar, and none of the names that came later."""
    found = everything_imported()
    assert "node.engines.tensorrt_engine" in found
    assert "node.bundles.runner" not in found
    for name, tree in found.items():
        used = set()
        for item in ast.walk(tree):
            if isinstance(item, ast.ImportFrom):
                used |= {f"{item.module}.{one.name}" for one in item.names}
            if isinstance(item, ast.Import):
                used |= {one.name for one in item.names}
            if isinstance(item, ast.Attribute) and isinstance(item.value, ast.Name):
                used.add(f"{item.value.id}.{item.attr}")
        assert not used & NEWER, name


def test_another_python_is_asked_what_it_has(jetpack):
    jetpack()
    assert engine_version("tensorrt") == "10.3.0"
    assert engine_version("openvino") == ""
    assert interpreters.has("tensorrt")
    assert "needs openvino" in missing_for("openvino") or "need openvino" in missing_for("openvino")
    assert interpreters.unfit() == ""
    interpreters.use(None)
    assert missing_for("openvino") == ""


def test_one_that_is_too_old_or_none_at_all_is_told(jetpack, tmp_path):
    jetpack(minor=8)
    assert "is Python 3.8; models need 3.10 or newer" in interpreters.unfit()
    interpreters.use(tmp_path / "nothing")
    assert "no Python that answers" in interpreters.unfit()


def test_models_are_run_by_it(make_bundle, put, block, jetpack, tmp_path):
    bundle = put(make_bundle())
    path = jetpack()
    mark = tmp_path / "started"
    path.write_text(f'#!/bin/sh\necho "$@" > {mark}\nexit 1\n')
    runner = Runner(threads=1)
    assert isinstance(runner.predict(bundle, block, tmp_path, 60), Refusal)
    assert mark.read_text().strip() == "-m node.bundles.child"


@pytest.mark.parametrize(
    ("engine", "version", "opset"),
    [
        ("tensorrt", "8.5.2.2", 17),
        ("tensorrt", "10.3.0", 18),
        ("tensorrt", "11.4.0.106", 18),
        ("tensorrt", "", 18),
        ("openvino", "2026.4.1", 18),
    ],
)
def test_an_old_tensorrt_gets_older_operators(engine, version, opset):
    assert opset_for(engine, version) == opset


def test_operators_are_written_by_an_older_version_where_that_can_be(tmp_path):
    onnx = pytest.importorskip("onnx")
    from node.engines.onnx_building import lowered
    from tests.bundles.networks import brightness

    source = brightness(tmp_path / "network.onnx")
    made = lowered(source, tmp_path / "lowered.onnx", 17)
    assert onnx.load(made).opset_import[0].version == 17
    assert lowered(made, tmp_path / "again.onnx", 17) == made


def test_a_compatible_plan_is_found_by_the_next_version(make_bundle, put, jetpack):
    bundle = put(make_bundle())
    card = Machine("aarch64", frozenset(), "Jetson AGX Orin")

    def keys(version):
        jetpack(version)
        return [key.parts["engine"] for key in keys_of(bundle, "tensorrt", "f16", card)]

    assert keys("10.3.0") == [
        "tensorrt 10.3.0",
        "tensorrt 10, compatible",
        "tensorrt 8, compatible",
    ]
    assert keys("11.4.0")[1:] == ["tensorrt 11, compatible", "tensorrt 10, compatible"]
    assert keys("12.0.0")[1:] == ["tensorrt 12, compatible"]
    assert len(keys_of(bundle, "openvino", "f32", card)) == 1


def test_the_check_names_one_that_will_not_do(tmp_path, jetpack, capsys):
    path = jetpack(minor=8)
    config = tmp_path / "config.yaml"
    config.write_text(
        f"node: {{port: 0, data_dir: {tmp_path / 'var'}}}\nmodels: {{python: {path}}}\n"
    )
    assert main(["check", "--config", str(config)]) == 1
    assert "models need 3.10 or newer" in capsys.readouterr().out
