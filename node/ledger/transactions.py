"""How a transaction runs: one writer at a time, readers never waiting, on either database.

SQLite: WAL, synchronous=FULL (a committed fact survives a power cut), BEGIN IMMEDIATE for writers.
PostgreSQL: writers take one advisory lock first. Either way a writing verb sees everything that
was committed before it, and nothing changes under its hands. The price, one commit at a time, is
some hundred transactions a second; what comes fast (images) comes in batches.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import Event as Pause
from threading import Lock, local
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from node.clock import Clock
from node.ledger import chain
from node.ledger.chain import Concerns, Note
from node.rules.events import Event

WAIT_SECONDS = 30
"""How long a writer waits for the one before it; a verb that waited longer fails and is retried."""
SWITCH_TRIES, SWITCH_SECONDS = 100, 0.05
"""How often and after which pause a new database is asked again to keep a log."""
ADVISORY_LOCK = 0x7261_646E  # "radn"
CHUNK = 500
"""Most values in one IN (…)."""

_Some = TypeVar("_Some")


class LedgerNotReadyError(Exception):
    """The ledger cannot be used as it is; the text says what a person can do."""


class LeaseLostError(Exception):
    """The job is no longer held by this worker: its lease lapsed, or somebody ended the job."""


def chunks(values: Iterable[_Some]) -> Iterator[list[_Some]]:
    """Cut a long list into pieces that fit a statement."""
    everything = list(values)
    for start in range(0, len(everything), CHUNK):
        yield everything[start : start + CHUNK]


class Page:
    """What one writing transaction holds: the connection, the time, and the audit rows to be."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        """Open at `now`."""
        self.connection = connection
        self.now = now
        self.notes: list[Note] = []

    def note(
        self,
        happened: Event,
        subject: str,
        concerns: Concerns | None = None,
        detail: Mapping[str, object] | None = None,
    ) -> None:
        """Add an audit row; fields of the detail that are None are left out."""
        told = {key: value for key, value in (detail or {}).items() if value is not None}
        self.notes.append(Note(self.now, happened, subject, concerns or Concerns(), told))


class _Shared(local):
    """The page on which several verbs of this thread write together."""

    page: Page | None = None


class Transactions:
    """An open database, and the two ways to use it: to read, or to write and account for it."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        """Use `engine`; `clock` gives the moments that are written down."""
        self._engine = engine
        self._clock = clock
        self._one_writer = Lock()  # fair among our own threads, where SQLite would nap and poll
        self._shared = _Shared()

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make one transaction of all that this thread writes until the end of the `with`.

        They are written all or none: an exception in one of them takes back the others.
        """
        with self._writing() as page:
            self._shared.page = page
            try:
                yield
            finally:
                self._shared.page = None

    @contextmanager
    def _writing(self) -> Iterator[Page]:
        """Write; the audit rows join the same commit, and an exception leaves nothing behind."""
        if self._shared.page is not None:
            yield self._shared.page
            return
        with self._one_writer, writing(self._engine) as connection:
            page = Page(connection, self._clock.now())
            yield page
            chain.append(connection, page.notes)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open the one transaction that may write."""
    with engine.connect() as connection:
        connection.execution_options(radnode_writes=True)
        with connection.begin():
            yield connection


def locate(url: str | None, data_dir: Path) -> URL:
    """Give the address of the ledger: a file in the data folder unless a database is named.

    Raises:
        LedgerNotReadyError: the address cannot be read, or names another kind of database.
    """
    if url is None:
        return URL.create("sqlite", database=str(data_dir / "ledger.sqlite"))
    try:
        address = make_url(url)
    except ArgumentError:  # its text would repeat the password
        address = None
    if address is None or address.get_backend_name() not in ("sqlite", "postgresql"):
        raise LedgerNotReadyError(
            "database.url is not the address of a database that radnode can use; "
            "write postgresql+psycopg://user@host/name, or null for a file in data_dir"
        )
    return address


def connect(address: URL) -> Engine:
    """Make an engine that begins transactions as described above.

    Raises:
        LedgerNotReadyError: the driver is not installed.
    """
    embedded = address.get_backend_name() == "sqlite"
    try:
        engine = create_engine(
            address,
            hide_parameters=True,  # an exception's text must not carry what a peer sent
            pool_pre_ping=not embedded,
            connect_args={} if embedded else {"connect_timeout": 10},
        )
    except (ImportError, NoSuchModuleError) as error:
        raise LedgerNotReadyError(
            "PostgreSQL needs a driver that is not installed; in radnode's folder run "
            "`.venv/bin/pip install -e '.[postgresql]'`"
        ) from error
    if embedded:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "begin", _begin_postgresql)
    return engine


def shown(address: URL) -> str:
    """Give an address without its password."""
    return address.render_as_string(hide_password=True)


def unreachable(address: URL, error: SQLAlchemyError) -> LedgerNotReadyError:
    """Say that the database does not answer, and what to look at."""
    return LedgerNotReadyError(
        f"the database {shown(address)} cannot be used ({type(error).__name__}); "
        "see that it runs, that database.url is right, and that its user may log in"
    )


def _prepare_sqlite(connection: DBAPIConnection, _: object) -> None:
    connection.isolation_level = (
        None  # BEGIN is ours; the driver would put it off to the first write
    )
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {WAIT_SECONDS * 1000}")
    _keep_a_log(cursor)
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _keep_a_log(cursor: DBAPICursor) -> None:
    """Switch to write-ahead logging; of several who do so first, all but one are told to wait.

    (SQLite does not honour the busy timeout when the mode of a new database is changed.)
    """
    for _ in range(SWITCH_TRIES):
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            Pause().wait(SWITCH_SECONDS)
        else:
            return
    cursor.execute("PRAGMA journal_mode = WAL")


_PRAGMAS: Sequence[str] = (
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("radnode_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get("radnode_writes", False):
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
    else:  # one view of everything for the whole reading, as SQLite gives it
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
