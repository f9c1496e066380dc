"""kill -9 at each event of the ledger in turn: restart finishes the work, exactly once."""

import pytest

from bench import orthanc
from tests.fakes.process import ROOT, NodeProcess

MORTAL = str(ROOT / "tests" / "journeys" / "mortal.py")
EVENTS = [
    "association_opened",
    "instance_received",
    "association_closed",
    "series_settled",
    "job_claimed",
    "delivery_queued",
    "job_finished",
    "delivery_started",
    "delivery_accepted",
]
"""job_created shares a transaction with series_settled. The first delivery_queued is that of the
mask: there the node dies between handing over what was found and the job's end."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("event", EVENTS)
def test_a_kill_at_any_event_loses_nothing_and_doubles_nothing(tmp_path, thin_head, event, when):
    if orthanc.find() is None:
        pytest.skip("Orthanc is not installed")
    with orthanc.Orthanc(tmp_path / "orthanc") as pacs:
        patience = {"quiet_seconds": 0.5, "aborted_association_quiet_seconds": 4}
        node = NodeProcess(tmp_path / "node", {"orthanc": pacs.port}, settling=patience)
        try:
            node.start(launcher=(MORTAL, event, when))
            sent = node.send(thin_head)
            node.wait_dead()
            node.start()
            unanswered = [s.parcel.path for s in sent if s.status != 0]
            if (
                unanswered
            ):  # the sender was never promised these: it sends them again, as scanners do
                assert [s.status for s in node.send(unanswered)] == [0] * len(unanswered)
            node.wait_for("delivery_accepted", 2)
            assert node.stop() == 0
            rows = node.audit()
            settled = [row["detail"] for row in rows if row["event"] == "series_settled"]
            assert [detail["instances"] for detail in settled] == [len(thin_head)]
            assert sum(row["event"] == "job_finished" for row in rows) == 1
            assert "unbroken" in node.cli("audit", "verify")
            assert len(pacs.instances("SEG")) == 1
            assert len(pacs.instances("SR")) == 1
        finally:
            node.kill()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_while_a_series_reopens_leaves_one_result_for_each_edition(
    tmp_path, thin_head, when
):
    if orthanc.find() is None:
        pytest.skip("Orthanc is not installed")
    with orthanc.Orthanc(tmp_path / "orthanc") as pacs:
        node = NodeProcess(tmp_path / "node", {"orthanc": pacs.port})
        try:
            node.start(launcher=(MORTAL, "series_reopened", when))
            node.send(thin_head[:-1])
            node.wait_for("delivery_accepted", 2)
            node.send(thin_head[-1:])
            node.wait_dead()
            node.start()
            node.send(thin_head[-1:])
            node.wait_for("delivery_accepted", 4)
            rows = node.wait_for("job_finished", 2)
            assert node.stop() == 0
            assert [r["detail"]["edition"] for r in rows if r["event"] == "job_created"] == [1, 2]
            assert [r["event"] for r in rows].count("job_finished") == 2
            assert len(pacs.instances("SEG")) == 2
        finally:
            node.kill()


def test_a_kill_when_a_job_is_superseded_leaves_one_result_of_all(tmp_path, thin_head):
    if orthanc.find() is None:
        pytest.skip("Orthanc is not installed")
    with orthanc.Orthanc(tmp_path / "orthanc") as pacs:
        node = NodeProcess(tmp_path / "node", {"orthanc": pacs.port})
        try:
            node.start(launcher=(MORTAL, "job_superseded", "after"), legs=("receive", "settle"))
            node.send(thin_head[:-1])
            node.wait_for("job_created")
            node.send(thin_head[-1:])
            node.wait_dead()
            node.start()
            node.send(thin_head[-1:])
            rows = node.wait_for("delivery_accepted", 2)
            assert node.stop() == 0
            assert [r["event"] for r in rows].count("job_claimed") == 1
            assert len(pacs.instances("SEG")) == len(pacs.instances("SR")) == 1
        finally:
            node.kill()
