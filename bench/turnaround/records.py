"""What is written down of a journey from the last slice to the result, and what follows from it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

Span = tuple[float, float]
"""From when to when, in seconds of the monotonic clock."""
Step = tuple[str, float, float]
"""A name, and from when to when."""

RESULT = "result"
MODEL, SEG = "model", "SEG"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the model: when it began, and on how many slices."""

    began: float
    images: int


@dataclass(slots=True)
class Record:
    """One journey: times in seconds after the last C-STORE was answered.

    `waiting` is the quiet time by configuration that this contender waited for, `reason` why;
    `steps` are what it did, those before the last slice with times below 0; `runs` are the model's
    runs, `frames` is the digest of the segmentation's. `turnaround` is None when no result came.
    """

    round: int
    condition: str
    contender: str
    turnaround: float | None
    waiting: float
    sending: float = 0.0
    reason: str = ""
    steps: list[Step] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    frames: str = ""

    def seconds(self, name: str) -> float:
        """Give how long steps of a name took after the last slice and before the result."""
        return covered(self._spans([name]), self.turnaround or 0.0)

    @property
    def waited(self) -> float:
        """Give how much of the turnaround was quiet time by configuration."""
        return min(self.waiting, self.turnaround or 0.0)

    @property
    def overhead(self) -> float:
        """Give how long neither the configured wait, nor the model, nor SEG encoding went on."""
        busy = [*self._spans([MODEL, SEG]), (0.0, self.waiting)]
        whole = self.turnaround or 0.0
        return whole - covered(busy, whole)

    @property
    def mask(self) -> float | None:
        """Give how long after the last slice the mask stood, the wait before it apart."""
        spans = [span for span in self._spans([MODEL]) if span[1] > 0]
        if not spans:
            return None
        began, ended = spans[-1]
        return ended - min(self.waiting, max(began, 0.0))

    def _spans(self, names: Iterable[str]) -> list[Span]:
        wanted = set(names)
        return [(began, ended) for name, began, ended in self.steps if name in wanted]


def covered(spans: Sequence[Span], until: float) -> float:
    """Give how much of the time from 0 to `until` the spans cover together."""
    return sum(end - begin for begin, end in _united(spans, until))


def _united(spans: Sequence[Span], until: float) -> Iterator[Span]:
    last = 0.0
    for began, ended in sorted(spans):
        begin, end = max(began, last), min(ended, until)
        if end > begin:
            yield begin, end
            last = end
