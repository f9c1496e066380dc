"""A PostgreSQL server of our own: started in a folder, reached over a socket in it, stopped."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text

from node.ledger.opening import upgrade


def programs_found() -> Path | None:
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


@contextmanager
def serving(programs: Path) -> Iterator[Server]:
    """Run a server until the end of the `with`."""
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
