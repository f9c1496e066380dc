"""What a crash left is put back; what is old is let go; nothing else is touched."""

from datetime import UTC, datetime, timedelta

import pytest
from pynetdicom.dsutils import encode

from node.dicom import header
from node.ledger.opening import open_ledger
from node.rules.nouns import RouteDecision
from node.spool import Spool
from node.stages.sweep import Retention, Sweep, restore
from node.stages.turning import Rooms
from tests.fakes.clock import FakeClock
from tests.fakes.scanner import Scanner

EXPLICIT = "1.2.840.10008.1.2.1"


@pytest.fixture
def rooms(tmp_path):
    clock = FakeClock(datetime.now(UTC))  # the time of files is the real one
    ledger = open_ledger(None, tmp_path, clock)
    yield Rooms(ledger, Spool(tmp_path / "spool"), clock, "test")
    ledger.close()


def keep(rooms, dataset):
    """Put an image into the spool as the receive leg does, and die before its row is written."""
    data = encode(dataset, is_implicit_vr=False, is_little_endian=True)
    read = header.read_header(data, EXPLICIT)
    prefix = header.part10_prefix(read, EXPLICIT, calling_ae="CT1", called_ae="RADNODE")
    return rooms.spool.keep_instance((prefix, data))


def files(rooms):
    return set(rooms.spool.instance_names())


def test_an_image_without_a_row_gets_one_and_its_series_waits_for_the_sender(rooms):
    datasets = Scanner().series(n=3)
    names = {keep(rooms, one) for one in datasets}
    assert restore(rooms, "RADNODE") == 3
    (evidence,) = rooms.ledger.open_series()
    assert evidence.instances == 3
    assert evidence.aborted, "its association counts as lost"
    kept = rooms.ledger.instances_of(evidence.series_instance_uid, 1)
    assert {one.spool_name for one in kept} == names
    assert {one.calling_ae for one in kept} == {"CT1"}
    assert restore(rooms, "RADNODE") == 0, "once is enough"


def test_a_second_copy_that_a_crash_left_is_let_go(rooms):
    (dataset,) = Scanner().series(n=1)
    first = keep(rooms, dataset)
    restore(rooms, "RADNODE")
    keep(rooms, dataset)
    assert restore(rooms, "RADNODE") == 0
    assert files(rooms) == {first}


def test_half_written_files_are_cleared_and_unreadable_ones_are_left_for_a_person(rooms, capfd):
    (rooms.spool.root / "instances" / "00" / "x.dcm.part").write_bytes(b"half")
    bad = rooms.spool.keep_instance((b"not DICOM",))
    assert restore(rooms, "RADNODE") == 0
    assert list(rooms.spool.root.rglob("*.part")) == []
    assert files(rooms) == {bad}
    assert "spool_unreadable" in capfd.readouterr().err


def test_bytes_go_when_the_time_is_up_and_the_facts_stay(rooms):
    for dataset in Scanner().series(n=2):
        keep(rooms, dataset)
    restore(rooms, "RADNODE")
    (evidence,) = rooms.ledger.open_series()
    no = [RouteDecision("brain", chosen=False, reason="it is not wanted")]
    assert rooms.ledger.series_settled(evidence, "quiet", no, None)
    sweep = Sweep(rooms, Retention(instances_hours=24))
    sweep.step()
    assert len(files(rooms)) == 2
    rooms.clock.advance(timedelta(hours=25).total_seconds())
    sweep.step()
    assert files(rooms) == set()
    assert len(rooms.ledger.timeline(evidence.series_instance_uid)) > 2


def test_an_open_series_is_never_let_go(rooms):
    keep(rooms, Scanner().series(n=1)[0])
    restore(rooms, "RADNODE")
    rooms.clock.advance(timedelta(days=30).total_seconds())
    Sweep(rooms, Retention(instances_hours=0)).step()
    assert len(files(rooms)) == 1


def settled(rooms, n=2):
    """A settled series that no route wants."""
    for dataset in Scanner().series(n=n):
        keep(rooms, dataset)
    restore(rooms, "RADNODE")
    (evidence,) = rooms.ledger.open_series()
    no = [RouteDecision("brain", chosen=False, reason="it is not wanted")]
    assert rooms.ledger.series_settled(evidence, "quiet", no, None)
    return evidence.series_instance_uid


def test_a_crash_between_the_fact_and_the_file_leaves_no_file_for_ever(rooms):
    uid = settled(rooms)
    assert rooms.ledger.bytes_released("instances", uid, list(files(rooms)))
    assert restore(rooms, "RADNODE") == 0
    Sweep(rooms, Retention()).step()
    assert files(rooms) == set()


def test_a_late_image_keeps_the_bytes_that_were_about_to_go(rooms):
    uid = settled(rooms)
    rooms.clock.advance(timedelta(hours=25).total_seconds())
    ((_, names),) = rooms.ledger.releasable("instances", rooms.clock.now())
    keep(rooms, Scanner().series(n=3)[2])
    restore(rooms, "RADNODE")  # the late image comes after the question and before the fact
    assert not rooms.ledger.bytes_released("instances", uid, names)
    assert "bytes_released" not in [r["event"] for r in rooms.ledger.timeline(uid)]
