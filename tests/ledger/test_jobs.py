"""Fear: a job is lost, run twice at once, or its end is written by somebody who lost it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from node.ledger.opening import LeaseLostError, ResultChangedError
from node.rules.states import ForbiddenTransitionError
from tests.ledger.making import (
    a_finished_job,
    a_waiting_job,
    an_instance,
    events_of,
    results_of,
    settle,
)


def test_jobs_are_claimed_oldest_first_and_once(home):
    made = []
    for number in (3, 1, 2):
        made.append(a_waiting_job(home, number).job_id)
        home.clock.advance(1)
    claimed = [home.ledger.claim_job("w", 30) for _ in range(4)]
    assert [job.job_id for job in claimed[:3]] == made
    assert claimed[3] is None


def test_a_worker_claims_only_the_models_it_has(home):
    home.ledger.instances_received([an_instance(home)])
    settle(home, model="lung")
    assert home.ledger.claim_job("w", 30, ["brain_mask"]) is None
    assert home.ledger.claim_job("w", 30, []) is None
    assert home.ledger.claim_job("w", 30, ["brain_mask", "lung"]).model == "lung"


def test_a_lease_lapses_unless_it_is_extended(home):
    job = a_waiting_job(home)
    home.ledger.claim_job("w", 30)
    home.clock.advance(29)
    assert home.ledger.extend_lease(job.job_id, "w", 30)
    home.clock.advance(29)
    assert home.ledger.jobs_lapsed() == []
    home.clock.advance(1)
    assert home.ledger.jobs_lapsed() == [job.job_id]
    assert home.ledger.jobs_lapsed() == []
    assert not home.ledger.extend_lease(job.job_id, "w", 30)
    assert home.ledger.claim_job("other", 30).attempts == 2
    assert not home.ledger.extend_lease(job.job_id, "w", 30)
    assert events_of(home, job.job_id) == [
        "job_created",
        "job_claimed",
        "job_lapsed",
        "job_claimed",
    ]


def test_a_worker_that_lost_its_lease_can_end_nothing(home):
    job = a_waiting_job(home)
    home.ledger.claim_job("w", 30)
    home.clock.advance(31)
    home.ledger.jobs_lapsed()
    home.ledger.claim_job("other", 30)
    soon = home.clock.now()
    before = len(home.ledger.audit_rows(0, 1000))
    for word in (
        lambda: home.ledger.job_finished(job.job_id, "w", results_of(job), ["pacs"], {}),
        lambda: home.ledger.job_refused(job.job_id, "w", "too few slices", ""),
        lambda: home.ledger.job_failed(job.job_id, "w", "out of memory", ""),
        lambda: home.ledger.job_retried(job.job_id, "w", "it crashed", soon),
        lambda: home.ledger.job_failed("no such job", "w", "out of memory", ""),
    ):
        with pytest.raises(LeaseLostError):
            word()
    assert home.ledger.results_of(job.job_id) == []
    assert len(home.ledger.audit_rows(0, 1000)) == before


def test_a_job_put_off_waits_for_its_time(home):
    job = a_waiting_job(home)
    home.ledger.claim_job("w", 30)
    home.ledger.job_retried(
        job.job_id, "w", "the model crashed", home.clock.now() + timedelta(seconds=4)
    )
    assert home.ledger.claim_job("w", 30) is None
    home.clock.advance(4)
    assert home.ledger.claim_job("w", 30).attempts == 2


@pytest.mark.parametrize("end", ["job_refused", "job_failed"])
def test_a_job_that_ended_badly_says_why_and_a_person_may_retry_it(home, end):
    job = a_waiting_job(home)
    home.ledger.claim_job("w", 30)
    getattr(home.ledger, end)(job.job_id, "w", "only 3 slices", "send the whole series")
    (failure,) = home.ledger.status()["failures"]
    assert failure["reason"] == "only 3 slices"
    assert failure["advice"] == "send the whole series"
    assert home.ledger.claim_job("w", 30) is None
    home.ledger.job_retried(job.job_id, None, "a person asked", home.clock.now())
    assert home.ledger.claim_job("w", 30).attempts == 2


def test_results_and_what_is_owed_come_with_the_end_of_the_job(home):
    job = a_waiting_job(home)
    home.ledger.claim_job("w", 30)
    made = results_of(job)
    home.ledger.job_finished(job.job_id, "w", made, ["pacs", "archive"], {"volume_ml": 12.5})
    assert sorted(r.kind for r in home.ledger.results_of(job.job_id)) == ["PREVIEW", "SEG", "SR"]
    assert set(home.ledger.results_of(job.job_id)) == set(made)
    assert home.ledger.destinations_waiting() == {"pacs": 2, "archive": 2}
    assert home.ledger.status()["jobs"]["done"] == 1
    told = home.ledger.timeline(job.job_id)
    assert [row["event"] for row in told[-5:]] == ["job_finished"] + ["delivery_queued"] * 4
    assert told[-5]["detail"]["findings"] == {"volume_ml": 12.5}
    assert all(home.ledger.is_own_result(r.sop_instance_uid) for r in made)
    assert not home.ledger.is_own_result("1.2.3")


def test_a_result_with_other_bytes_under_the_same_uid_is_never_taken(home):
    job = a_finished_job(home)
    other = a_waiting_job(home, 2)
    home.ledger.claim_job("w", 30)
    changed = [replace(one, sha256="f" * 64) for one in results_of(job)]
    with pytest.raises(ResultChangedError, match=changed[0].sop_instance_uid):
        home.ledger.job_finished(other.job_id, "w", changed, ["pacs"], {})
    assert home.ledger.extend_lease(other.job_id, "w", 30), "nothing of it was written"
    assert home.ledger.status()["jobs"]["running"] == 1


def test_the_same_result_again_is_owed_once(home):
    job = a_finished_job(home)
    other = a_waiting_job(home, 2)
    home.ledger.claim_job("w", 30)
    home.ledger.job_finished(other.job_id, "w", results_of(job), ["pacs"], {})
    assert home.ledger.destinations_waiting() == {"pacs": 2}


def test_a_new_edition_knows_what_the_model_made_of_the_one_before(home):
    home.ledger.instances_received([an_instance(home, 1)])
    first = settle(home)
    home.ledger.claim_job("w", 30)
    home.ledger.job_finished(first.job_id, "w", results_of(first), ["pacs"], {})
    home.ledger.instances_received([an_instance(home, 2)])
    second = settle(home)
    series = second.series_instance_uid
    assert set(home.ledger.previous_results(series, 2, "brain_mask")) == set(results_of(first))
    assert home.ledger.previous_results(series, 1, "brain_mask") == []
    assert home.ledger.previous_results(series, 2, "lung") == []


def test_results_of_an_earlier_edition_are_superseded_when_there_are_new_ones(home):
    home.ledger.instances_received([an_instance(home, 1)])
    first = settle(home)
    home.ledger.claim_job("w", 30)
    home.ledger.job_finished(first.job_id, "w", results_of(first), ["pacs"], {})
    home.ledger.instances_received([an_instance(home, 2)])
    second = settle(home)
    home.ledger.claim_job("w", 30)
    assert "results_superseded" not in events_of(home, first.job_id)
    made = [replace(one, sop_instance_uid=f"{one.sop_instance_uid}.2") for one in results_of(first)]
    home.ledger.job_finished(second.job_id, "w", made, ["pacs"], {})
    (told,) = [r for r in home.ledger.timeline(first.job_id) if r["event"] == "results_superseded"]
    assert told["detail"]["by"] == second.job_id
    assert {one["sop"] for one in told["detail"]["results"]} == {
        one.sop_instance_uid for one in results_of(first) if one.kind != "PREVIEW"
    }


def test_nobody_ends_or_retries_what_is_not_running(home):
    job = a_finished_job(home)
    now = home.clock.now()
    with pytest.raises(LeaseLostError):
        home.ledger.job_failed(job.job_id, "worker", "out of memory", "")
    with pytest.raises(ForbiddenTransitionError, match="done"):
        home.ledger.job_retried(job.job_id, None, "again", now)
    waiting = a_waiting_job(home, 2)
    with pytest.raises(ForbiddenTransitionError, match="waiting"):
        home.ledger.job_retried(waiting.job_id, None, "again", now)
    home.ledger.claim_job("w", 30)
    with pytest.raises(ForbiddenTransitionError, match="running"):
        home.ledger.job_retried(waiting.job_id, None, "again", now)
    with pytest.raises(ForbiddenTransitionError, match="unknown"):
        home.ledger.job_retried("no such job", None, "again", now)


def test_a_clock_that_is_set_back_holds_no_new_job_and_none_for_longer_than_a_pause(home):
    job = a_waiting_job(home)
    home.clock.set_back(3600)
    assert home.ledger.claim_job("w", 30) is not None
    home.ledger.job_retried(job.job_id, "w", "it crashed", home.clock.now() + timedelta(seconds=60))
    assert home.ledger.claim_job("w", 30, longest_pause=60) is None
    home.clock.set_back(3600)
    assert home.ledger.claim_job("w", 30, longest_pause=60).attempts == 2


def test_a_worker_that_lives_keeps_its_job_when_the_clock_is_set_forwards(home):
    job = a_waiting_job(home)
    home.ledger.claim_job("alive", 30)
    home.clock.set_back(-3600)
    assert home.ledger.jobs_lapsed(lambda worker: worker == "alive") == []
    assert home.ledger.extend_lease(job.job_id, "alive", 30)
    home.clock.set_back(-3600)
    assert home.ledger.jobs_lapsed(lambda worker: worker == "another") == [job.job_id]
