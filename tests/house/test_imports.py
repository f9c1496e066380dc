"""The floors of the house hold, every room is on one, and every way to break them is caught."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = Path(sys.executable).parent / "lint-imports"
FLOORS, RULES, STAGES = "The house has floors", "Rules only decide", "Stages meet only"
LISTENER, FRAMEWORKS = "The listener starts in a blink", "Frameworks run in the model's child"
ENGINES, WORKSHOP = "Engines are imported by the child", "The node never imports the workshop"
WIRE, LEDGER, CHILD = "Only wire talks DIMSE", "Only ledger talks SQL", "The child knows no DICOM"
CIRCLES = "No circles anywhere"
VIOLATIONS = {
    "a drawer called utils": (FLOORS, "node/utils.py", ""),
    "a rule imports the clock": (RULES, "node/rules/settling.py", "from node import clock"),
    "a rule imports pathlib": (RULES, "node/rules/naming.py", "import pathlib"),
    "a rule imports numpy": (RULES, "node/rules/matching.py", "import numpy"),
    "a rule naps in a function": (RULES, "node/rules/retrying.py", "def nap():\n    import time"),
    "config imports a rule": (FLOORS, "node/config/__init__.py", "from node.rules import nouns"),
    "a stage imports a stage": (STAGES, "node/stages/receive.py", "from node.stages import infer"),
    "a stage imports app": (FLOORS, "node/stages/settle.py", "from node import app"),
    "receive imports volumes": (
        LISTENER,
        "node/stages/receive.py",
        "from node.dicom import volume",
    ),
    "the listener imports highdicom": (LISTENER, "node/wire/scp.py", "import highdicom"),
    "a stage talks DIMSE": (WIRE, "node/stages/deliver.py", "import pynetdicom"),
    "a stage talks SQL": (LEDGER, "node/stages/settle.py", "import sqlalchemy"),
    "a stage opens SQLite": (LEDGER, "node/stages/sweep.py", "import sqlite3"),
    "wire writes to the ledger": (FLOORS, "node/wire/scp.py", "from node.ledger import opening"),
    "the spool reads the ledger": (FLOORS, "node/spool.py", "from node.ledger import opening"),
    "the shelf imports torch": (FRAMEWORKS, "node/bundles/shelf.py", "import torch"),
    "the infer leg imports openvino": (FRAMEWORKS, "node/stages/infer.py", "import openvino"),
    "the runner imports an engine": (
        ENGINES,
        "node/bundles/runner.py",
        "import node.engines.engine",
    ),
    "the child reads DICOM": (CHILD, "node/bundles/child.py", "import pydicom"),
    "an engine knows the ledger": (CHILD, "node/engines/engine.py", "import node.ledger.opening"),
    "the node imports the workshop": (WORKSHOP, "node/app/house.py", "import models"),
    "a circle in a room": (CIRCLES, "node/dicom/scanning.py", "from node.dicom import volume"),
}


def lint(folder):
    """Run import-linter; give its exit code, the contracts that it found broken, and its words."""
    ran = subprocess.run(
        [LINT],
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    broken = [line for line in ran.stdout.splitlines() if " BROKEN" in line]
    return ran.returncode, broken, ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("house") / "copy"
    ignore = shutil.ignore_patterns("__pycache__", "*.onnx", "*.npz")
    for package in ("node", "models"):
        shutil.copytree(ROOT / package, folder / package, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_the_floors_hold(copy):
    code, broken, said = lint(copy)
    assert (code, broken) == (0, []), said


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_deliberate_violation_is_caught(copy, name):
    contract, where, source = VIOLATIONS[name]
    path = copy / where
    before = path.read_text() if path.exists() else None
    path.write_text(f"{before or ''}\n{source}\n")
    try:
        code, broken, said = lint(copy)
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_text(before)
    assert code == 1, said
    assert any(line.startswith(contract) for line in broken), said


def test_the_listener_starts_without_pixels_or_models():
    code = (
        "import sys, node.app\n"
        "from node.stages import confirm, receive, settle\n"
        "from node.wire import scp\n"
        "heavy = {'torch', 'openvino', 'highdicom', 'SimpleITK', 'monai', 'onnxruntime'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_verb_brings_only_what_it_needs():
    """The listener is one of them, and has to stay small."""
    heavy = ("SimpleITK", "highdicom", "torch", "openvino", "node.dicom.volume", "node.engines")
    asked = f"import sys, node.cli; print([one for one in {heavy} if one in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
