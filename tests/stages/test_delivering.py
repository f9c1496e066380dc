"""What a destination answered reaches the ledger, whatever the ledger is up to meanwhile."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import OperationalError

from node.dicom.services import COMPREHENSIVE_3D_SR, SEGMENTATION
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


KINDS = {
    "KEY_OBJECTS": ("1.2.840.10008.5.1.4.1.1.88.59", {"optional": True}),
    "ENHANCED_SR": ("1.2.840.10008.5.1.4.1.1.88.22", {"instead_of": COMPREHENSIVE_3D_SR}),
    "SR": (COMPREHENSIVE_3D_SR, {"optional": True}),
    "LABELMAP": ("1.2.840.10008.5.1.4.1.1.66.7", {"optional": True}),
    "SEG": (SEGMENTATION, {}),
}


@pytest.fixture
def made(tmp_path):
    """A home whose one job made a result of each of these kinds, all owed to `pacs`."""
    home = Home(None, tmp_path, FakeClock(datetime.now(UTC)))
    spool = Spool(tmp_path / "spool")
    job = a_waiting_job(home)
    home.ledger.claim_job("test", 30.0)
    results = []
    for (kind, (sop_class, needs)), dataset in zip(
        KINDS.items(), Scanner().series(n=len(KINDS)), strict=True
    ):
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = sop_class
        uid = str(dataset.SOPInstanceUID)
        name = f"results/00/{uid}.dcm"
        dataset.save_as(spool.path(name), enforce_file_format=True)
        like = replace(results_of(job)[0], kind=kind, sop_class_uid=sop_class, **needs)
        results.append(replace(like, sop_instance_uid=uid, spool_name=name))
    home.ledger.job_finished(job.job_id, "test", results, ["pacs"], {})
    yield home, spool, {one.kind: one.sop_instance_uid for one in results}
    home.close()


def deliver_all(home, spool, pacs):
    """Send until nothing is due any more; give each kind's last event."""
    peer = Peer("pacs", pacs.ae_title, "127.0.0.1", pacs.port, frozenset({"store"}))
    leg = Deliver(
        Rooms(home.ledger, spool, home.clock, "test"), "RADNODE", [peer], Persistence(), Bell()
    )
    while home.ledger.destinations_waiting():
        leg._send_due("pacs")


def ends(home, uids):
    return {kind: events_of(home, uid)[-1].removeprefix("delivery_") for kind, uid in uids.items()}


def test_who_takes_everything_gets_everything_but_the_stand_in(made):
    home, spool, uids = made
    with Pacs() as pacs:
        deliver_all(home, spool, pacs)
        order = ["SEG", "LABELMAP", "SR", "KEY_OBJECTS"]
        assert pacs.received == [uids[kind] for kind in order], "what is spoken of goes first"
    assert ends(home, uids) == dict.fromkeys(order, "accepted") | {"ENHANCED_SR": "declined"}


def test_who_takes_no_new_report_gets_the_older_one_and_nothing_counts_as_failed(made):
    home, spool, uids = made
    with Pacs(accepts=(SEGMENTATION, KINDS["ENHANCED_SR"][0])) as pacs:
        deliver_all(home, spool, pacs)
        assert pacs.received == [uids["SEG"], uids["ENHANCED_SR"]]
    assert ends(home, uids) == {
        "SEG": "accepted",
        "ENHANCED_SR": "accepted",
        "SR": "declined",
        "LABELMAP": "declined",
        "KEY_OBJECTS": "declined",
    }
    assert home.ledger.status()["failures"] == []


def test_who_takes_no_report_at_all_leaves_a_failure_that_a_person_sees(made):
    home, spool, uids = made
    with Pacs(accepts=(SEGMENTATION,)) as pacs:
        deliver_all(home, spool, pacs)
    found = ends(home, uids)
    assert (found["SR"], found["ENHANCED_SR"]) == ("declined", "failed")
    assert "Enhanced SR" in home.ledger.status()["failures"][0]["reason"]
