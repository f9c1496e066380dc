"""The one door through which time comes in."""

import time
from datetime import datetime, timezone
from typing import Protocol


class Clock(Protocol):
    """What the rest of the node may ask about time."""

    def now(self) -> datetime:
        """Say what time it is, in UTC, with microseconds."""
        ...

    def monotonic(self) -> float:
        """Give seconds on a clock that never jumps, for measuring how long something took."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Say what time it is, in UTC, with microseconds."""
        return datetime.now(timezone.utc)  # noqa: UP017 - a Jetson runs models by 3.10

    def monotonic(self) -> float:
        """Give seconds on a clock that never jumps, for measuring how long something took."""
        return time.monotonic()
