"""Whose leases are over is known without waiting for them."""

import os
import socket
import subprocess
import sys

from node.app.system import is_gone, lives, worker_name


def test_a_living_process_is_not_gone():
    assert not is_gone(worker_name())
    assert lives(worker_name())


def test_a_process_that_ended_is_gone():
    script = "from node.app import worker_name; print(worker_name())"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert is_gone(done.stdout.strip())
    assert not lives(done.stdout.strip())


def test_a_reused_process_number_does_not_count_as_the_old_process():
    assert is_gone(f"{socket.gethostname()}:{os.getpid()}:1")
    assert not lives(f"{socket.gethostname()}:{os.getpid()}:1")


def test_of_other_hosts_nothing_is_assumed():
    assert not is_gone("elsewhere:1:1")
    assert not is_gone("a name of another form")
    assert not lives("elsewhere:1:1")
    assert not lives(f"{socket.gethostname()}:999999999:")
