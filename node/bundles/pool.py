"""Keeps the processes of several models warm, as many as fit into the memory allowed for them.

Each model has a process of its own, so that one which crashes takes no other with it, and so that
letting one go gives back all of its memory at once: frameworks hardly ever do that by themselves.
An accelerator's memory has a bound of its own, unless it is the machine's, as on a Jetson. When
there is too little room, the model that was asked longest ago goes first.
"""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from node.bundles.process import Child

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup/memory.max")
BEFORE_KNOWN_MB = 300.0
"""What a process holds besides three times its weights, until it has told itself."""
MEGABYTE = 1 << 20


class Pool:
    """Warm processes by what they serve, the one asked last at the end."""

    def __init__(
        self,
        start: Callable[[], Child],
        budget_mb: float = 0.0,
        card_mb: float = 0.0,
        *,
        shared: bool = False,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            start: starts a process that has loaded nothing.
            budget_mb: what all warm processes may hold together; 0: half of the machine's memory.
            card_mb: the same of the accelerator's memory; 0: nobody knows, so there is no bound.
            shared: whether that memory is the machine's own, as on a Jetson.
        """
        self._start = start
        self._budget_mb = budget_mb or machine_mb() / 2
        self._card_mb = 0.0 if shared else card_mb
        self._shared = shared
        self._known_card_mb: dict[str, float] = {}
        self._warm: OrderedDict[str, Child] = OrderedDict()
        self._known_mb: dict[str, float] = {}

    def get(self, serves: str) -> Child | None:
        """Give the warm process that serves this very network, None when there is none."""
        child = self._warm.get(serves)
        if child is None:
            return None
        if child.is_gone():
            self.drop(serves)
            return None
        self._warm.move_to_end(serves)
        return child

    def add(self, serves: str, weights: Path) -> Child:
        """Start a process for a network that is none's yet, when need be in another's place."""
        expected = self._known_mb.get(serves, BEFORE_KNOWN_MB + 3 * _size_mb(weights))
        while self._warm and self.held_mb + expected > self._budget_mb:
            self.drop(next(iter(self._warm)))
        on_card = self._known_card_mb.get(serves, 0.0)
        while self._card_mb and self._card_holders() and self._on_card() + on_card > self._card_mb:
            self.drop(self._card_holders()[0])
        child = self._start()
        self._warm[serves] = child
        return child

    def settle(self, serves: str) -> None:
        """After a process has worked: remember what it holds, and let others go if need be."""
        child = self._warm.get(serves)
        if child is not None:
            self._known_mb[serves] = max(self._held_by(child), self._known_mb.get(serves, 0.0))
            known = self._known_card_mb.get(serves, 0.0)
            self._known_card_mb[serves] = max(child.card_mb, known)
        while len(self._warm) > 1 and self.held_mb > self._budget_mb:
            self.drop(next(name for name in self._warm if name != serves))
        while self._card_mb and self._on_card() > self._card_mb:
            others = [name for name in self._card_holders() if name != serves]
            if not others:
                break
            self.drop(others[0])

    def _card_holders(self) -> list[str]:
        """List who holds some of the accelerator's memory, the one asked longest ago first."""
        return [name for name, child in list(self._warm.items()) if child.card_mb > 0]

    def _on_card(self) -> float:
        return sum(child.card_mb for child in list(self._warm.values()))

    def _held_by(self, child: Child) -> float:
        return child.memory_mb + (child.card_mb if self._shared else 0.0)

    def drop(self, serves: str) -> None:
        """End one process, if it is there."""
        child = self._warm.pop(serves, None)
        if child is not None:
            child.kill()

    def close(self) -> None:
        """End all; safe from any thread."""
        while self._warm:
            try:
                _, child = self._warm.popitem()
            except KeyError:
                return
            child.kill()

    @property
    def held_mb(self) -> float:
        """What all warm processes hold together, as they last said."""
        return sum(self._held_by(child) for child in list(self._warm.values()))

    @property
    def process_ids(self) -> list[int]:
        """Process ids, the one asked last at the end."""
        return [child.process.pid for child in list(self._warm.values())]


def machine_mb() -> float:
    """Say how much memory there is for us: the machine's, or less where a cgroup says so."""
    total = 4096.0
    for line in _lines(MEMINFO):
        if line.startswith("MemTotal:"):
            total = int(line.split()[1]) / 1024
    for line in _lines(CGROUP):
        if line.isdecimal():
            total = min(total, int(line) / MEGABYTE)
    return total


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split("\n")
    except OSError:
        return []


def _size_mb(weights: Path) -> float:
    """Add up what belongs to a weight file: OpenVINO keeps numbers in a file of their own."""
    paths = {weights, weights.with_suffix(".bin")}
    return sum(path.stat().st_size for path in paths if path.is_file()) / MEGABYTE
