"""Fear: somebody changes what the audit trail says, and nobody notices."""

import pytest
from sqlalchemy.exc import DBAPIError

from node.ledger.chain import FIRST_HASH, digest
from tests.ledger.making import a_finished_job


@pytest.fixture
def written(home):
    """Some rows of many kinds, and nothing wrong with them."""
    a_finished_job(home)
    assert home.ledger.verify().ok
    return home


def test_the_hash_of_a_row_is_made_as_it_always_was():
    """Trails that were written years ago must still be found whole."""
    detail = '{"association":"a","edition":1,"size":524288}'
    subject = 'instance "1.2.3" \u00c4\ufffd'
    fields = (7, "2026-03-04T23:30:15.000012+00:00", "instance_received", subject)
    row = (*fields, "1.2", "1.2.3", None, None, None, detail, FIRST_HASH)
    assert digest(row) == "01a09aef9712dfa75857711745ab0ed2d70ebfc2a079de9e9605d1f5bd046ada"


def test_an_empty_chain_is_whole(home):
    verdict = home.ledger.verify()
    assert (verdict.ok, verdict.rows, verdict.head_hash) == (True, 0, FIRST_HASH)


def test_a_whole_chain_says_how_long_it_is_and_how_it_ends(written):
    rows = written.ledger.audit_rows(0, 1000)
    verdict = written.ledger.verify()
    assert (verdict.ok, verdict.rows) == (True, len(rows))
    assert verdict.head_hash == rows[-1]["hash"]
    assert rows[0]["previous_hash"] == FIRST_HASH
    assert [r["previous_hash"] for r in rows[1:]] == [r["hash"] for r in rows[:-1]]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET detail = '{}' WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 2",
        "DELETE FROM audit",
    ],
)
def test_the_database_itself_refuses_to_change_the_trail(written, statement):
    with pytest.raises(DBAPIError, match="append-only"), written.tampering() as database:
        database.sql(statement)
    assert written.ledger.verify().ok


def test_the_database_itself_refuses_to_empty_or_replace_rows_of_the_trail(written):
    row = "(2, 'x', 'x', 'x', '{}', 'x', 'x')"
    columns = "(seq, at, event, subject, detail, previous_hash, hash)"
    embedded = f"INSERT OR REPLACE INTO audit {columns} VALUES {row}"
    statement = embedded if written.url is None else "TRUNCATE audit"
    with pytest.raises(DBAPIError, match="append-only"), written.tampering() as database:
        database.sql(statement)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("event", "job_failed"),
        ("subject", "series 1.2.3"),
        ("study_uid", None),
        ("series_uid", "1.2.3"),
        ("sop_uid", "1.2.3"),
        ("job_id", "another"),
        ("delivery_id", "another"),
        ("detail", "{}"),
        ("hash", "0" * 64),
    ],
)
def test_an_altered_field_shows(written, column, value):
    with written.tampering() as database:
        database.drop_triggers()
        database.sql(f"UPDATE audit SET {column} = :value WHERE seq = 3", value=value)
    verdict = written.ledger.verify()
    assert (verdict.ok, verdict.first_broken_seq) == (False, 3)
    assert "altered" in verdict.why


def test_an_altered_moment_shows(written):
    later = (
        "'2020-01-01T00:00:00.000000+00:00'"
        if written.url is None
        else "at + interval '1 microsecond'"
    )
    with written.tampering() as database:
        database.drop_triggers()
        database.sql(f"UPDATE audit SET at = {later} WHERE seq = 1")
    assert written.ledger.verify().first_broken_seq == 1


def test_a_moment_that_is_none_any_more_shows_instead_of_failing(written):
    nonsense = "'long ago'" if written.url is None else "'infinity'"
    with written.tampering() as database:
        database.drop_triggers()
        database.sql(f"UPDATE audit SET at = {nonsense} WHERE seq = 2")
    assert written.ledger.verify().first_broken_seq == 2


@pytest.mark.parametrize("seq", [1, 3])
def test_a_removed_row_shows(written, seq):
    with written.tampering() as database:
        database.drop_triggers()
        database.sql("DELETE FROM audit WHERE seq = :seq", seq=seq)
    verdict = written.ledger.verify()
    assert (verdict.ok, verdict.first_broken_seq) == (False, seq)
    assert verdict.why == f"row {seq} is missing"


def test_rows_that_changed_places_show(written):
    with written.tampering() as database:
        database.drop_triggers()
        for old, new in ((2, 1000), (3, 2), (1000, 3)):
            database.sql("UPDATE audit SET seq = :new WHERE seq = :old", old=old, new=new)
    assert written.ledger.verify().first_broken_seq == 2


def test_a_forged_row_with_a_hash_of_its_own_breaks_at_the_next_one(written):
    row = dict(written.ledger.audit_rows(2, 1)[0])
    with written.tampering() as database:
        raw = dict(database.sql("SELECT * FROM audit WHERE seq = 3").mappings().one())
        at = row["at"].isoformat(timespec="microseconds")
        fields = {**raw, "at": at, "detail": "{}"}
        fields.pop("hash")
        forged = digest(fields.values())
        database.drop_triggers()
        database.sql("UPDATE audit SET detail = '{}', hash = :h WHERE seq = 3", h=forged)
    verdict = written.ledger.verify()
    assert (verdict.ok, verdict.first_broken_seq) == (False, 4)
    assert "does not continue" in verdict.why


def test_rows_cut_off_at_the_end_show_against_a_hash_written_down_before(written):
    before = written.ledger.verify()
    with written.tampering() as database:
        database.drop_triggers()
        database.sql("DELETE FROM audit WHERE seq = :last", last=before.rows)
    after = written.ledger.verify()
    assert after.ok
    assert after.head_hash != before.head_hash
