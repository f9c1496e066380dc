"""Results that a destination need not have, and what is kept of jobs that came to nothing."""

from dataclasses import replace

import pytest

from node.rules.states import ForbiddenTransitionError
from tests.ledger.making import a_finished_job, a_waiting_job, events_of, results_of


def a_notice(job, reason="only 3 slices"):
    like = results_of(job)[1]
    return replace(like, kind="NOT_RUN", sop_instance_uid=f"2.25.{len(reason)}", sha256=reason)


def test_a_declined_delivery_is_final_and_no_failure(home):
    job = a_finished_job(home)
    first, second = home.ledger.claim_deliveries("pacs", "sender", 60, 10)
    home.ledger.delivery_declined(first.delivery_id, "pacs does not take it")
    home.ledger.delivery_accepted(second.delivery_id, "success")
    status = home.ledger.status()
    assert (status["deliveries"]["declined"], status["failures"]) == (1, [])
    assert events_of(home, first.delivery_id)[-1] == "delivery_declined"
    home.clock.advance(1e6)
    assert home.ledger.deliveries_lapsed() == []
    kept = home.ledger.releasable("results", home.clock.now())
    assert {len(names) for _, names in kept} == {3}
    assert home.ledger.retry(job.job_id, "a person") == []


def test_only_what_is_being_sent_can_be_declined(home):
    a_finished_job(home)
    (one, _) = home.ledger.claim_deliveries("pacs", "sender", 60, 10)
    home.ledger.delivery_accepted(one.delivery_id, "success")
    with pytest.raises(ForbiddenTransitionError):
        home.ledger.delivery_declined(one.delivery_id, "too late")


@pytest.mark.parametrize("end", ["job_refused", "job_failed"])
def test_a_notice_is_owed_with_the_end_of_the_job(home, end):
    job = a_waiting_job(home)
    home.ledger.claim_job("w", 30)
    notice = a_notice(job)
    getattr(home.ledger, end)(job.job_id, "w", "only 3 slices", "send them", [notice])
    assert home.ledger.results_of(job.job_id) == [notice]
    for destination in job.send_to:
        (owed,) = home.ledger.claim_deliveries(destination, "sender", 60, 10)
        assert owed.result == notice


def test_withheld_results_are_kept_on_record_and_owed_to_nobody(home):
    job = a_waiting_job(home)
    home.ledger.claim_job("w", 30)
    aside = [replace(one, withheld=True) for one in results_of(job)[:2]]
    home.ledger.job_failed(job.job_id, "w", "1 mm off", "report it", [*aside, a_notice(job)])
    assert set(home.ledger.results_of(job.job_id)) == {*aside, a_notice(job)}
    assert len(home.ledger.claim_deliveries("pacs", "sender", 60, 10)) == 1
    assert "results_withheld" in events_of(home, job.job_id)
    status = home.ledger.status()
    assert status["withheld_results"] == 2
    assert status["failures"][0]["what"] == "job failed, results withheld: a failure of ours"
    withheld = [r for r in home.ledger.timeline(job.job_id) if r["event"] == "results_withheld"]
    assert [one["sop"] for one in withheld[0]["detail"]["results"]] == [
        one.sop_instance_uid for one in aside
    ]


def test_a_later_try_may_make_good_what_was_withheld(home):
    job = a_waiting_job(home)
    home.ledger.claim_job("w", 30)
    made = results_of(job)
    wrong = [replace(one, withheld=True, sha256="wrong") for one in made[:2]]
    home.ledger.job_failed(job.job_id, "w", "1 mm off", "report it", wrong)
    home.ledger.retry(job.job_id, "a person")
    home.ledger.claim_job("w", 30)
    home.ledger.job_finished(job.job_id, "w", made, ["pacs"], {})
    assert set(home.ledger.results_of(job.job_id)) == set(made)
    assert len(home.ledger.claim_deliveries("pacs", "sender", 60, 10)) == 2


def test_what_a_result_is_for_comes_back_as_it_was_written(home):
    job = a_waiting_job(home)
    home.ledger.claim_job("w", 30)
    made = results_of(job)
    made[0] = replace(made[0], kind="LABELMAP", optional=True)
    made[1] = replace(made[1], kind="ENHANCED_SR", instead_of="1.2.840.10008.5.1.4.1.1.88.34")
    home.ledger.job_finished(job.job_id, "w", made, ["pacs"], {})
    assert set(home.ledger.results_of(job.job_id)) == set(made)
    claimed = home.ledger.claim_deliveries("pacs", "sender", 60, 10)
    assert {one.result for one in claimed} == set(made[:2])
