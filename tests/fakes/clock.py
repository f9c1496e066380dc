"""A clock that stands still until it is told to go on."""

from datetime import UTC, datetime, timedelta
from threading import Lock


class FakeClock:
    """Gives the time that it was set to; `advance` is the only thing that makes it pass."""

    def __init__(self, start: datetime = datetime(2024, 3, 1, 8, 0, tzinfo=UTC)) -> None:
        """Start at `start`, in UTC; the clock that never jumps starts at 0."""
        self._lock = Lock()
        self._now = start
        self._monotonic = 0.0

    def now(self) -> datetime:
        """Say what time it is, in UTC."""
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        """Give the seconds that were advanced."""
        with self._lock:
            return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass, on both clocks."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self._monotonic += seconds

    def set_back(self, seconds: float) -> None:
        """Set the wall clock back, as an administrator or a bad time server may."""
        with self._lock:
            self._now -= timedelta(seconds=seconds)
