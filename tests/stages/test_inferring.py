"""A job's lease while the database is away or somebody else has it, and what a crash leaves."""

import threading

import pydicom
import pytest
from sqlalchemy.exc import OperationalError

from node.bundles.shelf import Shelf
from node.dicom.results import not_run
from node.spool import Spool
from node.stages import infer
from node.stages.infer import Infer, Limits, clear_left_work
from node.stages.turning import Bell, Rooms
from tests.fakes.clock import FakeClock
from tests.fakes.scanner import Scanner
from tests.ledger.making import Home, a_waiting_job, events_of


class Stopped:
    """A runner that only notes that it was told to stop."""

    def __init__(self):
        self.closed = threading.Event()

    def close(self):
        self.closed.set()


@pytest.fixture
def held(tmp_path, monkeypatch):
    """An infer leg that holds a job, the job, its ledger and its runner."""
    monkeypatch.setattr(infer, "LEASE_SECONDS", 0.3)
    home = Home(None, tmp_path, FakeClock())
    a_waiting_job(home)
    runner = Stopped()
    rooms = Rooms(home.ledger, None, home.clock, "test")
    leg = Infer(rooms, None, runner, Limits(), Bell())
    yield leg, home.ledger.claim_job("test", 30.0), home.ledger, runner
    home.close()


def test_a_database_that_is_away_for_a_moment_does_not_end_the_heartbeat(held, monkeypatch):
    leg, job, ledger, runner = held
    real, beats, again = ledger.extend_lease, [], threading.Event()

    def shaky(*arguments):
        beats.append(arguments)
        if len(beats) == 1:
            raise OperationalError("BEGIN IMMEDIATE", None, Exception("database is locked"))
        again.set()
        return real(*arguments)

    monkeypatch.setattr(ledger, "extend_lease", shaky)
    with leg._heartbeat(job):
        assert again.wait(5)
    assert not runner.closed.is_set()


def test_a_lease_that_somebody_else_has_stops_the_model(held):
    leg, job, ledger, runner = held
    ledger.job_refused(job.job_id, "test", "somebody ended it", "")
    with leg._heartbeat(job):
        assert runner.closed.wait(5)


def test_scratch_that_a_crash_left_goes_and_that_of_a_running_job_stays(held, tmp_path):
    leg, job, ledger, _ = held
    spool = Spool(tmp_path / "spool")
    (spool.work("a job that is done") / "voxels.npy").write_bytes(b"left")
    (spool.work(job.job_id) / "voxels.npy").write_bytes(b"in use")
    clear_left_work(Rooms(ledger, spool, leg._clock, "test"))
    assert spool.work_names() == {job.job_id}


@pytest.fixture
def refusing(tmp_path):
    """An infer leg without the model that its one job wants, and where the job's image is to be."""
    home = Home(None, tmp_path, FakeClock())
    job = a_waiting_job(home)
    spool = Spool(tmp_path / "spool")
    rooms = Rooms(home.ledger, spool, home.clock, "test")
    leg = Infer(rooms, Shelf(tmp_path / "shelf"), Stopped(), Limits(attempts=1), Bell())
    (image,) = home.ledger.instances_of(job.series_instance_uid, 1)
    path = spool.path(image.spool_name)
    yield leg, home, job, path
    home.close()


def test_a_study_is_told_that_a_model_did_not_run(refusing):
    leg, home, job, path = refusing
    Scanner().series(n=1)[0].save_as(path, enforce_file_format=True)
    leg.step()
    (notice,) = home.ledger.results_of(job.job_id)
    assert notice.kind == "NOT_RUN"
    assert path.parents[2].joinpath(notice.spool_name).exists()
    assert home.ledger.destinations_waiting() == {"archive": 1, "pacs": 1}


@pytest.mark.parametrize("image", ["gone", "damaged"])
def test_a_notice_that_cannot_be_written_does_not_hide_how_the_job_ended(refusing, image, capsys):
    leg, home, job, path = refusing
    if image == "damaged":
        path.write_bytes(b"no DICOM any more")
    leg.step()
    assert home.ledger.status()["jobs"]["refused"] == 1
    assert "brain_mask" in home.ledger.status()["failures"][0]["reason"]
    assert home.ledger.results_of(job.job_id) == []
    assert "notice_not_written" in capsys.readouterr().err


def test_a_notice_that_fails_our_checks_is_kept_and_audited_and_not_sent(refusing, monkeypatch):
    leg, home, job, path = refusing
    Scanner().series(n=1)[0].save_as(path, enforce_file_format=True)
    real = not_run.write_notice

    def careless(*arguments):
        (made,) = real(*arguments)
        ds = pydicom.dcmread(made.path)
        ds.PatientID = "SOMEBODY"
        ds.save_as(made.path)
        return [made]

    monkeypatch.setattr(not_run, "write_notice", careless)
    leg.step()
    (notice,) = home.ledger.results_of(job.job_id)
    assert notice.withheld
    assert path.parents[2].joinpath(notice.spool_name).exists()
    assert home.ledger.destinations_waiting() == {}
    assert home.ledger.status()["withheld_results"] == 1
    (row,) = [one for one in home.ledger.audit_rows(0, 1000) if one["event"] == "results_withheld"]
    assert "PatientID is not, byte for byte" in row["detail"]["reason"]
    assert "SOMEBODY" not in str(row)


def test_a_notice_in_other_words_is_another_one_and_names_the_first(refusing):
    leg, home, job, path = refusing
    dataset = Scanner().series(n=1)[0]
    for number in (3, 4):
        dataset.SeriesNumber = number
        dataset.save_as(path, enforce_file_format=True)
        leg.step()
        home.ledger.retry(job.job_id, "a person")
    first, second = home.ledger.results_of(job.job_id)
    assert {first.predecessor, second.predecessor} & {
        first.sop_instance_uid,
        second.sop_instance_uid,
    }
    assert events_of(home, job.job_id).count("job_refused") == 2


def test_a_notice_that_came_out_different_under_its_uid_does_not_hide_the_end_either(
    refusing, capsys
):
    leg, home, job, path = refusing
    dataset = Scanner().series(n=1)[0]
    for name in ("first", "second"):
        dataset.StudyDescription = name
        dataset.save_as(path, enforce_file_format=True)
        leg.step()
        home.ledger.retry(job.job_id, "a person")
    assert len(home.ledger.results_of(job.job_id)) == 1
    assert events_of(home, job.job_id).count("job_refused") == 2
    assert "another one was kept under its UID" in capsys.readouterr().err


def test_a_lease_that_was_lost_at_the_very_end_is_no_failure_of_the_leg(refusing, monkeypatch):
    leg, home, *_ = refusing
    real = home.ledger.claim_job

    def claim_and_lose(*arguments):
        claimed = real(*arguments)
        home.clock.advance(60)
        home.ledger.jobs_lapsed()
        return claimed

    monkeypatch.setattr(home.ledger, "claim_job", claim_and_lose)
    assert leg.step() == 0.0
    assert home.ledger.status()["jobs"]["waiting"] == 1


@pytest.mark.parametrize(("worker", "claims"), [("test", 2), ("another", 1)])
def test_a_job_of_another_process_that_lives_is_left_to_it(tmp_path, worker, claims):
    home = Home(None, tmp_path, FakeClock())
    job = a_waiting_job(home)
    home.ledger.claim_job(worker, 30)
    rooms = Rooms(home.ledger, Spool(tmp_path / "spool"), home.clock, "test", lambda _: True)
    home.clock.set_back(-3600)
    Infer(rooms, Shelf(tmp_path / "shelf"), Stopped(), Limits(attempts=1), Bell()).step()
    assert events_of(home, job.job_id).count("job_claimed") == claims
    home.close()
