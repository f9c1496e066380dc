"""Keeps the processes of several models warm, as many as fit into the memory allowed for them.

Each model has a process of its own, so that one which crashes takes no other with it, and so that
letting one go gives back all of its memory at once: frameworks hardly ever do that by themselves.
When there is too little room, the model that was asked longest ago goes first.
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

    def __init__(self, start: Callable[[], Child], budget_mb: float = 0.0) -> None:
        """Prepare; nothing is started yet.

        Args:
            start: starts a process that has loaded nothing.
            budget_mb: what all warm processes may hold together; 0: half of the machine's memory.
        """
        self._start = start
        self._budget_mb = budget_mb or machine_mb() / 2
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
        child = self._start()
        self._warm[serves] = child
        return child

    def settle(self, serves: str) -> None:
        """After a process has worked: remember what it holds, and let others go if need be."""
        child = self._warm.get(serves)
        if child is not None:
            self._known_mb[serves] = max(child.memory_mb, self._known_mb.get(serves, 0.0))
        while len(self._warm) > 1 and self.held_mb > self._budget_mb:
            self.drop(next(name for name in self._warm if name != serves))

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
        return sum(child.memory_mb for child in list(self._warm.values()))

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
