"""Fear: a person asks what became of a study, and the ledger cannot say."""

import json
from datetime import timedelta

import pytest

from tests.ledger.making import (
    CALLER,
    SERIES,
    STUDY,
    a_finished_job,
    a_waiting_job,
    an_instance,
    events_of,
    results_of,
)


def finish(home):
    """One series from association to PACS; gives the job and its deliveries."""
    job = a_finished_job(home)
    sent = home.ledger.claim_deliveries("pacs", "s", 60, 10)
    for one in sent:
        home.ledger.delivery_accepted(one.delivery_id, "success")
    return job, sent


def test_the_timeline_of_a_study_tells_the_whole_journey_in_order(home):
    job, _ = finish(home)
    whole = events_of(home, STUDY)
    assert whole == [
        "instance_received",
        "series_settled",
        "job_created",
        "job_claimed",
        "job_finished",
        "delivery_queued",
        "delivery_queued",
        "delivery_started",
        "delivery_started",
        "delivery_accepted",
        "delivery_accepted",
    ]
    assert events_of(home, job.series_instance_uid) == whole
    assert events_of(home, job.job_id) == whole[2:]


def test_the_timeline_of_a_result_begins_with_its_job(home):
    job, _ = finish(home)
    seg = results_of(job)[0]
    story = [
        "job_created",
        "job_claimed",
        "job_finished",
        "delivery_queued",
        "delivery_started",
        "delivery_accepted",
    ]
    assert events_of(home, seg.sop_instance_uid) == story
    assert events_of(home, seg.series_instance_uid) == story


def test_the_timeline_of_what_nobody_knows_is_empty(home):
    assert home.ledger.timeline("1.2.3.4.5") == []
    assert home.ledger.find("1.2.3.4.5").kind == ""


def test_every_name_is_found_for_what_it_is(home):
    home.ledger.association_opened("a", "scanner", CALLER)
    job, sent = finish(home)
    seg = results_of(job)[0]
    for name, kind in (
        (STUDY, "study"),
        (job.series_instance_uid, "series"),
        (f"{SERIES}.1000", "instance"),
        (job.job_id, "job"),
        (seg.sop_instance_uid, "result"),
        (seg.series_instance_uid, "result"),
        (sent[0].delivery_id, "delivery"),
        ("a", "association"),
    ):
        assert home.ledger.find(name).kind == kind, name
    found = home.ledger.find(STUDY)
    assert (len(found.jobs), len(found.results), len(found.deliveries)) == (1, 3, 2)
    assert home.ledger.find(sent[0].delivery_id).results == (sent[0].result.sop_instance_uid,)


def test_a_conflicting_image_of_an_unknown_series_is_found(home):
    one = an_instance(home)
    stray = an_instance(
        home, series_instance_uid=f"{SERIES}.7", sha256="e" * 64, spool_name="instances/e.dcm"
    )
    home.ledger.instances_received([one, stray])
    assert home.ledger.find(one.sop_instance_uid).kind == "instance"
    assert events_of(home, f"{SERIES}.7") == ["instance_conflicted"]


@pytest.mark.parametrize("by", ["study", "series", "job"])
def test_a_person_puts_back_everything_that_failed_under_a_name(home, by):
    job = a_waiting_job(home)
    home.ledger.claim_job("w", 30)
    home.ledger.job_failed(job.job_id, "w", "the model crashed", "")
    name = {"study": STUDY, "series": job.series_instance_uid, "job": job.job_id}[by]
    assert home.ledger.retry(name, by="a person") == [f"job {job.job_id}"]
    assert home.ledger.retry(name, by="a person") == []
    assert home.ledger.claim_job("w", 30).attempts == 1, "all attempts are before it again"
    assert home.ledger.timeline(job.job_id)[-2]["detail"] == {"by": "a person"}


def test_a_person_puts_back_one_delivery_of_one_result(home):
    job = a_finished_job(home, send_to=("pacs", "archive"))
    failed = {}
    for destination in ("pacs", "archive"):
        for one in home.ledger.claim_deliveries(destination, "s", 60, 10):
            home.ledger.delivery_failed(one.delivery_id, "refused")
            failed[one.result.kind, destination] = one.delivery_id
    seg = results_of(job)[0]
    assert home.ledger.retry(failed["SR", "pacs"], "me") == [f"delivery {failed['SR', 'pacs']}"]
    assert sorted(home.ledger.retry(seg.sop_instance_uid, "me")) == sorted(
        f"delivery {failed['SEG', d]}" for d in ("pacs", "archive")
    )
    assert home.ledger.retry("1.2.3", "me") == []


def test_the_overview_counts_everything_by_state(home):
    quiet = home.ledger.status()
    assert quiet["jobs"] == {
        "held": 0,
        "waiting": 0,
        "running": 0,
        "done": 0,
        "refused": 0,
        "failed": 0,
        "superseded": 0,
    }
    assert quiet["oldest_waiting_job"] is None
    home.ledger.association_opened("a", "scanner", CALLER)
    a_waiting_job(home)
    since = home.clock.now()
    home.clock.advance(10)
    home.ledger.instances_received([an_instance(home)])
    busy = home.ledger.status()
    assert busy["series"] == {"open": 1, "settled": 1}
    assert busy["jobs"]["waiting"] == 1
    assert busy["open_associations"] == 1
    assert busy["open_series"] == [SERIES]
    assert busy["oldest_waiting_job"] == since
    assert busy["last_instance_received"] == home.clock.now()
    json.dumps(busy, default=str)


def test_the_audit_trail_is_read_in_pages_and_from_its_end(home):
    for _ in range(5):
        home.ledger.node_started(["receive"], "0.1.0")
    assert [row["seq"] for row in home.ledger.audit_rows(2, 2)] == [3, 4]
    assert [row["seq"] for row in home.ledger.last_audit_rows(2)] == [4, 5]
    row = home.ledger.audit_rows(0, 1)[0]
    assert row["at"] == home.clock.now()
    assert row["detail"] == {"legs": ["receive"], "version": "0.1.0"}


def test_files_go_only_when_everything_about_their_series_is_final(home):
    job = a_waiting_job(home)
    image = f"instances/ab/{1000:032x}.dcm"
    everything = [(job.series_instance_uid, [image])]

    def may_go():
        return home.ledger.releasable("instances", home.clock.now() + timedelta(seconds=1))

    assert may_go() == [], "its job waits"
    home.ledger.claim_job("worker", 30)
    assert may_go() == [], "its job runs"
    home.ledger.job_finished(job.job_id, "worker", results_of(job), ["pacs"], {})
    assert may_go() == [], "its results are owed"
    sent = home.ledger.claim_deliveries("pacs", "s", 60, 10)
    assert may_go() == [], "its results are being sent"
    home.ledger.delivery_accepted(sent[0].delivery_id, "success")
    home.ledger.delivery_failed(sent[1].delivery_id, "refused")
    assert may_go() == everything
    assert home.ledger.releasable("instances", home.clock.now()) == [], "not old enough"
    home.ledger.bytes_released("instances", job.series_instance_uid, [image])
    assert may_go() == []
    assert home.ledger.timeline(STUDY)[-1]["detail"] == {"kind": "instances", "files": 1}
    assert len(home.ledger.instances_of(job.series_instance_uid, 1)) == 1, "the fact stays"


def test_the_files_of_an_open_series_stay(home):
    home.ledger.instances_received([an_instance(home)])
    home.clock.advance(10_000)
    assert home.ledger.releasable("instances", home.clock.now()) == []


def test_results_and_contradictions_go_too(home):
    job, _ = finish(home)
    other = an_instance(
        home,
        1000,
        series_instance_uid=job.series_instance_uid,
        sha256="f" * 64,
        spool_name="instances/ff/other.dcm",
    )
    home.ledger.instances_received([other])
    soon = home.clock.now() + timedelta(seconds=1)
    (of_series, names) = home.ledger.releasable("results", soon)[0]
    assert of_series == job.series_instance_uid
    assert names == sorted(one.spool_name for one in results_of(job))
    ((_, images),) = home.ledger.releasable("instances", soon)
    assert other.spool_name in images
    home.ledger.bytes_released("results", of_series, names)
    home.ledger.bytes_released("instances", of_series, images)
    assert (
        home.ledger.releasable("results", soon) == home.ledger.releasable("instances", soon) == []
    )
    with pytest.raises(ValueError, match="instances or results"):
        home.ledger.bytes_released("everything", of_series, names)
    with pytest.raises(ValueError, match="instances or results"):
        home.ledger.releasable("everything", soon)


def test_thousands_of_names_are_looked_up_at_once(home):
    home.ledger.instances_received([an_instance(home, 7)])
    names = [f"instances/ab/{number:032x}.dcm" for number in range(1500)]
    missing = home.ledger.missing_from_ledger(iter(names))
    assert missing == names[:7] + names[8:]
