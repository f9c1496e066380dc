"""The listener does not grow with the number of images, nor with the size of one."""

import pytest

from tests.fakes.inventory import vitals
from tests.fakes.process import NodeProcess
from tests.wire.soaking import Soak, watched

RESIDENT_MB = 150


@pytest.fixture
def soak(tmp_path):
    node = NodeProcess(tmp_path / "node", node={"minimum_free_mb": 100})
    try:
        node.start(legs=("receive",))
        yield Soak(node)
    finally:
        node.kill()


def test_five_thousand_images_leave_memory_threads_and_descriptors_as_they_were(soak):
    first, last = soak.many(5000, print)
    soak.check()
    assert len(soak.answered) == 5000
    assert last.threads <= first.threads
    assert last.descriptors <= first.descriptors
    assert last.anonymous - first.anonymous < 15
    assert vitals(soak.pid).peak < RESIDENT_MB


def test_an_object_of_300_mb_passes_through_150(soak):
    watch = watched(soak, lambda: soak.large(300), print)
    assert len(soak.answered) == 1
    assert watch.resident < RESIDENT_MB
