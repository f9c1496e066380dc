"""Tells whether files were touched since they were last looked at, without reading them again."""

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

Standing: TypeAlias = tuple[tuple[str, int, int, int, int], ...]
"""Of each file or folder: path, inode, size, and when content and inode were last changed (ns)."""

SETTLED_SECONDS = 2.0
"""A file may change twice within one tick of its clock: so fresh a look is not relied upon."""


def standing_of(places: Iterable[Path]) -> Standing:
    """Look at some files, and at all in some folders and the folders themselves.

    What is not there counts as such; links are not followed.

    Nobody but the superuser can change a file and leave the time of its inode as it was.
    """
    found: list[tuple[str, int, int, int, int]] = []
    for place in places:
        inside = [
            Path(at) / name for at, *names in os.walk(place) for name in [*names[0], *names[1]]
        ]
        for path in (place, *inside):
            try:
                seen = path.lstat()
            except OSError:
                found.append((str(path), 0, 0, 0, 0))
                continue
            told = (seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
            found.append((str(path), *told))
    return tuple(sorted(found))


def is_old(standing: Standing, now: datetime) -> bool:
    """Say whether all of it has stood so long that a change would show."""
    newest = max((max(one[3:]) for one in standing), default=0)
    return now.timestamp() - newest / 1e9 > SETTLED_SECONDS
