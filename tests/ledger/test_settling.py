"""Fear: a complete series gets no job, or two, or one that reads the wrong images."""

from dataclasses import replace

from node.rules.nouns import RouteDecision
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


def test_a_settled_series_has_its_job_and_the_reasons(home):
    home.ledger.instances_received([an_instance(home)])
    home.clock.advance(5)
    job = settle(home)
    assert home.ledger.open_series() == []
    assert events_of(home, SERIES) == ["instance_received", "series_settled", "job_created"]
    settled, created = home.ledger.timeline(SERIES)[1:]
    assert settled["detail"]["reason"] == "nothing came for 5 s"
    assert created["detail"]["decisions"][0]["reason"] == "all of it fits"
    claimed = home.ledger.claim_job("w", 30)
    assert claimed == replace(job, attempts=1)
    assert claimed.settled_at == home.clock.now()


def test_the_job_bears_the_moment_at_which_the_ledger_settled_the_series(home):
    home.ledger.instances_received([an_instance(home)])
    seen = evidence(home)
    job = a_job_for(home, seen)
    home.clock.advance(0.25)
    home.ledger.series_settled(seen, "quiet", CHOSEN, job)
    assert home.ledger.claim_job("w", 30).settled_at == home.clock.now()


def test_a_series_that_no_route_wants_keeps_every_reason(home):
    home.ledger.instances_received([an_instance(home)])
    refusals = [RouteDecision("brain", chosen=False, reason="Modality is CT, not MR")]
    assert home.ledger.series_settled(evidence(home), "quiet", refusals, None)
    assert events_of(home, SERIES)[-2:] == ["series_settled", "series_unclaimed"]
    told = home.ledger.timeline(SERIES)[-1]["detail"]["decisions"]
    assert told == [{"route": "brain", "chosen": False, "reason": "Modality is CT, not MR"}]


def test_a_series_settles_once(home):
    home.ledger.instances_received([an_instance(home)])
    seen = evidence(home)
    job = a_job_for(home, seen)
    assert home.ledger.series_settled(seen, "quiet", CHOSEN, job)
    assert not home.ledger.series_settled(seen, "quiet", CHOSEN, job)
    assert events_of(home, SERIES).count("job_created") == 1


def test_an_edition_that_has_passed_cannot_settle(home):
    home.ledger.instances_received([an_instance(home, 1)])
    old = evidence(home)
    settle(home)
    home.ledger.instances_received([an_instance(home, 2)])
    assert not home.ledger.series_settled(replace(old, instances=2), "quiet", CHOSEN, None)
    assert evidence(home).edition == 2


def test_the_same_evidence_and_bundle_never_make_a_second_job(home):
    home.ledger.instances_received([an_instance(home, 1)])
    job = settle(home)
    assert home.ledger.claim_job("w", 30) is not None
    home.ledger.job_finished(job.job_id, "w", results_of(job), ["pacs"], {})
    home.ledger.instances_received([an_instance(home, 2)])
    seen = evidence(home)
    assert home.ledger.series_settled(seen, "quiet", CHOSEN, replace(job, edition=2))
    assert home.ledger.timeline(SERIES)[-1]["detail"]["job"] == "job already exists"
    assert events_of(home, SERIES).count("job_created") == 1
    assert home.ledger.claim_job("w", 30) is None


def test_each_edition_gets_a_job_of_its_own(home):
    home.ledger.instances_received([an_instance(home, 1)])
    first = settle(home)
    assert home.ledger.claim_job("w", 30).edition == 1
    home.ledger.job_finished(first.job_id, "w", results_of(first), ["pacs"], {})
    home.ledger.instances_received([an_instance(home, 2)])
    second = settle(home)
    assert first.job_id != second.job_id
    assert home.ledger.claim_job("w", 30).edition == 2
