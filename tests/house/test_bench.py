"""What the benchmarks hold on to in the node is there."""

import importlib
from functools import reduce

import pytest

from bench.turnaround.watched import DOORS


@pytest.mark.parametrize(("module", "path"), [door[:2] for door in DOORS])
def test_a_door_that_is_watched_is_there(module, path):
    assert callable(reduce(getattr, path.split("."), importlib.import_module(module)))
