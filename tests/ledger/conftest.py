"""Real databases for the ledger: a SQLite file, and a PostgreSQL server of our own."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from node.ledger.opening import upgrade
from tests.fakes.clock import FakeClock
from tests.ledger.making import Home


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def _as_postgres(command: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else command


class Server:
    """A PostgreSQL server in a folder of its own, reached over a socket in that folder."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs = programs
        self.folder = folder
        self.count = 0

    def start(self) -> None:
        initdb = [str(self.programs / "initdb"), "-D", str(self.folder / "data"), "-U", "radnode"]
        self._run([*initdb, "-A", "trust", "-E", "UTF8", "--no-sync"])
        options = f"-c listen_addresses= -c fsync=off -k {self.folder}"
        self._control("start", "-w", "-o", options, "-l", str(self.folder / "log"))
        self._sql("CREATE DATABASE prepared")
        upgrade(self.url("prepared"), self.folder)

    def stop(self) -> None:
        self._control("stop", "-m", "immediate")

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://radnode@/{name}?host={self.folder}"

    def database(self, *, template: str) -> str:
        self.count += 1
        name = f"ledger_{self.count}"
        self._sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def _control(self, *arguments: str) -> None:
        self._run([str(self.programs / "pg_ctl"), "-D", str(self.folder / "data"), *arguments])

    def _run(self, command: list[str]) -> None:
        subprocess.run(
            _as_postgres(command),
            check=True,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
        )

    def _sql(self, statement: str) -> None:
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    programs = _programs()
    if programs is None:
        why = "PostgreSQL is not installed (apt-get install postgresql)"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="radnode-pg-"))  # a socket's path is short
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
    server = Server(programs, folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


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
