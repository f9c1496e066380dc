"""Input and peers for journeys: a real head, thinned so that a journey takes seconds."""

import pytest

from bench import orthanc, real_input
from tests.fakes.process import NodeProcess


@pytest.fixture(scope="session")
def head(tmp_path_factory):
    """The folder-cached NIfTI of the real T1 head."""
    return real_input.t1_head(real_input.DEFAULT_CACHE)


@pytest.fixture(scope="session")
def thin_head(head, tmp_path_factory):
    """A sagittal series of it: every fourth slice, two by two pixels averaged."""
    folder = tmp_path_factory.mktemp("thin")
    from dataclasses import replace

    labels = replace(real_input.DEFAULTS["MR"], shrink=2)
    written = real_input.write_series(head, folder, "MR", "sagittal", labels)
    return written[::4]


@pytest.fixture
def pacs(tmp_path):
    """A real Orthanc of its own."""
    if orthanc.find() is None:
        pytest.skip("Orthanc is not installed")
    with orthanc.Orthanc(tmp_path / "orthanc") as started:
        yield started


@pytest.fixture
def node(tmp_path, pacs):
    """A node that sends to that Orthanc, started."""
    with NodeProcess(tmp_path / "node", {"orthanc": pacs.port}) as started:
        yield started
