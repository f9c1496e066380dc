"""Fear: a result never reaches the PACS, or the PACS is said to have what it has not."""

from datetime import timedelta

import pytest

from node.rules.states import ForbiddenTransitionError
from tests.ledger.making import a_finished_job, events_of, results_of


def claim(home, destination="pacs", worker="sender", limit=10):
    return home.ledger.claim_deliveries(destination, worker, 60, limit)


def test_what_is_due_is_claimed_once_with_its_result(home):
    job = a_finished_job(home, send_to=("pacs", "archive", "pacs"))
    first, second = claim(home)
    sendable = {r.sop_instance_uid: r for r in results_of(job) if r.kind != "PREVIEW"}
    assert {first.result.sop_instance_uid, second.result.sop_instance_uid} == set(sendable)
    assert first.result == sendable[first.result.sop_instance_uid]
    assert (first.attempts, first.destination, first.job_id) == (1, "pacs", job.job_id)
    assert first.queued_at == home.clock.now()
    assert claim(home) == []
    assert home.ledger.destinations_waiting() == {"archive": 2}


def test_no_more_are_claimed_than_asked_for(home):
    a_finished_job(home)
    assert len(claim(home, limit=1)) == 1
    assert home.ledger.destinations_waiting() == {"pacs": 1}


def test_an_accepted_delivery_is_final_until_a_commitment(home):
    a_finished_job(home)
    one, _ = claim(home)
    home.ledger.delivery_accepted(one.delivery_id, "0000 success")
    assert home.ledger.status()["deliveries"]["accepted"] == 1
    assert events_of(home, one.delivery_id) == [
        "delivery_queued",
        "delivery_started",
        "delivery_accepted",
    ]
    home.clock.advance(3600)
    assert one.delivery_id not in home.ledger.deliveries_lapsed()


def test_a_delivery_put_off_waits_for_its_time(home):
    a_finished_job(home)
    one, _ = claim(home)
    later = home.clock.now() + timedelta(seconds=5)
    home.ledger.delivery_retried(one.delivery_id, "no answer", later)
    assert claim(home) == []
    home.clock.advance(5)
    (again,) = claim(home)
    assert (again.delivery_id, again.attempts, again.queued_at) == (
        one.delivery_id,
        2,
        one.queued_at,
    )


def test_a_delivery_that_failed_says_why_and_a_person_may_retry_it(home):
    job = a_finished_job(home)
    one, two = claim(home)
    home.ledger.delivery_accepted(two.delivery_id, "success")
    home.ledger.delivery_failed(one.delivery_id, "SOP class not supported")
    (failure,) = home.ledger.status()["failures"]
    assert (failure["reason"], failure["destination"]) == ("SOP class not supported", "pacs")
    home.clock.advance(100)
    assert home.ledger.retry(job.study_instance_uid, "a person") == [f"delivery {one.delivery_id}"]
    (again,) = claim(home)
    assert (again.attempts, again.queued_at) == (1, home.clock.now())


def test_what_a_dead_sender_held_is_sent_again(home):
    a_finished_job(home)
    held = sorted(one.delivery_id for one in claim(home))
    home.clock.advance(59)
    assert home.ledger.deliveries_lapsed() == []
    home.clock.advance(1)
    assert sorted(home.ledger.deliveries_lapsed()) == held
    assert [one.attempts for one in claim(home, worker="other")] == [2, 2]


def test_a_slow_sender_s_success_counts_although_its_lease_had_lapsed(home):
    """The destination has the object; whose lease it was does not change that."""
    a_finished_job(home)
    one, two = claim(home)
    home.clock.advance(61)
    home.ledger.deliveries_lapsed()
    home.ledger.delivery_accepted(one.delivery_id, "success")
    home.ledger.delivery_accepted(one.delivery_id, "success")
    assert home.ledger.status()["deliveries"]["accepted"] == 1
    assert events_of(home, one.delivery_id).count("delivery_accepted") == 1
    assert [d.delivery_id for d in claim(home)] == [two.delivery_id]


def test_words_about_a_delivery_that_nobody_is_sending_are_refused(home):
    a_finished_job(home)
    one, two = claim(home)
    home.ledger.delivery_failed(one.delivery_id, "refused for good")
    home.ledger.delivery_accepted(two.delivery_id, "success")
    now = home.clock.now()
    for word in (
        lambda: home.ledger.delivery_accepted(one.delivery_id, "success"),
        lambda: home.ledger.delivery_failed(one.delivery_id, "again"),
        lambda: home.ledger.delivery_retried(two.delivery_id, "again", now),
        lambda: home.ledger.delivery_failed(two.delivery_id, "again"),
        lambda: home.ledger.delivery_failed("no such delivery", "again"),
    ):
        with pytest.raises(ForbiddenTransitionError, match="not being sent"):
            word()


def accept(home):
    """Send everything that is due, and give the result's UIDs by delivery."""
    sent = claim(home)
    for one in sent:
        home.ledger.delivery_accepted(one.delivery_id, "success")
    return {one.delivery_id: one.result.sop_instance_uid for one in sent}


def test_a_destination_is_asked_to_commit_once_and_again_without_an_answer(home):
    a_finished_job(home)
    sent = accept(home)
    due = home.ledger.deliveries_to_commit("pacs", 10, 3600)
    assert {d.delivery_id: d.result.sop_instance_uid for d in due} == sent
    assert len(home.ledger.deliveries_to_commit("pacs", 1, 3600)) == 1
    assert home.ledger.deliveries_to_commit("archive", 10, 3600) == []
    home.ledger.commitment_requested("2.25.1", list(sent))
    assert home.ledger.deliveries_to_commit("pacs", 10, 3600) == []
    home.clock.advance(3600)
    assert len(home.ledger.deliveries_to_commit("pacs", 10, 3600)) == 2


def test_what_the_destination_vouches_for_is_committed(home):
    a_finished_job(home)
    sent = accept(home)
    home.ledger.commitment_requested("2.25.1", list(sent))
    home.ledger.delivery_committed("2.25.1", list(sent.values()))
    assert home.ledger.status()["deliveries"]["committed"] == 2
    home.clock.advance(10_000)
    assert home.ledger.deliveries_to_commit("pacs", 10, 3600) == []
    home.ledger.delivery_committed("2.25.1", list(sent.values()))
    assert home.ledger.last_audit_rows(1)[0]["detail"]["ignored"] == 2


def test_the_answer_to_an_earlier_question_still_counts(home):
    a_finished_job(home)
    sent = accept(home)
    home.ledger.commitment_requested("2.25.1", list(sent))
    home.clock.advance(3600)
    home.ledger.commitment_requested("2.25.2", list(sent))
    home.ledger.delivery_committed("2.25.1", list(sent.values()))
    assert home.ledger.status()["deliveries"]["committed"] == 2


def test_what_the_destination_does_not_vouch_for_is_sent_again(home):
    a_finished_job(home)
    sent = accept(home)
    (lost, uid), (_, kept) = sent.items()
    home.ledger.commitment_requested("2.25.1", list(sent))
    home.ledger.delivery_committed("2.25.1", [kept])
    later = home.clock.now() + timedelta(seconds=60)
    home.ledger.commitment_refused("2.25.1", {uid: "no such object instance"}, later)
    assert claim(home) == []
    home.clock.advance(60)
    (again,) = claim(home)
    assert (again.delivery_id, again.attempts) == (lost, 1)
    home.ledger.delivery_accepted(lost, "success")
    (due,) = home.ledger.deliveries_to_commit("pacs", 10, 3600)
    assert due.delivery_id == lost


def test_a_report_of_a_question_that_we_never_put_changes_nothing(home):
    a_finished_job(home)
    sent = accept(home)
    home.ledger.commitment_requested("2.25.1", list(sent))
    home.ledger.delivery_committed("2.25.666", list(sent.values()))
    home.ledger.commitment_refused("2.25.666", {"1.2.3": "unknown"}, home.clock.now())
    assert home.ledger.status()["deliveries"]["accepted"] == 2
    rows = home.ledger.last_audit_rows(2)
    assert [row["event"] for row in rows] == ["delivery_committed", "commitment_refused"]
    assert [row["detail"]["ignored"] for row in rows] == [2, 1]


def test_nobody_is_asked_to_commit_to_what_it_has_not_accepted(home):
    a_finished_job(home)
    one, _ = claim(home)
    with pytest.raises(ForbiddenTransitionError):
        home.ledger.commitment_requested("2.25.1", [one.delivery_id])


def test_a_clock_that_is_set_back_holds_no_delivery_for_longer_than_a_pause(home):
    a_finished_job(home)
    home.clock.set_back(3600)
    assert home.ledger.destinations_waiting() == {"pacs": 2}
    first, second = home.ledger.claim_deliveries("pacs", "w", 30, 10)
    later = home.clock.now() + timedelta(seconds=300)
    home.ledger.delivery_retried(first.delivery_id, "it is down", later)
    assert home.ledger.destinations_waiting(300) == {}
    assert home.ledger.claim_deliveries("pacs", "w", 30, 10, 300) == []
    home.clock.set_back(3600)
    assert home.ledger.destinations_waiting(300) == {"pacs": 1}
    (again,) = home.ledger.claim_deliveries("pacs", "w", 30, 10, 300)
    assert again.delivery_id == first.delivery_id != second.delivery_id
