"""Whatever bytes a peer sends, we answer, reject or abort, and go on listening."""

import time

import pytest

from tests.wire.fuzzing import Fuzz

SECONDS = {"fast": 40, "plain": 20}
"""Together the minute of CI; `python -m tests.wire.fuzzing --seconds 600` takes longer."""


@pytest.mark.parametrize("path", SECONDS)
def test_whatever_a_peer_sends_it_goes_on_listening(tmp_path, path):
    """The seed is new each time, and told when it fails."""
    Fuzz(tmp_path / path, path, int(time.time())).run(SECONDS[path])
