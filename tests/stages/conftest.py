"""Departments on a little shelf, shared by the tests of the stages."""

import pytest

from node.bundles.runner import Runner
from node.bundles.shelf import Shelf
from tests.bundles.making import WINDOWED, bright
from tests.stages.department import Department
from tests.stages.ward import Ward


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A shelf with a little model that needs the whole volume, and one that can be followed."""
    made = tmp_path_factory.mktemp("made")
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    for folder in (bright(made / "bright"), bright(made / "windowed", WINDOWED)):
        added = shelf.add(folder)
        assert not hasattr(added, "reason"), added
    runner = Runner(threads=1)
    yield shelf, runner
    runner.close()


@pytest.fixture
def department(tmp_path, models):
    made = []

    def make(name="one", eagerness=None, model="bright"):
        made.append(Department(tmp_path / name, models, eagerness, model))
        return made[-1]

    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    yield make
    for one in made:
        one.home.close()


@pytest.fixture
def ward(tmp_path):
    """A settle leg alone, on simulated time."""
    made = Ward(tmp_path)
    yield made
    made.home.close()
