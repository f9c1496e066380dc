"""Whose leases are over is known without waiting for them."""

import os
import socket
import subprocess
import sys

from node.app.hosting import _accelerator
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


def test_the_models_process_is_told_its_accelerator_and_nothing_else_of_ours(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("RADNODE_DATABASE_URL", "postgresql+psycopg://u:secret@h/d")
    assert _accelerator()["CUDA_VISIBLE_DEVICES"] == "1"
    assert "secret" not in str(_accelerator())
