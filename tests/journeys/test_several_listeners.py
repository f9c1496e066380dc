"""Several processes on one port: every image once, none left behind, all gone together."""

import os
import signal
import time
from pathlib import Path

from tests.fakes.process import NodeProcess
from tests.fakes.scanner import Scanner


def family(node):
    """Give the process ids of a node's processes."""
    children = Path(f"/proc/{node.process.pid}/task/{node.process.pid}/children").read_text()
    return [node.process.pid, *map(int, children.split())]


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def wait_until_gone(pids, seconds=30):
    deadline = time.monotonic() + seconds
    while any(is_there(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still there: {[p for p in pids if is_there(p)]}"
        time.sleep(0.1)


def test_images_over_many_associations_are_taken_in_by_all_and_kept_once(tmp_path):
    paths = Scanner().save(tmp_path / "series", 12)
    with NodeProcess(tmp_path / "node", node={"processes": 3}) as node:
        assert len(family(node)) == 3
        for path in paths:
            assert [sent.status for sent in node.send([path])] == [0]
        rows = node.wait_for("instance_received", 12)
        assert sum(row["event"] == "association_closed" for row in rows) <= 12
        node.wait_for("series_settled")
        pids = family(node)
        assert node.stop() == 0
        wait_until_gone(pids)


def test_if_one_of_them_dies_the_node_stops_and_nothing_is_lost(tmp_path):
    paths = Scanner().save(tmp_path / "series", 6)
    node = NodeProcess(tmp_path / "node", node={"processes": 2})
    with node:
        assert all(sent.status == 0 for sent in node.send(paths))
        pids = family(node)
        os.kill(pids[1], signal.SIGKILL)
        assert node.wait_dead() == 1
        wait_until_gone(pids)
        node.start()
        node.wait_for("instance_received", 6)
        assert node.events().count("instance_received") == 6


def test_if_the_first_is_killed_the_others_end_and_free_the_port(tmp_path):
    node = NodeProcess(tmp_path / "node", node={"processes": 3})
    with node:
        pids = family(node)
        node.kill()
        wait_until_gone(pids)
        node.start()
        assert len(family(node)) == 3
