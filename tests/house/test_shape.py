"""The house keeps its shape: small files, small functions, no drawers, no bare status codes."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NODE = ROOT / "node"
FILES = sorted(
    [*NODE.rglob("*.py"), *(ROOT / "bench").rglob("*.py"), *(ROOT / "models").rglob("*.py")]
)
MAX_FILE, MAX_FUNCTION = 400, 50
DRAWERS = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "misc",
    "manager",
    "base",
    "core",
    "tools",
}

each_file = pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))


def body_lines(function):
    first = function.body[0]
    if ast.get_docstring(function) and len(function.body) > 1:
        first = function.body[1]
    return function.end_lineno - first.lineno + 1


@each_file
def test_a_file_fits_in_one_sitting(path):
    assert len(path.read_text().splitlines()) <= MAX_FILE


@each_file
def test_a_function_fits_on_one_screen(path):
    tree = ast.parse(path.read_text())
    functions = [x for x in ast.walk(tree) if isinstance(x, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [f.name for f in functions if body_lines(f) > MAX_FUNCTION] == []


@each_file
def test_no_drawers(path):
    assert path.stem not in DRAWERS


@each_file
def test_status_codes_have_names(path):
    if path == NODE / "dicom" / "status.py":
        return
    assert re.findall(r"\b0x[0-9A-Fa-f]{3,4}\b", path.read_text().replace("0x0000", "")) == []


@each_file
def test_every_file_says_what_it_is_for(path):
    doc = ast.get_docstring(ast.parse(path.read_text()))
    assert doc
    assert len(doc.splitlines()[0]) <= 99
