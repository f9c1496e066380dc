"""A slice that comes after its series has settled, and finds a job anywhere on its way."""

import shutil

import pydicom
import pytest

from node.dicom import results
from tests.ledger.making import an_instance
from tests.stages.department import IMAGES, UID


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


def contradicting(here):
    """One more image of the department's series, between two slices."""
    last = pydicom.dcmread(here.images[-1])
    last.SOPInstanceUID = last.file_meta.MediaStorageSOPInstanceUID = "2.25.99"
    x, y, z = last.ImagePositionPatient
    last.ImagePositionPatient = [x, y, float(z) - 0.37]
    last.InstanceNumber = IMAGES + 1
    path = here.folder / "contradicting.dcm"
    last.save_as(path, enforce_file_format=True)
    here.images = [*here.images, path]


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
def test_a_slice_that_contradicts_the_geometry_is_refused_and_sent_nowhere(department, late):
    here = department()
    contradicting(here)
    if late:
        here.send(range(IMAGES))
        here.release()
        here.finish()
        here.send([IMAGES])
    else:
        here.send(range(IMAGES + 1))
        here.release()
    for _ in range(2):
        here.clock.advance(100)
        here.settle.step()
    here.infer.step()
    (refused,) = events(here, "job_refused")
    assert refused["detail"]["reason"]
    assert len(events(here, "job_finished")) == int(late)
    kinds = [one.kind for one in here.home.ledger.results_of(refused["job_id"])]
    assert kinds == ["NOT_RUN"]


def test_fifty_series_at_once_are_prepared_within_bounds_and_run_once_each(department):
    here = department()
    uids = [f"{UID[:40]}.{number}" for number in range(50)]
    for at in range(3):
        for number, uid in enumerate(uids):
            send_one(here, at * 13, number, uid)
        here.prepare.step()
        assert len(here.desk.all()) <= 4
    here.release()
    for _ in range(2):
        here.clock.advance(100)
        here.prepare.step()
        here.settle.step()
    made = events(here, "job_created")
    assert sorted(row["series_uid"] for row in made) == sorted(uids)
    assert [row["detail"]["edition"] for row in made] == [1] * 50


def send_one(here, at, number, uid):
    name = f"instances/ab/{at * 100 + number + 50_000:032x}.dcm"
    shutil.copy(here.images[at], here.spool.path(name))
    one = an_instance(
        here.home,
        at,
        sop_instance_uid=f"{uid}.{at}",
        series_instance_uid=uid,
        study_instance_uid=f"{uid}.0",
        sha256=f"{at * 100 + number:064x}",
        spool_name=name,
        association="a",
        attributes={"Modality": "MR"},
    )
    here.home.ledger.instances_received([one])
