"""An image while it comes: kept whole, or refused with nothing left behind."""

import hashlib
import os
from datetime import UTC, datetime

import pytest
from pynetdicom.dsutils import encode

from node.dicom import header, status
from node.ledger.opening import open_ledger
from node.rules.admitting import Rejection
from node.rules.nouns import Caller, Peer
from node.spool import Spool
from node.stages.indexing import Writer
from node.stages.receive import Reception, Room
from node.stages.sweep import restore
from node.stages.turning import Bell, Rooms
from node.wire.scp import Arrival
from tests.fakes.clock import FakeClock
from tests.fakes.scanner import Scanner

CT1 = Peer("ct1", "CT1", "127.0.0.1", None, frozenset({"store"}))
CALLER = Caller("CT1", "RADNODE", "127.0.0.1")
EXPLICIT = "1.2.840.10008.1.2.1"


class House:
    """A reception on a real spool and ledger, with one association open."""

    def __init__(self, folder, durable="instance", **room):
        self.ledger = open_ledger(None, folder, FakeClock(datetime.now(UTC)))
        self.spool = Spool(folder / "spool", durable)
        rooms = self.rooms = Rooms(self.ledger, self.spool, FakeClock(datetime.now(UTC)), "test")
        self.writer = Writer(rooms, Bell(), Bell())
        limits = Room(minimum_free_mb=0.0, **room)
        self.desk = Reception(rooms, "RADNODE", [CT1], self.writer, lambda _: None, limits)
        assert self.desk.admit(CALLER).peer == CT1
        self.desk.opened("a1", "ct1", CALLER)

    def send(self, data, sop_class, sop_instance, pieces=1):
        """Hand a data set over in so many pieces, as the wire does; give the answer."""
        draft = self.desk.begin(Arrival("a1", CALLER, sop_class, sop_instance, EXPLICIT))
        step = -(-len(data) // pieces)
        cuts = [memoryview(data)[at : at + step] for at in range(0, len(data), step)]
        for cut in cuts[:-1]:
            draft.add(cut)
        return draft.finish(cuts[-1])

    def files(self):
        return [path for path in (self.spool.root).rglob("*") if path.is_file()]

    def events(self):
        self.writer.step()
        return [row["event"] for row in self.ledger.audit_rows(0, 100)]


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path)
    yield house
    house.ledger.close()


@pytest.fixture
def image():
    (dataset,) = Scanner().series(1)
    return (
        encode(dataset, is_implicit_vr=False, is_little_endian=True),
        str(dataset.SOPClassUID),
        str(dataset.SOPInstanceUID),
    )


@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_an_image_in_any_number_of_pieces_is_kept_byte_for_byte(house, image, pieces):
    assert house.send(*image, pieces).status == status.SUCCESS
    (file,) = house.files()
    assert file.read_bytes().endswith(image[0])
    assert house.events() == ["association_opened", "instance_received"]
    detail = house.ledger.audit_rows(0, 100)[1]["detail"]
    assert hashlib.sha256(image[0]).hexdigest() in str(detail)


@pytest.mark.parametrize("pieces", [1, 3])
def test_an_image_that_is_not_what_its_command_says_is_refused_with_nothing_left(
    house, image, pieces
):
    data, sop_class, _ = image
    answer = house.send(data, sop_class, "1.2.3", pieces)
    assert answer.status == status.DATA_SET_DOES_NOT_MATCH
    assert house.files() == []
    assert house.events() == ["association_opened", "instance_refused"]


@pytest.mark.parametrize("pieces", [1, 3])
def test_an_image_that_is_cut_short_is_refused_with_nothing_left(house, image, pieces):
    data, *uids = image
    assert house.send(data[:-10], *uids, pieces).status == status.CANNOT_UNDERSTAND
    assert house.files() == []


def test_an_image_that_grows_too_large_is_refused_while_it_comes(tmp_path, image):
    house = House(tmp_path, maximum_object_mb=0.002)
    answer = house.send(*image, 5)
    assert answer.status == status.OUT_OF_RESOURCES
    assert "maximum_object_mb" in answer.comment
    assert house.files() == []
    house.ledger.close()


def test_an_image_whose_sender_goes_away_leaves_nothing(house, image):
    data, *uids = image
    draft = house.desk.begin(Arrival("a1", CALLER, *uids, EXPLICIT))
    draft.add(memoryview(data)[:100])
    assert len(house.files()) == 1
    draft.abandon()
    assert house.files() == []
    assert house.events() == ["association_opened"]


def test_a_disk_that_fails_in_the_middle_is_an_answer_and_nothing_is_left(
    house, image, monkeypatch
):
    data, *uids = image
    draft = house.desk.begin(Arrival("a1", CALLER, *uids, EXPLICIT))
    draft.add(memoryview(data)[:100])

    def broken(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "writev", broken)
    draft.add(memoryview(data)[100:200])
    answer = draft.finish(memoryview(data)[200:])
    assert answer.status == status.OUT_OF_RESOURCES
    assert "Input/output" in answer.comment
    assert house.files() == []


@pytest.mark.parametrize(("durable", "synced"), [("instance", 0), ("association", 1), ("none", 0)])
def test_everything_is_synced_before_a_release_if_that_is_the_promise(
    tmp_path, image, monkeypatch, durable, synced
):
    house, calls = House(tmp_path, durable), []
    house.send(*image)
    monkeypatch.setattr(house.spool, "sync_all", lambda _: calls.append(1))
    assert house.desk.releasing("a1")
    assert len(calls) == synced
    house.ledger.close()


def test_a_release_is_not_granted_if_the_sync_before_it_fails(tmp_path, image, monkeypatch):
    house = House(tmp_path, "association")
    house.send(*image)

    def broken(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(house.spool, "sync_all", broken)
    assert not house.desk.releasing("a1")
    house.ledger.close()


def test_two_callers_at_once_do_not_both_take_a_peers_last_place(tmp_path):
    house = House(tmp_path)
    one = Peer("ct1", "CT1", "127.0.0.1", None, frozenset({"store"}), maximum_associations=1)
    house.desk._peers["ct1"] = one
    assert house.desk.admit(CALLER).peer is None  # the fixture's association has it
    house.desk.closed("a1", "released", 0)
    assert house.desk.admit(CALLER).peer == one
    assert "maximum_associations" in house.desk.admit(CALLER).reason  # before it is even opened
    house.ledger.close()


def test_an_image_that_a_power_cut_took_is_kept_when_it_is_sent_again(tmp_path, image):
    """Its row says that it is there; the copy that comes now must not count as one too many."""
    house = House(tmp_path, "association")
    assert house.send(*image).status == status.SUCCESS
    house.events()
    (file,) = house.files()
    os.truncate(file, 0)
    restore(house.rooms, "RADNODE")
    assert "instance_lost" in house.events()
    house.desk.opened("a2", "ct1", CALLER)
    assert house.send(*image).status == status.SUCCESS
    house.events()
    whole = [path for path in house.files() if path.read_bytes().endswith(image[0])]
    assert len(whole) == 1
    assert house.spool.path(house.ledger.instances_kept()[0][0]) == whole[0]
    house.ledger.close()


def test_an_image_that_cannot_be_read_for_a_moment_gets_its_row_later(house, image, monkeypatch):
    assert house.send(*image).status == status.SUCCESS

    def busy(*_):
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(header, "data_set_digest", busy)
        with pytest.raises(OSError, match="Too many"):
            house.writer.step()
    assert house.events() == ["association_opened", "instance_received"]


def test_who_asks_while_all_places_are_taken_is_refused_for_the_moment(tmp_path):
    house = House(tmp_path, maximum_associations=2)
    assert house.desk.admit(CALLER).peer == CT1
    assert house.desk.admit(CALLER).rejection is Rejection.LIMIT
    house.desk.closed("a1", "released", 0)
    assert house.desk.admit(CALLER).peer == CT1
    house.ledger.close()
