"""kill -9 while four senders send: every image that was answered for is there, once, unharmed."""

import time

from tests.journeys.kill_under_load import run


def test_nothing_that_was_answered_for_is_lost_however_often_it_is_killed(tmp_path):
    seed = int(time.time())
    books, found, kept = run(tmp_path / "node", kills=6, seed=seed)
    assert found == [], f"seed {seed}"
    assert len(books.answered) > 50
    assert books.answered.keys() <= kept.keys()
    assert len(kept) <= len(books.sent)
