"""Journal lines: an event from the closed list, and fields that cannot hold a patient."""

import sys
from contextlib import suppress
from enum import StrEnum
from threading import Lock

FIELDS = frozenset(
    [
        "ae",
        "address",
        "attempts",
        "bundle",
        "delivery",
        "destination",
        "edition",
        "error",
        "instances",
        "job",
        "leg",
        "reason",
        "route",
        "seconds",
        "series",
        "size",
        "sop",
        "state",
        "status",
        "study",
        "worker",
        "peer",
        "count",
        "version",
    ]
)
"""The only names a line may carry; anything else is a bug and raises, so that no tag slips in."""

_lock = Lock()
_levels = {"debug": 7, "info": 6, "warning": 4, "error": 3}
_quiet = {"below": 7}


def keep_from(level: str) -> None:
    """Say nothing below this level (debug, info, warning, error)."""
    _quiet["below"] = _levels[level]


def say(event: StrEnum | str, level: str = "info", **fields: object) -> None:
    """Write one line to stderr: `<6>event key=value …`, the syslog prefix that journald reads.

    Raises:
        ValueError: a field is not in `FIELDS`.
    """
    unknown = fields.keys() - FIELDS
    if unknown:
        raise ValueError(f"not a journal field: {', '.join(sorted(unknown))}")
    if _levels[level] > _quiet["below"]:
        return
    parts = [f"{key}={_plain(value)}" for key, value in fields.items() if value is not None]
    with _lock, suppress(OSError, ValueError):  # a journal that is full or gone stops nothing
        sys.stderr.write(f"<{_levels[level]}>{' '.join([str(event), *parts])}\n")
        sys.stderr.flush()


def _plain(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    text = "".join(char if char.isprintable() else "?" for char in text)
    return f'"{text}"' if " " in text or not text else text
