"""How many associations are open, of all processes that share a port, and of each peer."""

import mmap
from collections.abc import Iterator, Mapping, Sequence
from struct import Struct

_NUMBER = Struct("@i")


class Tally(Mapping[str, int]):
    """Counts in memory that forked processes share; each writes only its own.

    Two processes may give away a last place at the same moment; nothing worse comes of it than one
    association too many. A process that dies takes the node with it, so that no count stays.
    """

    def __init__(self, names: Sequence[str], processes: int) -> None:
        """Count for `names` in so many processes, before they are forked."""
        self._columns = {name: column for column, name in enumerate(names)}
        self._processes = processes
        self._own = 0
        self._shared = mmap.mmap(-1, max(1, len(names) * processes) * _NUMBER.size)

    def belong_to(self, process: int) -> None:
        """Say which of the processes this is, counted from 0."""
        self._own = process

    def change(self, name: str, by: int) -> None:
        """Count one more or less in this process; the caller sees to its own threads."""
        at = self._at(name, self._own)
        _NUMBER.pack_into(self._shared, at, _NUMBER.unpack_from(self._shared, at)[0] + by)

    def __getitem__(self, name: str) -> int:
        """Give the number of all processes together."""
        return sum(
            _NUMBER.unpack_from(self._shared, self._at(name, process))[0]
            for process in range(self._processes)
        )

    def __iter__(self) -> Iterator[str]:
        """Give the names."""
        return iter(self._columns)

    def __len__(self) -> int:
        """Give the number of names."""
        return len(self._columns)

    def total(self) -> int:
        """Give how many there are of all."""
        return sum(self[name] for name in self)

    def _at(self, name: str, process: int) -> int:
        return (process * len(self._columns) + self._columns[name]) * _NUMBER.size
