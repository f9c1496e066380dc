"""A job's lease while the database is away or somebody else has it, and what a crash leaves."""

import threading

import pytest
from sqlalchemy.exc import OperationalError

from node.spool import Spool
from node.stages import infer
from node.stages.infer import Infer, Limits, clear_left_work
from node.stages.turning import Bell, Rooms
from tests.ledger.making import Home, a_waiting_job


class Stopped:
    """A runner that only notes that it was told to stop."""

    def __init__(self):
        self.closed = threading.Event()

    def close(self):
        self.closed.set()


@pytest.fixture
def held(tmp_path, monkeypatch):
    """An infer leg that holds a job, the job, its ledger and its runner."""
    from tests.fakes.clock import FakeClock

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
