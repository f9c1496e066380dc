"""What every test may use, and the rule that CI knows no missing peers."""

import os
import shutil
import sys
from pathlib import Path

import pytest

CI = os.environ.get("CI") == "true"


def absent(what, how):
    """Skip a test because a real peer is missing; in CI that is a failure."""
    why = f"{what} is not here: {how}"
    if CI:
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


@pytest.fixture(scope="session")
def tool():
    """Find a program of DCMTK, dicom3tools or systemd by name."""

    def find(name):
        beside = Path(sys.executable).parent / name
        found = str(beside) if beside.exists() else shutil.which(name)
        if found is None:
            absent(name, "make test installs it where it may")
        return found

    return find


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Turn any skip into a failure in CI: there everything can be had."""
    report = yield
    if CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {reason}"
    return report
