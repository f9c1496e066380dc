"""In CI nothing is skipped: a missing part is a failure there, and a reason elsewhere."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SKIPS = """import pytest

@pytest.fixture
def part():
    pytest.skip("no such part")

def test_here(): pytest.skip("no such part")
def test_in_a_fixture(part): pass
def test_of_a_program(tool): tool("no-such-program")

@pytest.mark.skipif(True, reason="no such part")
def test_by_a_mark(): pass

@pytest.mark.xfail(reason="known")
def test_known(): assert False

def test_whole(): pass
"""
WHOLE_FILE = "import pytest\npytest.importorskip('no_such_part')\ndef test_here(): pass\n"


def outcome(folder, text, ci):
    """Run a file of tests under our conftest; give exit code and the closing line."""
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (folder / "test_whole.py").write_text("def test_whole(): pass\n")
    (folder / "test_skipping.py").write_text(text)
    environment = {key: value for key, value in os.environ.items() if "PYTEST" not in key}
    environment |= {"CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder],
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    return ran.returncode, ran.stdout


def test_a_skip_fails_in_ci(tmp_path):
    code, said = outcome(tmp_path, SKIPS, "true")
    assert code == 1
    assert "2 failed, 2 passed, 1 xfailed, 2 errors" in said  # errors: skipped before the test
    assert "skipped, which CI does not allow: Skipped: no-such-program is not here" in said


def test_a_skip_is_a_skip_elsewhere(tmp_path):
    code, said = outcome(tmp_path, SKIPS, "")
    assert code == 0
    assert "2 passed, 4 skipped, 1 xfailed" in said


def test_a_file_that_is_skipped_whole_fails_in_ci(tmp_path):
    assert outcome(tmp_path, WHOLE_FILE, "true")[0] == 1
    assert outcome(tmp_path, WHOLE_FILE, "")[0] == 0
