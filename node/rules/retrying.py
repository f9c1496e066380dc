"""After a failure: again when, or never."""

from dataclasses import dataclass
from datetime import datetime, timedelta

REFUSED_PAUSE_SECONDS = 60.0
"""So long after a destination would not vouch for what it had accepted, it is sent again."""


@dataclass(frozen=True, slots=True)
class Persistence:
    """How stubbornly to try: the first pause, the longest, and when to give up (seconds)."""

    first: float = 5.0
    longest: float = 300.0
    give_up: float = 259_200.0

    @property
    def longest_wait(self) -> float:
        """The longest that anything waits to be sent, for whatever reason (seconds)."""
        return max(self.longest, REFUSED_PAUSE_SECONDS)


def pause(attempts: int, persistence: Persistence) -> float:
    """Give the pause in seconds after so many attempts: doubled each time, up to the longest.

    No random part: a node sends to few destinations, and each has one queue of ours.
    """
    doublings = min(max(attempts - 1, 0), 30)
    return min(persistence.first * 2.0**doublings, persistence.longest)


def next_try(
    attempts: int, first_tried: datetime, now: datetime, persistence: Persistence
) -> datetime | None:
    """Say when to try again, or None when it is time to give up and tell a person."""
    if (now - first_tried).total_seconds() >= persistence.give_up:
        return None
    return now + timedelta(seconds=pause(attempts, persistence))
