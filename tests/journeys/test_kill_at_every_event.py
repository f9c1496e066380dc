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
    "job_finished",
    "delivery_started",
    "delivery_accepted",
]
"""job_created and delivery_queued share a transaction with series_settled and job_finished."""


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
