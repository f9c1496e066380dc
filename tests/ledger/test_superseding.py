"""Fear: a job that reads only some of the images speaks for the series once more are here."""

from dataclasses import replace

import pytest

from node.ledger.opening import LeaseLostError
from tests.ledger.making import (
    CHOSEN,
    SERIES,
    a_job_for,
    an_instance,
    events_of,
    evidence,
    results_of,
    settle,
)


@pytest.fixture
def first(home):
    """The job of a series of one image, which waits."""
    home.ledger.instances_received([an_instance(home, 1)])
    return settle(home)


def come_late(home, number=2):
    home.ledger.instances_received([an_instance(home, number)])


def claimed(home, worker="w"):
    """Editions of all that can be claimed."""
    found = []
    while (job := home.ledger.claim_job(worker, 30)) is not None:
        found.append(job.edition)
    return found


def counts(home):
    return {state: n for state, n in home.ledger.status()["jobs"].items() if n}


def test_a_job_that_waits_ends_when_more_images_come(home, first):
    come_late(home)
    assert counts(home) == {"superseded": 1}
    assert claimed(home) == []
    settle(home)
    assert claimed(home) == [2]
    assert events_of(home, first.job_id) == ["job_created", "job_superseded"]
    (told,) = [r for r in home.ledger.timeline(SERIES) if r["event"] == "job_superseded"]
    assert "edition 2" in told["detail"]["reason"]


def test_a_job_that_is_held_ends_too(home):
    home.ledger.instances_received([an_instance(home, 1)])
    seen = evidence(home)
    job = replace(a_job_for(home, seen), lacking="flair")
    assert home.ledger.series_settled(seen, "nothing came for 5 s", CHOSEN, job)
    come_late(home)
    assert counts(home) == {"superseded": 1}
    home.ledger.job_released(job.job_id, "")
    assert claimed(home) == []


def test_a_job_that_runs_loses_its_lease_and_can_hand_over_nothing(home, first):
    home.ledger.claim_job("w", 30)
    come_late(home)
    assert not home.ledger.extend_lease(first.job_id, "w", 30)
    made = results_of(first)
    for word in (
        lambda: home.ledger.results_ready(first.job_id, "w", made, ["pacs"]),
        lambda: home.ledger.job_finished(first.job_id, "w", made, ["pacs"], {}),
        lambda: home.ledger.job_refused(first.job_id, "w", "only one slice", ""),
        lambda: home.ledger.job_retried(first.job_id, "w", "it crashed", home.clock.now()),
    ):
        with pytest.raises(LeaseLostError):
            word()
    home.clock.advance(31)
    assert home.ledger.jobs_lapsed() == []
    assert home.ledger.destinations_waiting() == {}
    assert events_of(home, first.job_id)[-1] == "job_superseded"


def test_a_job_whose_mask_is_owed_goes_on_to_its_end_even_after_a_crash(home, first):
    home.ledger.claim_job("w", 30)
    mask, *_ = made = results_of(first)
    home.ledger.results_ready(first.job_id, "w", [mask], ["pacs"])
    come_late(home)
    assert home.ledger.extend_lease(first.job_id, "w", 30)
    home.clock.advance(31)
    assert home.ledger.jobs_lapsed() == [first.job_id]
    come_late(home, 3)
    assert home.ledger.claim_job("w", 30).edition == 1
    home.ledger.job_finished(first.job_id, "w", made, ["pacs"], {})
    second = settle(home)
    before = home.ledger.previous_results(SERIES, second.edition, second.model)
    assert {one.kind for one in before} == {"SEG", "SR", "PREVIEW"}


def test_a_notice_that_nothing_ran_does_not_keep_a_job_going(home, first):
    home.ledger.claim_job("w", 30)
    (notice, *_) = [replace(one, kind="NOT_RUN") for one in results_of(first)]
    home.ledger.job_refused(first.job_id, "w", "only one slice", "", [notice])
    home.ledger.retry(first.job_id, "a person")
    come_late(home)
    assert counts(home) == {"superseded": 1}


@pytest.mark.parametrize("end", ["job_refused", "job_failed"])
def test_nobody_puts_back_a_job_for_images_that_are_no_longer_all(home, first, end):
    home.ledger.claim_job("w", 30)
    getattr(home.ledger, end)(first.job_id, "w", "only one slice", "")
    come_late(home)
    settle(home)
    assert home.ledger.retry(first.job_id, "a person") == []
    assert home.ledger.retry(SERIES, "a person") == []
    assert claimed(home) == [2]


def test_a_repeated_image_ends_nothing(home, first):
    come_late(home, 1)
    assert counts(home) == {"waiting": 1}
