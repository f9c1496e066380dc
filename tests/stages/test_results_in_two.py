"""Masks leave first, then reports; what shows them follows, and cannot hold them up."""

import pytest

from node.dicom import results
from node.stages import infer
from node.stages.infer import Limits
from tests.stages.department import IMAGES

FOUND = {"SEG", "SR", "ENHANCED_SR"}


@pytest.fixture
def settled(department):
    """A department whose series has settled, with a job that nobody has begun."""

    def make(name="one"):
        here = department(name)
        here.send(range(IMAGES))
        here.release()
        for _ in range(2):
            here.clock.advance(10)
            here.settle.step()
        return here

    return make


def rows(here, event):
    found = here.home.ledger.audit_rows(0, 100_000)
    return [{**row["detail"], "row": row} for row in found if row["event"] == event]


def owed(here):
    """Kinds of all that is owed to the archive, in the order in which it came to be owed."""
    return [one["kind"] for one in rows(here, "delivery_queued")]


class PowerCutError(BaseException):
    """Ends the leg as a power cut would: nothing behind it runs."""


def cut_short(here, monkeypatch):
    """Run the job up to where it has handed over what was found, and no further."""

    def cut(*_):
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(results, "make_rest", cut)
        with pytest.raises(PowerCutError):
            here.infer.step()


def come_back(here):
    here.clock.advance(infer.LEASE_SECONDS + 1)
    assert len(here.home.ledger.jobs_lapsed()) == 1
    here.clock.advance(600)
    here.infer.step()


def test_what_was_found_is_owed_before_what_shows_it_is_made(settled, monkeypatch):
    here = settled()
    real, seen = results.make_rest, []

    def watched(*arguments):
        seen.extend(owed(here))
        return real(*arguments)

    monkeypatch.setattr(results, "make_rest", watched)
    here.infer.step()
    assert seen == ["SEG", "SR", "ENHANCED_SR"]
    assert owed(here)[:3] == seen
    assert len(owed(here)) > 3, "the rest follows"
    assert len(rows(here, "job_finished")) == 1


def test_a_power_cut_between_the_two_leaves_one_set_of_results(settled, monkeypatch):
    here, whole = settled("one"), settled("other")
    whole.infer.step()
    cut_short(here, monkeypatch)
    assert owed(here) == ["SEG", "SR", "ENHANCED_SR"]
    assert rows(here, "job_finished") == []
    come_back(here)
    assert len(rows(here, "job_finished")) == 1
    assert here.results() == whole.results()
    assert owed(here) == owed(whole)


def test_what_shows_it_and_fails_our_checks_is_kept_back_alone(settled, monkeypatch):
    here = settled()
    wrong = ["the picture lies beside the image"]
    monkeypatch.setattr(results.validation, "rest_problems", lambda *_: wrong)
    here.infer.step()
    assert owed(here) == ["SEG", "SR", "ENHANCED_SR"]
    (finished,) = rows(here, "job_finished")
    assert "the picture lies beside the image" in finished["findings"]["withheld"]
    assert finished["findings"]["volumes_ml"], "what was found is on record all the same"
    (told,) = rows(here, "results_withheld")
    assert told["results"]
    assert {one["kind"] for one in told["results"]}.isdisjoint(owed(here))
    assert here.home.ledger.status()["withheld_results"] == len(told["results"])


def test_a_mask_is_owed_while_its_report_is_made(settled, monkeypatch):
    here = settled()
    real, seen = results.make_report, []

    def watched(*arguments):
        seen.extend(owed(here))
        return real(*arguments)

    monkeypatch.setattr(results, "make_report", watched)
    here.infer.step()
    assert seen == ["SEG"]


def test_a_report_that_fails_our_checks_is_kept_back_and_the_study_is_told(settled, monkeypatch):
    here = settled()
    wrong = ["the SR says 3 of Brain: volume (mL); it is 4"]
    monkeypatch.setattr(results.validation, "report_problems", lambda *_: wrong)
    here.infer.step()
    assert owed(here) == ["SEG", "NOT_RUN"]
    (failed,) = rows(here, "job_failed")
    assert wrong[0] in failed["reason"]
    assert here.home.ledger.status()["withheld_results"] == 2


def test_a_study_that_has_its_mask_is_not_told_that_nothing_ran(settled, monkeypatch):
    here = settled()
    monkeypatch.setattr(results, "make_rest", lambda *_: 1 / 0)
    for _ in range(Limits().attempts):
        here.infer.step()
        here.clock.advance(600)
    (failed,) = rows(here, "job_failed")
    assert "ZeroDivisionError" in failed["reason"]
    assert owed(here) == ["SEG", "SR", "ENHANCED_SR"]
