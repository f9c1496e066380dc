"""The floors of the house hold, every room is on one, and every way to break them is caught."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = Path(sys.executable).parent / "lint-imports"
VIOLATIONS = {
    "a drawer called utils": ("node/utils.py", None),
    "a rule imports the clock": ("node/rules/settling.py", "from node import clock\n"),
    "a rule imports pathlib": ("node/rules/naming.py", "import pathlib\n"),
    "a rule imports numpy": ("node/rules/matching.py", "import numpy\n"),
    "a stage imports a stage": ("node/stages/receive.py", "from node.stages import infer\n"),
    "receive imports volumes": ("node/stages/receive.py", "from node.dicom import volume\n"),
    "the listener imports highdicom": ("node/wire/scp.py", "import highdicom\n"),
    "a stage talks DIMSE": ("node/stages/deliver.py", "import pynetdicom\n"),
    "a stage talks SQL": ("node/stages/settle.py", "import sqlalchemy\n"),
    "wire writes to the ledger": ("node/wire/scp.py", "from node.ledger import opening\n"),
    "the spool reads the ledger": ("node/spool.py", "from node.ledger import opening\n"),
    "the shelf imports torch": ("node/bundles/shelf.py", "import torch\n"),
    "the infer leg imports openvino": ("node/stages/infer.py", "import openvino\n"),
    "the runner imports an engine": ("node/bundles/runner.py", "from node.engines import engine\n"),
    "the child reads DICOM": ("node/bundles/child.py", "import pydicom\n"),
    "an engine knows the ledger": ("node/engines/engine.py", "from node.ledger import opening\n"),
    "the node imports the workshop": ("node/app.py", "import models\n"),
    "config imports a rule": ("node/config.py", "from node.rules import nouns\n"),
    "an import hides in a function": (
        "node/rules/retrying.py",
        "def nap():\n    import time\n    return time.monotonic()\n",
    ),
}


def lint(folder):
    return subprocess.run(
        [LINT, "--no-cache"],
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("house") / "copy"
    ignore = shutil.ignore_patterns("__pycache__", "*.onnx", "*.npz")
    for package in ("node", "models"):
        shutil.copytree(ROOT / package, folder / package, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_the_floors_hold(copy):
    result = lint(copy)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_deliberate_violation_is_caught(copy, name):
    where, source = VIOLATIONS[name]
    path = copy / where
    before = path.read_text() if path.exists() else None
    path.write_text((before or '"""A drawer."""\n') + "\n" + (source or ""))
    try:
        result = lint(copy)
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_text(before)
    assert result.returncode != 0
    assert "BROKEN" in result.stdout or "not listed" in result.stdout, result.stdout


def test_the_listener_starts_without_pixels_or_models():
    code = (
        "import sys, node.stages.receive, node.stages.settle, node.stages.confirm, node.wire.scp\n"
        "bad = {'torch','openvino','highdicom','SimpleITK','monai','onnxruntime'} & set(sys.modules)\n"
        "sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
