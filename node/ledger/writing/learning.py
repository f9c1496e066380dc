"""Writes down what a settled series teaches of its senders: how they pause, and how they split."""

from itertools import pairwise

from sqlalchemy import insert, select, update

from node.ledger.schema import association, feeding, habit, instance
from node.ledger.transactions import Page

LONGEST_PAUSE = 600.0
"""A longer pause (s) inside a series is no habit: something was repaired, or sent by hand."""
FADING = 0.95
"""What is left of the longest pause after each series without such a one."""


def learn(page: Page, series_uid: str) -> None:
    """Learn of each sender for how long it pauses inside a series, and whether it sent in parts."""
    query = select(instance.c.calling_ae, instance.c.received_at).where(
        instance.c.series_instance_uid == series_uid
    )
    received: dict[str, list[float]] = {}
    for sender, at in page.connection.execute(query.order_by(instance.c.received_at)):
        received.setdefault(sender, []).append(at.timestamp())
    in_parts = _in_parts(page, series_uid)
    for sender, moments in sorted(received.items()):
        pauses = [after - before for before, after in pairwise(moments)]
        longest = max((pause for pause in pauses if pause <= LONGEST_PAUSE), default=0.0)
        _remember(page, sender, longest, int(sender in in_parts))


def _in_parts(page: Page, series_uid: str) -> set[str]:
    """Name the senders that released an association and brought more over a later one.

    Several at once are no parts: all have to end before the series can settle. Nor is what was
    sent again after an association broke.
    """
    query = (
        select(association)
        .join(feeding, feeding.c.association == association.c.association)
        .where(feeding.c.series_instance_uid == series_uid)
    )
    rows = page.connection.execute(query).mappings().all()
    ended: dict[str, list[float]] = {}
    for row in rows:
        if row["outcome"] == "released" and row["closed_at"] is not None:
            ended.setdefault(row["calling_ae"], []).append(row["closed_at"].timestamp())
    return {
        row["calling_ae"]
        for row in rows
        if row["calling_ae"] in ended
        and row["opened_at"].timestamp() >= min(ended[row["calling_ae"]])
    }


def _remember(page: Page, sender: str, longest: float, split: int) -> None:
    same = habit.c.calling_ae == sender
    known = page.connection.execute(select(habit).where(same)).mappings().first()
    pause = round(longest * 1000)
    if known is None:
        row = {"calling_ae": sender, "series": 1, "pause_ms": pause, "splits": split}
        page.connection.execute(insert(habit), row)
        return
    values = {
        "series": known["series"] + 1,
        "pause_ms": max(pause, int(known["pause_ms"] * FADING)),
        "splits": known["splits"] + split,
    }
    page.connection.execute(update(habit).where(same).values(**values))
