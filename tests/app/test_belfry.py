"""Work for a leg of another process wakes it at once, and dead processes leave nothing behind."""

import os
import stat
import subprocess
import sys
from threading import Event as Signal

import pytest

from node.app.belfry import Belfry, DistantBell, bells_of
from node.stages.turning import Bell

LEGS = frozenset(("receive", "settle", "infer", "deliver", "confirm", "sweep", "prepare"))
RING = "import sys; from pathlib import Path; from node.app.belfry import Belfry\n"
RING += "Belfry(Path(sys.argv[1])).ring(sys.argv[2])"


class Heard(Bell):
    """A bell that says when it was rung."""

    def __init__(self):
        super().__init__()
        self.rung = Signal()

    def ring(self):
        self.rung.set()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "bells"


def ring_from_elsewhere(folder, leg):
    subprocess.run([sys.executable, "-c", RING, str(folder), leg], check=True)


def test_a_ring_of_another_process_is_heard_by_the_leg_it_is_for(folder):
    infer, deliver = Heard(), Heard()
    ears = Belfry(folder).listen({"infer": infer, "deliver": deliver})
    try:
        ring_from_elsewhere(folder, "infer")
        assert infer.rung.wait(10)
        assert not deliver.rung.is_set()
    finally:
        ears.close()
    assert list(folder.iterdir()) == []


def test_every_process_that_serves_a_leg_is_rung(folder, monkeypatch):
    bells, ears = [Heard(), Heard()], []
    for number, bell in enumerate(bells):
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda number=number: 100 + number)
            ears.append(Belfry(folder).listen({"infer": bell}))
    DistantBell(Belfry(folder), "infer").ring()
    assert all(bell.rung.wait(10) for bell in bells)
    for one in ears:
        one.close()


def test_a_thousand_rings_at_once_block_nobody(folder):
    bell = Heard()
    ears = Belfry(folder).listen({"infer": bell})
    for _ in range(1000):
        Belfry(folder).ring("infer")
    assert bell.rung.wait(10)
    ears.close()


def test_the_pipe_of_a_process_that_was_killed_is_taken_away(folder):
    hold = f"{RING.splitlines()[0]}\nfrom node.stages.turning import Bell\nimport os\n"
    hold += "Belfry(Path(sys.argv[1])).listen({'infer': Bell()}); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", hold, str(folder)], check=False)
    (left,) = folder.iterdir()
    assert stat.S_ISFIFO(left.stat().st_mode)
    Belfry(folder).ring("infer")
    assert list(folder.iterdir()) == []


def test_the_pipe_of_another_host_is_left_alone(folder):
    folder.mkdir()
    os.mkfifo(folder / "infer@another@12")
    Belfry(folder).ring("infer")
    assert [one.name for one in folder.iterdir()] == ["infer@another@12"]


def test_legs_that_are_served_elsewhere_are_rung_there(folder):
    bells = bells_of(Belfry(folder), LEGS, frozenset(("receive", "settle", "confirm", "sweep")))
    assert isinstance(bells["infer"], DistantBell)
    assert isinstance(bells["prepare"], DistantBell)
    assert not isinstance(bells["settle"], DistantBell)
    preparing, delivering = Heard(), Heard()
    ears = Belfry(folder).listen({"prepare": preparing, "deliver": delivering})
    bells["settle"].ring()
    assert preparing.rung.wait(10), "who prepares a series is rung when images came"
    assert not delivering.rung.is_set()
    ears.close()
