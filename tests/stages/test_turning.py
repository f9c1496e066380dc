"""The loop of a leg: it wakes for work, stops when told, and takes its time after a failure."""

import threading
import time

import pytest

from node.stages.turning import Bell, turn


class Failing:
    """A leg whose database is away."""

    name = "failing"

    def __init__(self):
        self.steps = 0

    def step(self):
        self.steps += 1
        raise ConnectionError


def test_work_that_comes_in_does_not_shorten_the_pause_after_a_failure():
    """Images ring the bell by the hundred: the patience must not be gone within a second."""
    leg, bell = Failing(), Bell()
    thread = threading.Thread(target=turn, args=(leg, bell, lambda _: None), daemon=True)
    thread.start()
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        bell.ring()
        time.sleep(0.005)
    assert 1 <= leg.steps <= 4
    bell.stop()
    thread.join(2)
    assert not thread.is_alive(), "the stop ends a pause at once"


def test_a_leg_that_only_fails_gives_up_in_the_end(monkeypatch):
    leg, bell = Failing(), Bell()
    monkeypatch.setattr(bell, "pause", lambda _: None)
    with pytest.raises(ConnectionError):
        turn(leg, bell, lambda _: None)
    assert leg.steps == 20
