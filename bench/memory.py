"""The most memory that this process has held since a moment, as the kernel counts it.

The usual figure (`ru_maxrss`) begins with what the parent held when it started the process, and so
says nothing of a process that takes less than that.
"""

import re
from pathlib import Path

_RESET_PEAK = "5"


def reset_peak() -> int:
    """Begin anew; give what is held now, in kB (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text(_RESET_PEAK)
    return peak_kb()


def peak_kb() -> int:
    """Give the most that was held since then, in kB."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])
