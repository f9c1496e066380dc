"""A scanner: sends a series over one association or several, at its pace, and with pauses."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.receive.speaking import Association, fragments
from bench.turnaround.series import SOP_CLASS, Series

SCANNER_PER_SECOND = 30.0
"""Slices that a scanner reconstructs and sends in a second."""


@dataclass(frozen=True, slots=True)
class Part:
    """Slices `first` up to `end`, `pause` seconds after what was before.

    `opens` begins a new association for them, having released the one before at once. `aborts`
    breaks it off behind them.
    """

    first: int
    end: int
    pause: float = 0.0
    opens: bool = False
    aborts: bool = False


def whole(series: Series) -> list[Part]:
    """Plan to send all of it over one association."""
    return [Part(0, series.slices, opens=True)]


@dataclass(frozen=True, slots=True)
class Scanner:
    """Where it sends to, and how many slices in a second (0: as fast as they are taken)."""

    port: int
    called: str
    per_second: float = 0.0

    def send(self, series: Series, parts: Sequence[Part]) -> float:
        """Send parts of a series.

        Returns:
            The moment of the last C-STORE's answer, in seconds of the monotonic clock.

        Raises:
            RefusedError: an association, or an image, was not taken.
            OSError: the connection failed.
        """
        last, number = 0.0, 0
        while number < len(parts):
            time.sleep(parts[number].pause if number else 0.0)
            with Association(self.port, self.called, SOP_CLASS, echoes=False) as association:
                last = self._store(association, series, parts[number])
                number += 1
                while number < len(parts) and not parts[number].opens:
                    time.sleep(parts[number].pause)
                    last = self._store(association, series, parts[number])
                    number += 1
                if parts[number - 1].aborts:
                    association.abort()
        return last

    def interleave(self, together: Sequence[Series]) -> float:
        """Send several series over one association, a slice of each in turn; see `send`."""
        last = 0.0
        with Association(self.port, self.called, SOP_CLASS, echoes=False) as association:
            for number in range(max(one.slices for one in together)):
                for series in together:
                    if number < series.slices:
                        last = self._store(association, series, Part(number, number + 1))
        return last

    def _store(self, association: Association, series: Series, part: Part) -> float:
        began = last = time.monotonic()
        for number in range(part.first, part.end):
            encoded = series.encoded(number)
            if self.per_second:
                due = began + (number - part.first) / self.per_second
                time.sleep(max(0.0, due - time.monotonic()))
            association.store(
                series.uid(number).encode(), list(fragments(encoded, association.maximum))
            )
            last = time.monotonic()
        return last
