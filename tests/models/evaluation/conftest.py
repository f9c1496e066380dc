"""Bundles and cases that several tests of the evaluation room look at."""

import pytest

from models.evaluation.running import Seat, open_bundle
from tests.models.evaluation.making import a_bundle


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Several threads wait for each other on a machine that others use, too."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def bundle_folder(tmp_path_factory):
    return a_bundle(tmp_path_factory.mktemp("bundles") / "bright")


@pytest.fixture(scope="module")
def seat(bundle_folder):
    with Seat(open_bundle(bundle_folder)) as seat:
        yield seat
