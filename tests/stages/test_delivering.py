"""What a destination answered reaches the ledger, whatever the ledger is up to meanwhile."""

from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy.exc import OperationalError

from node.rules.nouns import Peer
from node.rules.retrying import Persistence
from node.spool import Spool
from node.stages.deliver import Deliver
from node.stages.turning import Bell, Rooms
from tests.fakes.clock import FakeClock
from tests.fakes.pacs import Pacs
from tests.fakes.scanner import Scanner
from tests.ledger.making import Home, a_waiting_job, events_of, results_of


def owed(home, spool, count):
    """A finished job with so many results in the spool that `pacs` is owed."""
    job = a_waiting_job(home)
    home.ledger.claim_job("test", 30.0)
    results = []
    for dataset in Scanner().series(n=count):
        uid = str(dataset.SOPInstanceUID)
        name = f"results/00/{uid}.dcm"
        dataset.save_as(spool.path(name), enforce_file_format=True)
        like = replace(results_of(job)[0], sop_class_uid=str(dataset.SOPClassUID))
        results.append(replace(like, sop_instance_uid=uid, spool_name=name))
    home.ledger.job_finished(job.job_id, "test", results, ["pacs"], {})
    return [one.sop_instance_uid for one in results]


def test_an_answer_that_the_database_missed_is_written_when_it_is_back(tmp_path, monkeypatch):
    home = Home(None, tmp_path, FakeClock(datetime.now(UTC)))
    spool = Spool(tmp_path / "spool")
    uids = owed(home, spool, 3)
    real, failures = home.ledger.delivery_accepted, [True, True]

    def shaky(*arguments):
        if failures:
            failures.pop()
            raise OperationalError("BEGIN IMMEDIATE", None, Exception("database is locked"))
        return real(*arguments)

    monkeypatch.setattr(home.ledger, "delivery_accepted", shaky)
    with Pacs() as pacs:
        peer = Peer("pacs", pacs.ae_title, "127.0.0.1", pacs.port, frozenset({"store"}))
        rooms = Rooms(home.ledger, spool, home.clock, "test")
        Deliver(rooms, "RADNODE", [peer], Persistence(), Bell())._send_due("pacs")
        assert sorted(pacs.received) == sorted(uids), "each once"
    for uid in uids:
        assert events_of(home, uid)[-1] == "delivery_accepted"
    home.close()
