"""Real databases for the ledger: a SQLite file, and a PostgreSQL server of our own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.ledger.opening import upgrade
from tests.fakes.clock import FakeClock
from tests.ledger.making import Home


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    """A place for a ledger in which there is none yet."""
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql").database(template="template1")
    return Home(url, tmp_path, FakeClock())


@pytest.fixture(scope="session")
def prepared_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    upgrade(None, folder)
    return folder / "ledger.sqlite"


@pytest.fixture(params=["sqlite", "postgresql"])
def home(request: pytest.FixtureRequest, tmp_path: Path, prepared_file: Path) -> Iterator[Home]:
    """An empty ledger with its tables, and the clock that it goes by."""
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql").database(template="prepared")
    else:
        shutil.copy(prepared_file, tmp_path)
    home = Home(url, tmp_path, FakeClock())
    yield home
    home.close()
