"""Fear: an acknowledged image is forgotten, counted twice, or replaced by another."""

import time
from dataclasses import replace

import pytest

from node.ledger.columns import listed
from node.ledger.schema import conflict, feeding, instance, series
from node.ledger.writing.receiving import _those_of
from node.rules.events import Event
from tests.ledger.making import (
    CALLER,
    SERIES,
    STUDY,
    a_job_for,
    an_instance,
    events_of,
    evidence,
    settle,
)

RECEIVED, REPEATED = Event.INSTANCE_RECEIVED, Event.INSTANCE_REPEATED
CONFLICTED = Event.INSTANCE_CONFLICTED


def test_a_new_image_gets_a_row_and_opens_its_series(home):
    one = an_instance(home)
    assert home.ledger.instances_received([one]) == [RECEIVED]
    seen = evidence(home)
    assert (seen.edition, seen.instances, seen.study_instance_uid) == (1, 1, STUDY)
    assert seen.first_received == seen.last_received == one.received_at
    assert seen.attributes == one.attributes
    assert home.ledger.instances_of(SERIES, 1) == [one]
    assert events_of(home, one.sop_instance_uid) == ["instance_received"]


def test_a_series_keeps_the_attributes_of_its_first_image(home):
    home.ledger.instances_received([an_instance(home, 1)])
    home.ledger.instances_received([an_instance(home, 2, attributes={"Modality": "CT"})])
    assert evidence(home).attributes["Modality"] == "MR"


def test_images_of_a_batch_are_counted_one_by_one(home):
    batch = [an_instance(home, 1)]
    home.clock.advance(3)
    batch += [an_instance(home, 2), an_instance(home, 3, series_instance_uid=f"{SERIES}.9")]
    assert home.ledger.instances_received(batch) == [RECEIVED] * 3
    seen = evidence(home)
    assert seen.instances == 2
    assert (seen.last_received - seen.first_received).total_seconds() == 3
    assert evidence(home, f"{SERIES}.9").instances == 1


def test_an_empty_batch_is_nothing(home):
    assert home.ledger.instances_received([]) == []
    assert home.ledger.audit_rows(0, 10) == []


def test_an_open_series_waits_on_while_its_images_are_sent_again(home):
    """A sender that was cut off begins again from the first image: not the moment to settle."""
    home.ledger.instances_received([an_instance(home)])
    before = evidence(home)
    home.clock.advance(60)
    home.ledger.association_opened("again", "ct1", CALLER)
    again = an_instance(home, spool_name="instances/ff/again.dcm", association="again")
    assert home.ledger.instances_received([again]) == [REPEATED]
    moved = replace(before, last_received=home.clock.now(), open_associations=1)
    assert evidence(home) == moved


def test_the_same_bytes_again_are_repeated_and_leave_a_settled_series_settled(home):
    home.ledger.instances_received([an_instance(home)])
    settle(home)
    again = an_instance(home, spool_name="instances/ff/again.dcm")
    assert home.ledger.instances_received([again]) == [REPEATED]
    assert home.ledger.open_series() == []
    told = [one for one in events_of(home, again.sop_instance_uid) if one.startswith("instance")]
    assert told == ["instance_received", "instance_repeated"]
    assert home.ledger.missing_from_ledger([again.spool_name]) == [again.spool_name]


def test_the_same_image_twice_in_one_batch_is_received_once(home):
    one = an_instance(home)
    twin = replace(one, spool_name="instances/ff/twin.dcm")
    other = replace(one, spool_name="instances/ff/other.dcm", sha256="f" * 64)
    outcomes = home.ledger.instances_received([one, twin, other])
    assert outcomes == [RECEIVED, REPEATED, CONFLICTED]
    assert evidence(home).instances == 1


def test_the_same_fact_told_twice_never_calls_the_only_copy_a_repeat(home):
    """The database committed and its answer got lost: the receive leg tells the batch again."""
    one = an_instance(home)
    other = replace(one, spool_name="instances/ff/other.dcm", sha256="f" * 64)
    first = home.ledger.instances_received([one, other])
    rows = len(home.ledger.audit_rows(0, 100))
    assert home.ledger.instances_received([one, other]) == first == [RECEIVED, CONFLICTED]
    assert len(home.ledger.audit_rows(0, 100)) == rows


def test_other_bytes_under_the_same_uid_are_kept_beside_the_first(home):
    one = an_instance(home)
    other = replace(one, spool_name="instances/ff/other.dcm", sha256="f" * 64)
    home.ledger.instances_received([one])
    assert home.ledger.instances_received([other]) == [CONFLICTED]
    assert home.ledger.instances_of(SERIES, 1) == [one]
    detail = home.ledger.timeline(one.sop_instance_uid)[-1]["detail"]
    assert (detail["first_sha256"], detail["sha256"]) == (one.sha256, other.sha256)
    assert (detail["first_spool_name"], detail["spool_name"]) == (
        one.spool_name,
        other.spool_name,
    )
    assert home.ledger.missing_from_ledger([one.spool_name, other.spool_name, "x"]) == ["x"]


def test_conflicting_bytes_sent_again_are_a_repeat(home):
    one = an_instance(home)
    other = replace(one, spool_name="instances/ff/other.dcm", sha256="f" * 64)
    third = replace(other, spool_name="instances/ff/third.dcm")
    home.ledger.instances_received([one, other])
    assert home.ledger.instances_received([third]) == [REPEATED]


def test_a_uid_that_turns_up_in_another_series_is_a_conflict(home):
    one = an_instance(home)
    stray = replace(
        one, series_instance_uid=f"{SERIES}.7", sha256="e" * 64, spool_name="instances/ee/e.dcm"
    )
    home.ledger.instances_received([one])
    assert home.ledger.instances_received([stray]) == [CONFLICTED]
    assert [e.series_instance_uid for e in home.ledger.open_series()] == [SERIES]
    assert home.ledger.timeline(f"{SERIES}.7")[0]["detail"]["first_series"] == SERIES


def test_a_late_image_opens_a_new_edition(home):
    home.ledger.instances_received([an_instance(home, 1)])
    settle(home)
    home.clock.advance(60)
    assert home.ledger.instances_received([an_instance(home, 2), an_instance(home, 3)]) == [
        RECEIVED,
        RECEIVED,
    ]
    seen = evidence(home)
    assert (seen.edition, seen.instances) == (2, 3)
    assert len(home.ledger.instances_of(SERIES, 1)) == 1
    assert len(home.ledger.instances_of(SERIES, 2)) == 3
    assert home.ledger.evidence_of(SERIES, 1) != home.ledger.evidence_of(SERIES, 2)
    assert events_of(home, SERIES)[-4:] == [
        "series_reopened",
        "job_superseded",
        "instance_received",
        "instance_received",
    ]


@pytest.mark.parametrize("digest", [None, "f" * 64])
def test_neither_a_repeat_nor_a_conflict_reopens_a_settled_series(home, digest):
    one = an_instance(home)
    home.ledger.instances_received([one])
    settle(home)
    again = replace(one, spool_name="instances/ff/a.dcm", sha256=digest or one.sha256)
    home.ledger.instances_received([again])
    assert home.ledger.open_series() == []


def test_bytes_that_were_let_go_and_come_again_are_kept_again(home):
    """A repeat's file is thrown away; this one is the only copy there is."""
    one = an_instance(home)
    home.ledger.instances_received([one])
    settle(home)
    home.ledger.bytes_released("instances", SERIES, [one.spool_name])
    again = replace(one, spool_name="instances/ff/again.dcm", received_at=home.clock.now())
    assert home.ledger.instances_received([again]) == [RECEIVED]
    assert [i.spool_name for i in home.ledger.instances_of(SERIES, 1)] == [again.spool_name]
    assert home.ledger.open_series() == []
    assert home.ledger.missing_from_ledger([again.spool_name]) == []


def test_whatever_a_peer_puts_into_its_titles_and_uids_can_be_written_down(home):
    """One fact that cannot be written would hold up all that come after it."""
    nasty = "A\x00\udcff" + "x" * 5000
    one = an_instance(home, 1, calling_ae=nasty, attributes={"SeriesDescription": nasty})
    odd = an_instance(home, 2, sop_instance_uid="1.2\x003", attributes={"EchoTime": float("nan")})
    caller = replace(CALLER, calling_ae=nasty)
    home.ledger.association_opened("a", "scanner", caller)
    home.ledger.association_refused(caller, "unknown")
    home.ledger.instance_refused(caller, "a", nasty, "cannot understand", nasty)
    assert home.ledger.instances_received([one, odd]) == [RECEIVED, RECEIVED]
    assert home.ledger.instances_received([odd]) == [RECEIVED]
    assert home.ledger.verify().ok


def test_an_image_that_was_refused_is_on_the_record(home):
    home.ledger.instance_refused(CALLER, "a", "1.2.3", "out of resources", "no room")
    (row,) = home.ledger.timeline("1.2.3")
    assert row["event"] == "instance_refused"
    assert row["detail"]["status"] == "out of resources"
    assert row["detail"]["reason"] == "no room"


def test_a_large_batch_is_one_transaction(home):
    """Prints what it takes; a number to look at, not a promise."""
    batches = [
        [an_instance(home, 64 * start + number, association="a") for number in range(64)]
        for start in range(8)
    ]
    home.ledger.instances_received(batches[0])
    started = time.perf_counter()
    for batch in batches[1:]:
        home.ledger.instances_received(batch)
    took = (time.perf_counter() - started) / (7 * 64)
    print(f"{home.ledger._engine.dialect.name}: {took * 1000:.3f} ms per row in batches of 64")
    assert evidence(home).instances == 512
    assert home.ledger.verify().rows == 512


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        (instance, ("sop_instance_uid",)),
        (conflict, ("sop_instance_uid",)),
        (series, ("series_instance_uid",)),
        (feeding, ("series_instance_uid", "association")),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_what_a_batch_could_meet_is_looked_up_in_an_index(home, table, columns):
    """A look through the whole table would take longer with every image that was ever kept."""
    with home.ledger._engine.connect() as connection:
        dialect = connection.dialect
        if dialect.name == "sqlite":
            explain = "EXPLAIN QUERY PLAN "
        else:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # it is empty, and short
            explain = "EXPLAIN "
        query = _those_of(table, columns, dialect.name).compile(dialect=dialect)
        given = query.construct_params({name: listed(["1.2"], dialect.name) for name in columns})
        values = tuple(given[name] for name in query.positiontup) if query.positional else given
        plan = [str(row) for row in connection.exec_driver_sql(explain + str(query), values)]
    found = [line for line in plan if f" {table.name} " in line]
    assert found
    assert not any("SCAN " + table.name in line or "Seq Scan" in line for line in found), plan


def test_the_evidence_counts_the_associations_that_fed_the_series(home):
    ledger = home.ledger
    for name in ("a", "b", "c", "idle"):
        ledger.association_opened(name, "scanner", CALLER)
    batch = [an_instance(home, n, association=name) for n, name in enumerate("abc")]
    ledger.instances_received([*batch, an_instance(home, 9, association="a")])
    assert (evidence(home).open_associations, evidence(home).last_closed) == (3, None)
    home.clock.advance(1)
    ledger.association_closed("a", "aborted", 2)
    assert (evidence(home).open_associations, evidence(home).aborted) == (2, True)
    home.clock.advance(1)
    ledger.association_closed("b", "released", 1)
    seen = evidence(home)
    assert (seen.open_associations, seen.aborted) == (1, False)
    assert seen.last_closed == home.clock.now()
    home.clock.advance(1)
    assert ledger.associations_lost() == 2
    seen = evidence(home)
    assert (seen.open_associations, seen.aborted) == (0, True)
    assert ledger.associations_lost() == 0


def test_an_association_is_opened_and_closed_once_however_often_it_is_told(home):
    ledger = home.ledger
    for _ in range(2):
        ledger.association_opened("a", "scanner", CALLER)
    for outcome in ("released", "lost"):
        ledger.association_closed("a", outcome, 3)
    ledger.association_closed("never opened", "released", 0)
    assert events_of(home, "a") == ["association_opened", "association_closed"]
    assert ledger.timeline("a")[1]["detail"] == {"outcome": "released", "instances": 3}
    with pytest.raises(ValueError, match="released or aborted or lost"):
        ledger.association_closed("a", "vanished", 3)


def test_a_settling_that_an_image_overtook_writes_nothing(home):
    home.ledger.instances_received([an_instance(home, 1)])
    seen = evidence(home)
    job = a_job_for(home, seen)
    home.ledger.instances_received([an_instance(home, 2)])
    assert not home.ledger.series_settled(seen, "quiet", [], job)
    assert evidence(home).instances == 2
    assert home.ledger.claim_job("w", 30) is None
    assert "series_settled" not in events_of(home, SERIES)
