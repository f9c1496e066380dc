"""A second node started on the data folder of the first gives way, and harms nothing."""

import threading

from tests.fakes.process import NodeProcess
from tests.fakes.scanner import Scanner


def test_a_second_node_on_the_same_folder_gives_way_while_images_come_in(tmp_path):
    paths = Scanner().save(tmp_path / "in", 120)
    with NodeProcess(tmp_path / "node") as node:
        sent = []
        sender = threading.Thread(target=lambda: sent.extend(node.send(paths)))
        sender.start()
        assert "another radnode" in node.cli("run", code=1)
        sender.join(60)
        assert [one.status for one in sent] == [0] * len(paths), "no file swept from under it"
        rows = node.wait_for("association_closed")
        outcomes = [r["detail"]["outcome"] for r in rows if r["event"] == "association_closed"]
        assert outcomes == ["released"]
        assert node.stop() == 0
