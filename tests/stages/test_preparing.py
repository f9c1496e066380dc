"""What is done before a series has settled: it may be wrong, and never changes what comes out."""

from dataclasses import replace

import pydicom
import pytest

from node.dicom.volume import read_volume
from node.rules.nouns import Caller, Habit, SeriesEvidence, Signal
from node.rules.speculating import Eagerness, is_likely_complete
from node.stages.prepare import KEPT_SECONDS
from tests.fakes.clock import FakeClock
from tests.fakes.scanner import Scanner
from tests.stages.department import IMAGES, UID


def before(finished):
    return finished["findings"]["before_settling"]


def test_what_was_read_early_gives_the_same_bytes_as_what_is_read_at_once(department):
    early, late = department("one"), department("other", Eagerness(series=0))
    for order in ([5, 4, 3], [11, 0], [1, 2, 6, 7, 8, 9, 10], range(12, IMAGES)):
        early.send(order)
        late.send(order)
    early.release()
    late.release()
    assert before(early.finish()) == {"images": IMAGES, "looked": False, "followed": False}
    assert before(late.finish()) == {"images": 0, "looked": False, "followed": False}
    assert early.results() == late.results()
    assert {"SEG", "SR"} <= set(early.results())


def test_a_look_before_settling_gives_the_same_bytes_as_one_after(department):
    early, late = department("one"), department("other", Eagerness(guesses=0))
    for one in (early, late):
        one.send(range(IMAGES))
        one.release()
        one.prepare.step()
    assert before(early.finish()) == {"images": IMAGES, "looked": True, "followed": False}
    assert before(late.finish()) == {"images": IMAGES, "looked": False, "followed": False}
    assert early.results() == late.results()


def test_nothing_leaves_before_the_series_has_settled(department):
    here = department()
    here.send(range(IMAGES))
    here.release()
    here.prepare.step()
    assert here.desk.get(UID).findings is not None
    here.infer.step()
    assert here.results() == {}
    assert here.home.ledger.destinations_waiting() == {}


def test_a_slice_that_comes_after_the_look_is_in_the_result(department):
    here, whole = department("one"), department("other", Eagerness(series=0))
    here.send(range(IMAGES - 1))
    here.release()
    here.prepare.step()
    assert here.desk.get(UID).findings is not None
    here.send([IMAGES - 1])
    assert here.desk.get(UID).findings is None
    whole.send(range(IMAGES))
    assert before(here.finish()) == {"images": IMAGES, "looked": False, "followed": False}
    whole.release()
    whole.finish()
    assert here.results() == whole.results()


def test_a_slice_that_was_not_read_yet_is_in_the_result(department):
    here = department()
    here.send(range(IMAGES - 1))
    here.release()
    here.prepare.step()
    prepared, here.prepare.step = here.prepare.step, lambda: 0.0
    here.send([IMAGES - 1])
    here.prepare.step = prepared
    finished = here.finish()
    assert before(finished) == {"images": IMAGES - 1, "looked": False, "followed": False}
    volume = read_volume(here.images, here.prepare._shelf.get("bright").manifest.requirement)
    assert len(volume.voxels) == IMAGES


def test_a_fragment_is_looked_at_only_so_often(department):
    here = department(eagerness=Eagerness(guesses=2))
    looked = []
    real = here.prepare._runner.predict
    here.prepare._runner.predict = lambda *a, **k: looked.append(1) or real(*a, **k)
    for first in range(0, 12, 3):
        here.send(range(first, first + 3))
        here.release()
        here.prepare.step()
        here.home.ledger.association_opened(f"a{first}", "mr1", Caller("MR1", "RADNODE", "x"))
    del here.prepare._runner.predict
    assert len(looked) == 2


def test_a_series_that_takes_too_much_memory_is_left_to_its_job(department, capsys):
    here = department(eagerness=Eagerness(megabytes=0.004))
    here.send(range(IMAGES))
    assert here.desk.all() == []
    assert "series_not_prepared" in capsys.readouterr().err
    here.release()
    assert before(here.finish()) == {"images": 0, "looked": False, "followed": False}


def test_only_so_many_series_are_read_at_once(department):
    here = department(eagerness=Eagerness(series=2))
    here.send(range(3))
    here.send(range(3, 6), "1.2.3.4")
    here.send(range(6, 9), "1.2.3.4.5")
    assert len(here.desk.all()) == 2


def test_what_no_route_wants_is_not_read(department):
    here = department()
    here.send(range(IMAGES), modality="CT")
    assert here.desk.all() == []


def test_an_image_that_cannot_be_read_ends_preparation_and_not_the_node(department, capsys):
    here = department()
    here.send(range(3))
    here.send([5, 6])
    assert len(here.desk.get(UID).names) == 5
    real = here.spool.path
    here.prepare._spool = type("Failing", (), {"path": lambda _, name: real(name + ".gone")})()
    here.send([7])
    assert here.desk.all() == []
    assert "FileNotFoundError" in capsys.readouterr().err


def test_what_no_job_takes_goes_after_a_while(department):
    here = department()
    here.send(range(IMAGES))
    here.release()
    here.clock.advance(10)
    here.settle.step()
    here.clock.advance(10)
    here.settle.step()
    here.prepare.step()
    assert len(here.desk.all()) == 1
    here.clock.advance(KEPT_SECONDS + 1)
    here.prepare.step()
    assert here.desk.all() == []


ORDERS = {
    "in order": list(range(IMAGES)),
    "backwards": list(reversed(range(IMAGES))),
    "in leaps": [*range(0, IMAGES, 3), *range(1, IMAGES, 3), *range(2, IMAGES, 3)],
    "the first one last": [*range(1, IMAGES), 0],
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_a_series_that_was_followed_gives_the_same_bytes(department, order):
    followed = department("one", Eagerness(guesses=0), "windowed")
    whole = department("other", Eagerness(series=0), "windowed")
    for first in range(0, IMAGES, 8):
        followed.send(order[first : first + 8])
        whole.send(order[first : first + 8])
    followed.release()
    whole.release()
    assert before(followed.finish()) == {"images": IMAGES, "looked": False, "followed": True}
    assert before(whole.finish()) == {"images": 0, "looked": False, "followed": False}
    assert followed.results() == whole.results()
    assert not followed.spool.work_names()


def test_windows_run_while_slices_still_arrive(department):
    here = department(model="windowed", eagerness=Eagerness(guesses=0))
    here.send(range(IMAGES - 5))
    here.send(range(IMAGES - 5, IMAGES))
    here.release()
    steps = here.finish()["findings"]["steps"]
    assert steps["while it arrived"] > 0


def test_a_series_whose_slices_lie_otherwise_than_its_first_ones_is_run_as_a_whole(department):
    here = department(model="windowed", eagerness=Eagerness(guesses=0))
    whole = department("other", Eagerness(series=0), "windowed")
    for one in (here, whole):
        one.images = Scanner(rows=24, columns=20, slice_spacing=2.0).save(one.folder / "wide", 20)
        for image in one.images[::2]:  # every other one: the step seems twice as large at first
            read = pydicom.dcmread(image)
            del read.SpacingBetweenSlices
            read.InstanceNumber = read.InstanceNumber // 2 + 1
            read.save_as(image)
        one.send(range(0, 20, 2))
        one.send(range(1, 20, 2))
        one.release()
        one.finish()
    assert here.results() == whole.results()


def test_one_series_is_followed_at_a_time(department):
    here = department(model="windowed", eagerness=Eagerness(guesses=0))
    here.send(range(8))
    here.send(range(8, 16), "1.2.3.4")
    followed = [uid for uid, one in here.desk.all() if one.following is not None]
    assert followed == [UID]
    assert len(here.desk.all()) == 2


def test_a_model_that_crashes_meanwhile_looks_at_the_whole_volume(department, models):
    here = department(model="windowed", eagerness=Eagerness(guesses=0))
    here.send(range(IMAGES - 5))
    models[1].close()
    here.send(range(IMAGES - 5, IMAGES))
    here.release()
    assert before(here.finish()) == {"images": IMAGES, "looked": False, "followed": False}
    assert "SEG" in here.results()


def evidence(**changes):
    now = FakeClock().now()
    made = SeriesEvidence(
        UID, "1.2", 1, 20, now, now, 0, now, aborted=False, attributes={"Modality": "CT"}
    )
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("changes", "quiet", "likely"),
    [
        ({}, 0.4, True),
        ({}, 0.2, False),
        ({"open_associations": 1}, 9.0, False),
        ({"last_closed": None}, 9.0, False),
        ({"aborted": True}, 9.0, False),
        ({"habit": Habit(30, 2.0)}, 1.0, False),
        ({"habit": Habit(30, 2.0)}, 2.1, True),
        ({"signals": (Signal("MPPS", 21),)}, 9.0, False),
        ({"signals": (Signal("MPPS", 20),), "open_associations": 1}, 0.4, True),
        ({"attributes": {"ImagesInAcquisition": 21.0}}, 9.0, False),
        ({"attributes": {"ImagesInAcquisition": 20.0}, "open_associations": 1}, 0.4, True),
        ({"signals": (Signal("the PACS", 20, firm=False),), "open_associations": 1}, 9.0, False),
    ],
)
def test_a_look_before_settling_is_worth_it_when(changes, quiet, likely):
    assert is_likely_complete(evidence(**changes), quiet, Eagerness()) == likely
