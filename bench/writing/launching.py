"""Starts a program from a process that is small itself, and says what it cost.

    python -I -S bench/writing/launching.py PROGRAM ARGUMENT...

To a process whose memory was large when it started another, Linux counts that as the other's peak:
`true` started by a benchmark that holds a gigabyte would have needed a gigabyte. So this imports
next to nothing.
"""

import json
import os
import sys
import time


def main() -> int:
    """Run it to its end, silently; print seconds, CPU seconds and peak memory (wait4(2))."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    silent = [(os.POSIX_SPAWN_DUP2, nowhere, 1), (os.POSIX_SPAWN_DUP2, nowhere, 2)]
    began = time.perf_counter()
    pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=silent)
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - began
    cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_mb": peak}))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
