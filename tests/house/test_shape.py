"""The house keeps its shape: small files, small functions, no drawers, no bare status codes."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NODE = ROOT / "node"
FILES = sorted(path for room in ("node", "bench", "models") for path in (ROOT / room).rglob("*.py"))
MOST_LINES, LONGEST_FUNCTION, LONGEST_SENTENCE = 400, 50, 99
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
STATUS = re.compile(r"0x[0-9A-Fa-f]{3,4}")

each_file = pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))


def body_lines(function):
    """Count the lines of a function below its docstring."""
    first = function.body[0]
    if ast.get_docstring(function) and len(function.body) > 1:
        first = function.body[1]
    return function.end_lineno - first.lineno + 1


@each_file
def test_a_file_fits_in_one_sitting(path):
    assert len(path.read_text().splitlines()) <= MOST_LINES


@each_file
def test_a_function_fits_on_one_screen(path):
    tree = ast.parse(path.read_text())
    functions = [x for x in ast.walk(tree) if isinstance(x, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [f.name for f in functions if body_lines(f) > LONGEST_FUNCTION] == []


@each_file
def test_no_drawers(path):
    assert not DRAWERS & set(path.relative_to(ROOT).with_suffix("").parts)


@each_file
def test_status_codes_have_names(path):
    """Docstrings may quote a code; the code itself goes by its name in node/dicom/status.py."""
    if path == NODE / "dicom" / "status.py":
        return
    text = path.read_text()
    constants = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
    numbers = (ast.get_source_segment(text, x) for x in constants if isinstance(x.value, int))
    assert [number for number in numbers if number and STATUS.fullmatch(number)] == []


@each_file
def test_every_file_says_what_it_is_for(path):
    doc = ast.get_docstring(ast.parse(path.read_text()))
    assert doc
    assert len(doc.splitlines()[0]) <= LONGEST_SENTENCE
