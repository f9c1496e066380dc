"""Fear: the node starts on tables that are not its own, or two upgrades tread on each other."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

import node.ledger
from node.clock import SystemClock
from node.ledger.opening import LedgerNotReadyError, open_ledger, state_of_schema, upgrade
from node.ledger.schema import REVISIONS, metadata
from node.ledger.transactions import connect, locate
from tests.ledger.making import Home


def test_an_upgraded_database_is_what_the_schema_says(empty_home):
    upgrade(empty_home.url, empty_home.data_dir)
    engine = connect(locate(empty_home.url, empty_home.data_dir))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
        seen = inspect(connection)
        for table in metadata.sorted_tables:
            partial = {
                i.name for i in table.indexes if i.dialect_options["sqlite"]["where"] is not None
            }
            found = {i["name"]: i.get("dialect_options", {}) for i in seen.get_indexes(table.name)}
            kept = {name for name, options in found.items() if options}
            assert partial <= kept, "partial indexes are partial in the database too"
            if empty_home.url is None:
                assert seen.get_table_options(table.name).get("sqlite_strict") is True
    engine.dispose()


def test_the_schema_names_every_revision_that_there_is():
    config = Config()
    config.set_main_option("script_location", str(Path(node.ledger.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    assert script.get_current_head() == REVISIONS[-1]
    assert [r.revision for r in script.walk_revisions()] == list(reversed(REVISIONS))


def test_every_column_has_its_sentence():
    for table in metadata.sorted_tables:
        assert table.info["about"]
        assert all(column.doc for column in table.c), table.name


def test_an_upgrade_twice_changes_nothing(empty_home):
    assert state_of_schema(empty_home.url, empty_home.data_dir) == "empty"
    assert upgrade(empty_home.url, empty_home.data_dir) == REVISIONS[-1]
    empty_home.ledger.node_started(["receive"], "0.1.0")
    assert upgrade(empty_home.url, empty_home.data_dir) == REVISIONS[-1]
    assert state_of_schema(empty_home.url, empty_home.data_dir) == "current"
    assert len(empty_home.ledger.audit_rows(0, 10)) == 1
    empty_home.close()


def test_an_embedded_ledger_makes_its_own_tables(tmp_path):
    home = Home(None, tmp_path, SystemClock())
    home.ledger.node_started(["receive"], "0.1.0")
    assert (tmp_path / "ledger.sqlite").exists()
    home.close()


def test_postgresql_waits_for_its_owner_to_upgrade_it(postgresql, tmp_path):
    url = postgresql.database(template="template1")
    with pytest.raises(LedgerNotReadyError, match="run `radnode db upgrade`"):
        open_ledger(url, tmp_path, SystemClock())
    upgrade(url, tmp_path)
    open_ledger(url, tmp_path, SystemClock()).close()


@pytest.mark.parametrize("made_by", ["newer", "unfinished"])
def test_tables_of_another_version_are_recognised(home, made_by):
    revision = {"newer": "'9999'", "unfinished": "NULL"}[made_by]
    with home.tampering() as database:
        if made_by == "newer":
            database.sql(f"UPDATE alembic_version SET version_num = {revision}")
        else:
            database.sql("DELETE FROM alembic_version")
    expected = {"newer": "ahead", "unfinished": "empty"}[made_by]
    assert state_of_schema(home.url, home.data_dir) == expected
    if made_by == "newer":
        for door in (home.open, lambda: upgrade(home.url, home.data_dir)):
            with pytest.raises(LedgerNotReadyError, match="newer radnode"):
                door()


def test_a_database_that_does_not_answer_is_named_without_its_password(tmp_path):
    url = "postgresql+psycopg://radnode:s3cret@127.0.0.1:1/ledger"
    for door in (
        lambda: open_ledger(url, tmp_path, SystemClock()),
        lambda: upgrade(url, tmp_path),
        lambda: state_of_schema(url, tmp_path),
    ):
        with pytest.raises(LedgerNotReadyError, match=r"127\.0\.0\.1") as caught:
            door()
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["mysql://u:s3cret@h/d", "not a url s3cret", "oracle+x://s3cret"])
def test_an_address_that_cannot_be_used_is_refused_with_what_to_write_instead(tmp_path, url):
    with pytest.raises(LedgerNotReadyError, match="postgresql\\+psycopg://") as caught:
        open_ledger(url, tmp_path, SystemClock())
    assert "s3cret" not in str(caught.value)


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path):
    (tmp_path / "ledger.sqlite").write_bytes(b"this is not a database" * 100)
    with pytest.raises(LedgerNotReadyError, match=r"ledger\.sqlite"):
        open_ledger(None, tmp_path, SystemClock())


OPEN = """
import sys
from pathlib import Path
from node.clock import SystemClock
from node.ledger.opening import open_ledger
sys.stdin.readline()
ledger = open_ledger(None, Path(sys.argv[1]), SystemClock())
ledger.node_started([sys.argv[2]], "0.1.0")
"""


def test_processes_that_open_a_new_ledger_at_once_all_succeed(tmp_path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, str(tmp_path), str(number)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, errors
    home = Home(None, tmp_path, SystemClock())
    verdict = home.ledger.verify()
    assert (verdict.ok, verdict.rows) == (True, 4)
    home.close()


def test_upgrades_at_once_all_succeed(empty_home):
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: upgrade(empty_home.url, empty_home.data_dir), range(4)))
    assert done == [REVISIONS[-1]] * 4
    assert state_of_schema(empty_home.url, empty_home.data_dir) == "current"


def test_sqlite_keeps_what_was_committed_through_a_power_cut(tmp_path):
    home = Home(None, tmp_path, SystemClock())
    with home.ledger._reading() as connection:
        assert connection.scalar(text("PRAGMA synchronous")) == 2
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
    home.close()
