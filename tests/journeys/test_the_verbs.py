"""The verbs of `radnode`, as a person at the desk uses them."""

import json
import socket
import subprocess
import sys

import pydicom
import pytest

from bench.orthanc import free_port
from tests.fakes.pacs import Pacs
from tests.fakes.process import ROOT, NodeProcess


@pytest.fixture(scope="module")
def finished(tmp_path_factory, thin_head):
    """A node that has read one series and been stopped, and the PACS that got the results."""
    folder = tmp_path_factory.mktemp("verbs")
    with Pacs(ae_title="PACS") as pacs:
        node = NodeProcess(folder / "node", {"pacs": pacs.port})
        with node:
            node.send(thin_head)
            node.wait_for("delivery_accepted", 2)
            assert node.stop() == 0
        yield node, pacs


def test_status_says_what_is_there(finished):
    status = finished[0].status()
    assert status["series"]["settled"] == 1
    assert status["jobs"]["done"] == 1
    assert status["deliveries"]["accepted"] == 2
    assert "settled 1" in finished[0].cli("status")


@pytest.mark.parametrize("level", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_show_tells_the_story_of_any_uid(finished, thin_head, level):
    uid = str(pydicom.dcmread(thin_head[0])[level].value)
    shown = finished[0].cli("show", uid)
    assert "instance_received" in shown
    if level != "SOPInstanceUID":
        assert "delivery_accepted" in shown
        assert f"... and {len(thin_head) - 1} more" in shown
        assert 'volumes_ml={"Brain":' in shown
    rows = json.loads(finished[0].cli("show", uid, "--json"))
    assert [row["seq"] for row in rows] == sorted(row["seq"] for row in rows)


def test_show_of_an_unknown_uid_fails_with_a_sentence(finished):
    assert "nothing is known" in finished[0].cli("show", "1.2.3.4", code=1)


def test_the_audit_trail_is_exported_whole(finished, tmp_path):
    out = tmp_path / "audit.jsonl"
    finished[0].cli("audit", "export", "--out", str(out))
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert "job_finished" in finished[0].cli("audit", "list")


def test_check_finds_everything_there(finished):
    said = finished[0].cli("check")
    assert "everything is there" in said
    assert "peer pacs answers C-ECHO" in said
    assert "model brain_mask" in said


def test_check_names_what_is_missing(tmp_path):
    node = NodeProcess(tmp_path / "node", {"gone": free_port()}, models={"dir": str(tmp_path)})
    said = node.cli("check", code=1)
    assert "BAD  model brain_mask" in said
    assert "cannot be reached" in said
    assert "2 problem(s)" in said


def test_check_names_a_route_that_could_never_match(tmp_path):
    route = {"name": "old", "when": {"StudyDate": "2020*"}, "model": "brain_mask", "send_to": []}
    said = NodeProcess(tmp_path / "node", {}, routes=[route]).cli("check", code=1)
    assert "BAD  route old: radnode does not route by StudyDate" in said


def test_status_names_the_series_that_are_still_open(tmp_path, thin_head):
    with NodeProcess(tmp_path / "node", {}, settling={"quiet_seconds": 600}) as node:
        node.send(thin_head[:2])
        node.wait_for("association_closed")
        uid = str(pydicom.dcmread(thin_head[0]).SeriesInstanceUID)
        assert f"uid={uid}" in node.cli("status")


def test_send_stores_a_folder_at_a_peer(finished, thin_head):
    node, pacs = finished
    before = len(pacs.received)
    said = node.cli("send", str(thin_head[0].parent), "--to", "pacs")
    assert "181 of 181 sent" in said
    assert len(pacs.received) == before + 181
    assert "no peer is called" in node.cli("send", ".", "--to", "nobody", code=1)


def test_run_once_needs_neither_network_nor_database(tmp_path, thin_head):
    node = NodeProcess(tmp_path / "node", {})
    folder = tmp_path / "series"
    folder.mkdir()
    for path in thin_head:
        (folder / path.name).symlink_to(path)
    said = node.cli(
        *("run-once", str(folder), "--model", "brain_mask"),
        *("--out", str(tmp_path / "out"), "--results", "seg,sr"),
    )
    assert "Brain" in said
    made = {p.name for p in (tmp_path / "out").iterdir()}
    assert made == {"seg.dcm", "sr.dcm", "enhanced_sr.dcm", "preview.png"}
    assert not (node.data / "ledger.sqlite").exists()
    empty = tmp_path / "empty"
    empty.mkdir()
    said = node.cli("run-once", str(empty), "--model", "brain_mask", "--out", "x", code=1)
    assert "0 images of 0 series" in said
    asked = ("run-once", str(folder), "--model", "brain_mask", "--out", "x", "--results")
    assert "film is nothing to make" in node.cli(*asked, "seg,film", code=2)


def test_the_second_model_answers_present_or_absent_with_a_probability(tmp_path, thin_head, tool):
    node = NodeProcess(tmp_path / "node", {})
    folder = tmp_path / "series"
    folder.mkdir()
    for path in thin_head:
        (folder / path.name).symlink_to(path)
    out = tmp_path / "out"
    said = node.cli("run-once", str(folder), "--model", "modality_check", "--out", str(out))
    assert "Magnetic resonance imaging" in said
    dumped = subprocess.run([tool("dsrdump"), out / "sr.dcm"], capture_output=True, text=True)
    assert dumped.returncode == 0
    assert "Present" in dumped.stdout
    assert "Probability" in dumped.stdout
    checked = subprocess.run(
        [tool("dciodvfy"), "-new", out / "sr.dcm"], capture_output=True, text=True
    )
    assert "Error" not in checked.stderr
    assert not (out / "seg.dcm").exists()


def test_retry_puts_back_what_was_refused(tmp_path, thin_head):
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    with NodeProcess(tmp_path / "node", {}, models={"dir": str(shelf)}) as node:
        node.send(thin_head)
        node.wait_for("job_refused")
        uid = str(pydicom.dcmread(thin_head[0]).SeriesInstanceUID)
        assert "not fit to run" in node.cli("show", uid)
        # a person puts the model on the shelf, and asks again
        source = ROOT / "models" / "bundles"
        for name in ("brain_mask", "shelf.json"):
            (shelf / name).symlink_to(source / name)
        assert "will be tried again" in node.cli("retry", uid)
        node.wait_for("job_finished")
        assert "nothing of" in node.cli("retry", uid, code=1)


def test_models_are_listed_and_checked(finished):
    assert "brain_mask" in finished[0].cli("models")
    assert "modality_check: fit to run" in finished[0].cli("models", "check")


def test_the_conformance_statement_is_printed_from_the_code():
    said = subprocess.run(
        [sys.executable, "-m", "node", "conformance"], capture_output=True, text=True, check=True
    ).stdout
    for word in ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.1.2.4.90", "A700", "Verification"):
        assert word in said


def test_the_small_archive_keeps_what_it_is_sent(tmp_path, finished, thin_head):
    port = free_port()
    archive = subprocess.Popen(
        [sys.executable, "-m", "node", "archive", tmp_path / "kept", "--port", str(port)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert "ready" in archive.stdout.readline()
        node = NodeProcess(tmp_path / "node", {"archive": port})
        node.cli("send", *map(str, thin_head[:3]), "--to", "archive")
    finally:
        archive.terminate()
        assert archive.wait(20) == 0
    kept = sorted((tmp_path / "kept").rglob("*.dcm"))
    assert len(kept) == 3
    one = next(k for k in kept if k.stem == pydicom.dcmread(thin_head[0]).SOPInstanceUID)
    assert pydicom.dcmread(one).PixelData == pydicom.dcmread(thin_head[0]).PixelData


def test_wrong_usage_ends_with_2_and_no_configuration_with_78(tmp_path):
    wrong = subprocess.run([sys.executable, "-m", "node", "fly"], capture_output=True)
    assert wrong.returncode == 2
    none = subprocess.run(
        [sys.executable, "-m", "node", "status", "--config", str(tmp_path / "no.yaml")],
        capture_output=True,
        text=True,
    )
    assert none.returncode == 78
    assert "no.yaml" in none.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["audit", "export"], 2, "--out FILE"),
        (["status"], 1, "`radnode run` makes one"),
        (["audit", "list", "--last", "-3"], 2, "--last"),
        (["models", "add"], 2, "radnode models add FOLDER"),
        (["models", "add", "nowhere"], 1, "there is no folder nowhere"),
        (["run", "fly"], 2, "there are receive, settle, infer, deliver, confirm, sweep"),
        (["send", "nowhere", "--to", "gone"], 1, "there is no nowhere"),
        (["send", "README.md", "--to", "gone"], 1, "none of these files is a DICOM object"),
        (["run-once", "nowhere", "--model", "brain_mask", "--out", "x"], 1, "not a folder"),
        (["run-once", "tests", "--model", "brain_mask", "--out", "/proc/x"], 1, "/proc/x"),
    ],
)
def test_misuse_gets_one_sentence_and_its_exit_code(tmp_path, arguments, code, words):
    said = NodeProcess(tmp_path / "node", {"gone": free_port()}).cli(*arguments, code=code)
    assert words in said
    assert "Traceback" not in said


def test_an_export_never_overwrites(finished, tmp_path):
    out = tmp_path / "audit.jsonl"
    out.write_text("mine")
    assert str(out) in finished[0].cli("audit", "export", "--out", str(out), code=1)
    assert out.read_text() == "mine"


def test_sending_to_a_peer_that_is_away_says_it_once(tmp_path, thin_head):
    node = NodeProcess(tmp_path / "node", {"gone": free_port()})
    said = node.cli("send", str(thin_head[0].parent), "--to", "gone", code=1)
    assert said.count("cannot be reached") == 1
    assert "0 of 181 were sent" in said


def test_a_port_that_another_program_has_is_said_by_check_and_run(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        node = NodeProcess(tmp_path / "node", {}, node={"port": other.getsockname()[1]})
        assert "another program has it" in node.cli("check", code=1)
        said = node.cli("run", code=1)
    assert "cannot be opened (Address already in use)" in said
