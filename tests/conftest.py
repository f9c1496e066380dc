"""What every test may use, and the rule that CI knows no missing parts."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.fakes.postgresql import programs_found, serving

CI = os.environ.get("CI") == "true"


BESIDE = Path(sys.executable).parent


def pytest_configure():
    """Have DCMTK found, not programs of the same names that pynetdicom puts into the .venv."""
    path = os.environ.get("PATH", "").split(os.pathsep)
    others = [one for one in path if Path(one) != BESIDE]
    os.environ["PATH"] = os.pathsep.join([*others, str(BESIDE)])


@pytest.fixture(scope="session")
def tool():
    """Find a program of DCMTK, dicom3tools or systemd by name; without it the test is skipped."""

    def find(name):
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not here; `make test` installs it where it may")
        return found

    return find


@pytest.fixture(scope="session")
def postgresql():
    """A real PostgreSQL server for this session; without one the test is skipped."""
    programs = programs_found()
    if programs is None:
        pytest.skip("PostgreSQL is not here; `make test` installs it where it may")
    with serving(programs) as server:
        yield server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Make a failure of any skip in CI: there everything can be had."""
    report = yield
    if CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {reason}"
    return report


def pytest_sessionfinish(session):
    """Fail a run in CI in which whole files were skipped as they were collected."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if CI and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.ensure_newline()
        reporter.write_line("a test file was skipped, which CI does not allow", red=True)
