"""Opens the ledger, and brings its tables up to date first where nobody else would.

An embedded SQLite file belongs to this node alone, so it is upgraded as it is opened; a PostgreSQL
database is shared, and its owner decides when: `radnode db upgrade`. Several processes may open and
upgrade at once: all of an upgrade happens in the one transaction that may write.
"""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from node.clock import Clock
from node.ledger.reading.evidence import Evidence
from node.ledger.reading.history import History
from node.ledger.reading.results import Results
from node.ledger.schema import REVISIONS
from node.ledger.transactions import (
    LeaseLostError,
    LedgerNotReadyError,
    connect,
    locate,
    shown,
    unreachable,
    writing,
)
from node.ledger.writing.associating import Associating
from node.ledger.writing.confirming import Confirming
from node.ledger.writing.delivering import Delivering
from node.ledger.writing.holding import Holding
from node.ledger.writing.inferring import Inferring, ResultChangedError
from node.ledger.writing.receiving import Receiving
from node.ledger.writing.settling import Settling
from node.ledger.writing.sweeping import Sweeping

__all__ = [
    "LeaseLostError",
    "Ledger",
    "LedgerNotReadyError",
    "ResultChangedError",
    "open_ledger",
    "state_of_schema",
    "upgrade",
]


class Ledger(
    Associating,
    Receiving,
    Settling,
    Inferring,
    Delivering,
    Confirming,
    Holding,
    Sweeping,
    Evidence,
    Results,
    History,
):
    """The open ledger: every verb and every question, from any thread.

    A database that does not answer shows as sqlalchemy.exc.SQLAlchemyError, and leaves nothing
    half done: try the verb again.
    """


def open_ledger(url: str | None, data_dir: Path, clock: Clock) -> Ledger:
    """Open the ledger.

    Args:
        url: address of a database, or None for a SQLite file in `data_dir`.
        data_dir: an existing folder.
        clock: gives every moment that is written down.

    Raises:
        LedgerNotReadyError: it cannot be reached, or needs an upgrade; the text says what to do.
    """
    address = locate(url, data_dir)
    engine = connect(address)
    try:
        state = _state(engine)
        if state in ("empty", "behind") and address.get_backend_name() == "sqlite":
            _upgrade(engine)
            state = _state(engine)
    except SQLAlchemyError as error:
        engine.dispose()
        raise unreachable(address, error) from error
    if state != "current":
        engine.dispose()
        raise LedgerNotReadyError(_advice(address, state))
    return Ledger(engine, clock)


def upgrade(url: str | None, data_dir: Path) -> str:
    """Bring the tables up to date, and give the revision that they are at.

    Raises:
        LedgerNotReadyError: the database cannot be reached, or is newer than this program.
    """
    address = locate(url, data_dir)
    engine = connect(address)
    try:
        if _state(engine) == "ahead":
            raise LedgerNotReadyError(_advice(address, "ahead"))
        _upgrade(engine)
    except SQLAlchemyError as error:
        raise unreachable(address, error) from error
    finally:
        engine.dispose()
    return REVISIONS[-1]


def state_of_schema(url: str | None, data_dir: Path) -> str:
    """Say how the tables stand to this program: current, behind, empty or ahead.

    Raises:
        LedgerNotReadyError: the database cannot be reached.
    """
    address = locate(url, data_dir)
    engine = connect(address)
    try:
        return _state(engine)
    except SQLAlchemyError as error:
        raise unreachable(address, error) from error
    finally:
        engine.dispose()


def _state(engine: Engine) -> str:
    with engine.begin() as connection:
        return _state_seen(connection)


def _state_seen(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return "empty"
    revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if revision is None:
        return "empty"
    if revision == REVISIONS[-1]:
        return "current"
    return "behind" if revision in REVISIONS else "ahead"


def _upgrade(engine: Engine) -> None:
    from alembic import command  # takes a quarter of a second, which most starts need not spend
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with writing(engine) as connection:
        if _state_seen(connection) in ("empty", "behind"):  # nobody else did it meanwhile
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _advice(address: URL, state: str) -> str:
    where = f"the database {shown(address)}"
    if state == "ahead":
        return (
            f"{where} was made by a newer radnode than this; "
            "install that version again, or restore a backup from before"
        )
    what = "has no tables yet" if state == "empty" else "has the tables of an older radnode"
    return f"{where} {what}; run `radnode db upgrade`"
