"""Bad input gets a clear answer, leaves nothing half-written, and stops nobody else."""

import copy
import socket
import subprocess
import time

import pydicom
import pytest
from pydicom.uid import generate_uid
from pynetdicom import AE

from tests.fakes.process import NodeProcess

MR = "1.2.840.10008.5.1.4.1.1.4"


@pytest.fixture
def node(tmp_path):
    """A node without destinations."""
    with NodeProcess(tmp_path / "node", {}) as started:
        yield started


def spooled(node):
    return [p for p in (node.data / "spool").rglob("*") if p.is_file()]


def associate(node, calling="SCANNER", called="RADNODE", syntax="1.2.840.10008.1.2.1"):
    ae = AE(ae_title=calling)
    ae.add_requested_context(MR, [syntax])
    return ae.associate("127.0.0.1", node.port, ae_title=called)


def test_an_unknown_caller_is_refused_and_audited(tmp_path):
    peers = [{"name": "ct", "ae_title": "CT1", "host": "127.0.0.1", "may": ["store"]}]
    with NodeProcess(tmp_path / "node", {}, peers=peers, routes=[]) as node:
        assert associate(node, calling="NOBODY").is_rejected
        (row,) = [r for r in node.wait_for("association_refused") if "refused" in r["event"]]
        assert "NOBODY" in row["detail"]["reason"]
        assert associate(node, calling="CT1").is_established


def test_a_wrong_called_title_is_refused(node):
    assert associate(node, called="SOMEONE").is_rejected
    node.wait_for("association_refused")


def test_a_peer_that_may_not_store_is_told_so(tmp_path, thin_head):
    peers = [{"name": "desk", "ae_title": "DESK", "host": "127.0.0.1", "may": ["query"]}]
    with NodeProcess(tmp_path / "node", {}, peers=peers, routes=[]) as node:
        (sent,) = node.send(thin_head[:1], calling="DESK")
        assert sent.status == 0x0124
        assert "does not let desk store" in sent.comment
        node.wait_for("instance_refused")
        assert [p for p in spooled(node) if p.suffix == ".dcm"] == []


def test_a_disk_that_is_nearly_full_refuses_for_the_moment_and_says_so(tmp_path):
    with NodeProcess(tmp_path / "node", {}, node={"minimum_free_mb": 10**9}) as node:
        association = associate(node)
        assert association.is_rejected
        primitive = association.acceptor.primitive
        assert primitive.result == 2, "transient: the sender shall try again"
        rows = node.wait_for("association_refused")
        assert "nearly full" in rows[-1]["detail"]["reason"]
        assert "MB free, less than" in node.cli("check", code=1)


def test_uids_that_differ_from_the_command_are_refused(node, thin_head):
    dataset = pydicom.dcmread(thin_head[0])
    association = associate(node)
    true_uid = dataset.SOPInstanceUID
    dataset.SOPInstanceUID = generate_uid()
    answer = association.send_c_store(dataset)
    assert answer.Status == 0x0000, "command and content agree again"
    # now tell another UID in the command than the data set holds
    from pynetdicom.dimse_primitives import C_STORE
    from pynetdicom.dsutils import encode

    request = C_STORE()
    request.MessageID = 7
    request.AffectedSOPClassUID = MR
    request.AffectedSOPInstanceUID = true_uid
    import io

    request.DataSet = io.BytesIO(
        encode(dataset, is_implicit_vr=False, is_little_endian=True, deflated=False)
    )
    context = association.accepted_contexts[0].context_id
    association._reactor_checkpoint.clear()
    association.dimse.send_msg(request, context)
    _, response = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    assert response.Status == 0xA900
    assert "differ" in response.ErrorComment
    association.release()
    node.wait_for("instance_refused")
    node.wait_for("instance_received")
    assert len([p for p in spooled(node) if "instances" in p.parts]) == 1


@pytest.mark.parametrize("content", [b"this is not DICOM at all" * 20, b"\x08\x00\x05\x00CS"])
def test_what_is_not_dicom_inside_is_refused(node, content):
    import io

    from pynetdicom.dimse_primitives import C_STORE

    association = associate(node)
    request = C_STORE()
    request.MessageID = 7
    request.AffectedSOPClassUID = MR
    request.AffectedSOPInstanceUID = "1.2.3"
    request.DataSet = io.BytesIO(content)
    association._reactor_checkpoint.clear()
    association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
    _, response = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    assert response.Status == 0xC000
    assert response.ErrorComment
    association.release()
    assert [p for p in spooled(node) if p.suffix in (".dcm", ".part")] == []
    assert associate(node).is_established, "it goes on listening"


def test_bytes_that_are_no_pdu_do_not_stop_the_listener(node):
    for rubbish in (b"GET / HTTP/1.1\r\n\r\n", b"\x01\x00\xff\xff\xff\xff", b"\x00" * 64, b""):
        with socket.create_connection(("127.0.0.1", node.port)) as caller:
            caller.sendall(rubbish)
    assert associate(node).is_established


def test_a_series_that_no_route_wants_is_kept_with_the_reasons(node, thin_head, tmp_path):
    dataset = pydicom.dcmread(thin_head[0])
    dataset.SeriesDescription = "Localizer"
    path = tmp_path / "one.dcm"
    dataset.save_as(path)
    node.send([path])
    rows = node.wait_for("series_unclaimed")
    (row,) = [r for r in rows if r["event"] == "series_unclaimed"]
    assert "SeriesDescription is Localizer, not *T1*" in str(row["detail"])
    assert len([p for p in spooled(node) if p.suffix == ".dcm"]) == 1


@pytest.mark.parametrize("fault", ["one slice", "missing positions", "mixed orientation", "gap"])
def test_a_series_that_the_model_cannot_use_is_refused_in_plain_words(
    node, thin_head, tmp_path, fault
):
    datasets = [pydicom.dcmread(path) for path in thin_head]
    if fault == "one slice":
        datasets = datasets[:1]
    elif fault == "missing positions":
        for dataset in datasets:
            del dataset.ImagePositionPatient
    elif fault == "mixed orientation":
        datasets[3].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    else:
        del datasets[20:23]
    folder = tmp_path / "bad"
    folder.mkdir()
    paths = []
    for number, dataset in enumerate(datasets):
        paths.append(folder / f"{number}.dcm")
        dataset.save_as(paths[-1])
    node.send(paths)
    node.wait_for("job_refused")
    shown = node.cli("show", datasets[0].SeriesInstanceUID)
    reason = next(line for line in shown.splitlines() if "job_refused" in line)
    words = {
        "one slice": "slice",
        "missing positions": "Position",
        "mixed orientation": "orientation",
        "gap": "missing",
    }
    assert words[fault] in reason
    status = node.status()
    assert status["jobs"]["refused"] == 1


def test_the_same_uid_with_other_content_is_kept_beside_and_never_read(node, thin_head, tmp_path):
    first = pydicom.dcmread(thin_head[0])
    other = copy.deepcopy(first)
    other.PixelData = bytes(len(first.PixelData))
    path = tmp_path / "other.dcm"
    other.save_as(path)
    node.send([thin_head[0]])
    node.wait_for("instance_received")
    node.send([path])
    node.wait_for("instance_conflicted")
    node.wait_for("job_refused")  # one slice
    assert node.events().count("series_reopened") == 0


def test_dcmtk_sends_and_echoes(node, thin_head, tool):
    subprocess.run([tool("echoscu"), "-aec", "RADNODE", "127.0.0.1", str(node.port)], check=True)
    for sender in ("storescu", "dcmsend"):
        subprocess.run(
            [
                tool(sender),
                "-aec",
                "RADNODE",
                "127.0.0.1",
                str(node.port),
                *map(str, thin_head[:3]),
            ],
            check=True,
        )
    node.wait_for("instance_received", 3)


def test_a_wrong_configuration_ends_with_78(tmp_path):
    node = NodeProcess(tmp_path / "node", {}, node={"ae_titel": "X"})
    node.start(expect_ready=False)
    assert node.wait_dead() == 78
    assert "ae_titel" in node.journal()
    assert "ae_title" in node.journal()


def test_one_association_too_many_is_refused_audited_and_forgotten(tmp_path, thin_head):
    with NodeProcess(tmp_path / "node", {}, node={"maximum_associations": 1}) as node:
        held = associate(node)
        assert held.is_established
        assert associate(node).is_rejected
        rows = node.wait_for("association_refused")
        (refused,) = [row for row in rows if row["event"] == "association_refused"]
        assert "too many" in refused["detail"]["reason"]
        held.release()
        node.wait_for("association_closed")
        for _ in range(20):  # the thread of the one before may still be ending
            if {s.status for s in node.send(thin_head[:2])} == {0}:
                break
            time.sleep(0.5)
        node.wait_for("instance_received", 2)
        assert "leg_failed" not in node.journal()
