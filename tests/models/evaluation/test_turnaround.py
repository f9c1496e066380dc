"""Times out of a real audit trail: medians of each step, and never called reading time."""

from datetime import timedelta

import pytest

from models.evaluation.compliance import audit_of
from models.evaluation.turnaround import (
    UnreadableLedgerError,
    audit_rows,
    open_to_read,
    turnaround,
)
from node.ledger.opening import upgrade
from tests.fakes.clock import FakeClock
from tests.ledger.making import SERIES, Home, an_instance, results_of, settle


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Three series that took 10, 20 and 60 s to settle, 5 s to finish and 2 s to be delivered."""
    home = Home(None, tmp_path_factory.mktemp("ledger"), FakeClock())
    for number, seconds in enumerate((10, 20, 60), start=1):
        series = f"{SERIES}.{number}00"
        one = an_instance(home, number * 1000, series_instance_uid=series)
        home.ledger.instances_received([one])
        home.clock.advance(seconds)
        job = settle(home, series)
        home.ledger.claim_job("worker", 30)
        home.clock.advance(5)
        home.ledger.job_finished(job.job_id, "worker", results_of(job)[:1], ("pacs",), {})
        home.clock.advance(2)
        deliver(home)
    yield home
    home.close()


def deliver(home):
    for one in home.ledger.claim_deliveries("pacs", "sender", 30, 1):
        home.ledger.delivery_accepted(one.delivery_id, "0000 success")


def test_medians_are_those_of_the_steps(home):
    found = turnaround(audit_rows(home.ledger), "brain_mask")
    assert found["received_to_settled"]["median_s"] == 20
    assert found["received_to_settled"]["quartiles_s"] == [15, 40]
    assert found["settled_to_finished"]["median_s"] == 5
    assert found["finished_to_delivered"]["median_s"] == 2
    assert found["received_to_delivered"]["median_s"] == 27
    assert found["series"] == 3
    assert "not reading time" in found["note"]


def test_another_model_has_none(home):
    assert "absent" in turnaround(audit_rows(home.ledger), "another")


def test_a_ledger_is_read_where_it_lies(home):
    ledger = open_to_read(str(home.data_dir / "ledger.sqlite"))
    try:
        assert audit_of(ledger).ok
    finally:
        ledger.close()


def test_none_is_made_where_there_is_none(tmp_path):
    with pytest.raises(UnreadableLedgerError, match="no ledger"):
        open_to_read(str(tmp_path / "ledger.sqlite"))
    assert not (tmp_path / "ledger.sqlite").exists()


def test_another_database_is_no_ledger(tmp_path):
    (tmp_path / "ledger.sqlite").write_bytes(b"")
    with pytest.raises(UnreadableLedgerError, match="empty"):
        open_to_read(str(tmp_path / "ledger.sqlite"))


def test_an_altered_row_breaks_the_chain(tmp_path):
    upgrade(None, tmp_path)
    home = Home(None, tmp_path, FakeClock())
    home.ledger.instances_received([an_instance(home)])
    assert audit_of(home.ledger).ok
    with home.tampering() as hand:
        hand.drop_triggers()
        hand.sql("UPDATE audit SET subject = 'another' WHERE seq = 1")
    assert not audit_of(home.ledger).ok
    home.close()


def test_a_clock_that_went_back_gives_no_time_below_nothing(home):
    rows = [dict(row) for row in audit_rows(home.ledger)]
    for row in rows:
        if row["event"] == "series_settled":
            row["at"] -= timedelta(hours=1)
    found = turnaround(iter(rows), "brain_mask")
    assert "absent" in found["received_to_settled"]
    assert found["received_to_delivered"]["median_s"] == 27
