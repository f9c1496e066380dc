"""A slice that comes after its series has settled, and finds a job anywhere on its way."""

import pytest

from node.dicom import results
from tests.stages.department import IMAGES


def claimed(ward):
    """Editions of all jobs that can be had, in their order."""
    found = []
    while (job := ward.home.ledger.claim_job("w", 1e9)) is not None:
        found.append(job.edition)
    return found


def settle_without_the_last(ward):
    images = ward.series()
    ward.open("one")
    ward.feed(images[:19], "one")
    ward.close("one")
    ward.wait(61)
    assert ward.jobs() == [19]
    ward.open("two")
    return images[19:]


def test_a_late_slice_while_the_job_waits_makes_one_run_of_all(ward):
    late = settle_without_the_last(ward)
    ward.feed(late, "two")
    assert claimed(ward) == [], "the fragment is nobody's to look at any more"
    ward.close("two")
    ward.wait(93)
    assert claimed(ward) == [2]


def fragment(here):
    """Settle a department's series without its last image."""
    here.send(range(IMAGES - 1))
    here.release()
    for _ in range(2):
        here.clock.advance(100)
        here.settle.step()


def events(here, event):
    rows = here.home.ledger.audit_rows(0, 100_000)
    return [row for row in rows if row["event"] == event]


@pytest.mark.parametrize("when", ["make_mask", "make_report", "make_rest"])
def test_a_late_slice_while_the_job_runs_ends_it_unless_its_mask_is_out(
    department, monkeypatch, when
):
    here = department()
    fragment(here)
    real = getattr(results, when)

    def late(*arguments):
        here.send([IMAGES - 1])
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(results, when, late)
        here.infer.step()
    ended = 0 if when == "make_mask" else 1
    assert len(events(here, "job_superseded")) == 1 - ended
    assert len(events(here, "job_finished")) == ended
    here.finish()
    finished = events(here, "job_finished")
    assert len(finished) == ended + 1
    kept = here.home.ledger.results_of(finished[-1]["job_id"])
    assert bool([one for one in kept if one.predecessor]) == bool(ended)
    assert {row["job_id"] for row in events(here, "delivery_queued")} == {
        row["job_id"] for row in finished
    }
