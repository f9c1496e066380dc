"""What a receiver costs: CPU time and memory of its whole process tree, out of /proc (proc(5))."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PROC = Path("/proc")
SAMPLE_SECONDS = 0.25
_PARENT, _TIMES, _RESIDENT = 1, slice(11, 15), 21  # fields after the command's name


def cpu_seconds(root: int) -> float:
    """Give the CPU time of a process, its living descendants, and all that they waited for."""
    return sum(sum(map(int, fields[_TIMES])) for fields in _tree(root).values()) / TICKS


def settled_cpu_seconds(root: int, *, still: float = 0.05) -> float:
    """Give it once what goes on after the last answer (rows, sessions, exits) is done with.

    That is: once two looks `still` seconds apart agree to a tick, or after a second.
    """
    deadline = time.monotonic() + 1.0
    before = cpu_seconds(root)
    while time.monotonic() < deadline:
        time.sleep(still)
        now = cpu_seconds(root)
        if now - before < 1.5 / TICKS:
            return now
        before = now
    return before


class Memory:
    """Watches the resident memory of a process tree during a `with`; `peak` in bytes.

    Pages that processes share are counted for each. A process that ends between two looks is seen
    only as far as the looks go; one that lives on tells its own peak.
    """

    def __init__(self, root: int) -> None:
        """Prepare to watch the tree of process `root`."""
        self._root = root
        self._stop = Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self.peak = 0

    def __enter__(self) -> Self:
        """Forget former peaks, and begin."""
        for pid in _tree(self._root):
            _forget_peak(pid)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the last look."""
        self._stop.set()
        self._thread.join()
        self.peak = max(self.peak, sum(_own_peak(pid) for pid in _tree(self._root)))

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            pages = sum(int(fields[_RESIDENT]) for fields in _tree(self._root).values())
            self.peak = max(self.peak, pages * PAGE)


def _tree(root: int) -> dict[int, list[str]]:
    """Give the fields of a process and its descendants, ended ones that nobody waited for too."""
    everyone = dict(_everyone())
    found: dict[int, list[str]] = {}
    ring = {root} & everyone.keys()
    while ring:
        found |= {pid: everyone[pid] for pid in ring}
        ring = {pid for pid, fields in everyone.items() if int(fields[_PARENT]) in ring}
    return found


def _everyone() -> Iterator[tuple[int, list[str]]]:
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
            except OSError:  # it ended meanwhile
                continue
            yield int(folder.name), stat.rsplit(") ", 1)[1].split()


def _forget_peak(pid: int) -> None:
    try:
        (PROC / str(pid) / "clear_refs").write_text("5")
    except OSError:  # it ended, or is not ours: its peak is then one of all its life
        return


def _own_peak(pid: int) -> int:
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
