"""Fear: a PACS gets what it cannot use, lacks what it could, or hears nothing of a run."""

import io
import subprocess
import time
from collections import Counter

import pydicom
import pytest

from bench.orthanc import free_port
from node.dicom import services
from node.rules.nouns import Output
from node.wire.conformance.created import CREATED
from tests.fakes.process import ROOT, NodeProcess

SPOILED = str(ROOT / "tests" / "journeys" / "spoiled.py")
SEG, SR = services.SEGMENTATION, services.COMPREHENSIVE_3D_SR
OLD_SR = "1.2.840.10008.5.1.4.1.1.88.22"
BASIC_SR = "1.2.840.10008.5.1.4.1.1.88.11"


def ends(rows):
    """Say how each delivery ended: pairs of kind and the last event, sorted."""
    kinds = {
        row["delivery_id"]: row["detail"]["kind"]
        for row in rows
        if row["event"] == "delivery_queued"
    }
    last = {row["delivery_id"]: row["event"] for row in rows if row["delivery_id"]}
    return sorted((kinds[one], event.removeprefix("delivery_")) for one, event in last.items())


@pytest.fixture
def storescp(tmp_path, tool):
    """DCMTK's storescp that takes certain SOP classes and no other: give its port and folder."""
    started = []

    def start(*classes):
        folder = tmp_path / f"storescp{len(started)}"
        folder.mkdir()
        contexts = "\n".join(
            f"PresentationContext{number} = {uid}\\Any" for number, uid in enumerate(classes, 1)
        )
        (folder / "profile.cfg").write_text(
            "[[TransferSyntaxes]]\n[Any]\nTransferSyntax1 = LittleEndianExplicit\n"
            f"[[PresentationContexts]]\n[Taken]\n{contexts}\n"
            "[[Profiles]]\n[Some]\nPresentationContexts = Taken\n"
        )
        port = free_port()
        command = [tool("storescp"), "-aet", "PACS", "-od", folder, "+uf"]
        command += ["-xf", folder / "profile.cfg", "Some", str(port)]
        started.append(subprocess.Popen(command))
        time.sleep(0.3)
        return port, folder

    yield start
    for process in started:
        process.kill()
        process.wait()


def stored(folder):
    """Count the SOP classes that a storescp has written."""
    files = [one for one in folder.iterdir() if one.suffix != ".cfg"]
    return Counter(str(pydicom.dcmread(one, stop_before_pixels=True).SOPClassUID) for one in files)


def test_orthanc_takes_every_kind_that_there_is(tmp_path, pacs, thin_head):
    everything = [str(word) for word in Output]
    with NodeProcess(tmp_path / "node", {"orthanc": pacs.port}, everything) as node:
        node.send(thin_head)
        rows = node.wait_ended()
        found = ends(rows)
        assert ("ENHANCED_SR", "declined") in found
        assert {end for kind, end in found if kind != "LABELMAP"} <= {"accepted", "declined"}
        assert [kind for kind, end in found if end == "declined" and kind != "LABELMAP"] == [
            "ENHANCED_SR"
        ]
        (finished,) = [row for row in rows if row["event"] == "job_finished"]
        sent = {one["sop"] for one in finished["detail"]["results"]}
        held = {tags["SOPInstanceUID"] for tags in pacs.instances()}
        assert len(sent & held) == sum(end == "accepted" for _, end in found)
        kinds = {one["sop"]: one["kind"] for one in finished["detail"]["results"]}
        for tags in pacs.instances():
            if tags["SOPInstanceUID"] in kinds:
                made = pydicom.dcmread(io.BytesIO(pacs.file(tags["orthanc"])))
                kind = kinds[tags["SOPInstanceUID"]]
                said = services.RESULT_CLASSES[kind], CREATED[kind].modality
                assert (made.SOPClassUID, made.Modality) == said, (
                    "as the conformance statement says"
                )
        assert node.status()["failures"] == []


def test_a_peer_without_the_new_report_gets_the_older_one(tmp_path, thin_head, storescp):
    port, folder = storescp(SEG, OLD_SR)
    with NodeProcess(tmp_path / "node", {"pacs": port}) as node:
        node.send(thin_head)
        found = ends(node.wait_ended())
        assert found == [("ENHANCED_SR", "accepted"), ("SEG", "accepted"), ("SR", "declined")]
        assert stored(folder) == {SEG: 1, OLD_SR: 1}
        uid = str(pydicom.dcmread(thin_head[0]).SeriesInstanceUID)
        assert "pacs does not accept Comprehensive 3D SR Storage" in node.cli("show", uid)
        assert "declined 1" in node.cli("status")


def test_a_peer_with_the_new_report_is_not_sent_the_older_one(tmp_path, thin_head, storescp):
    port, folder = storescp(SEG, OLD_SR, SR)
    with NodeProcess(tmp_path / "node", {"pacs": port}, ("labelmap",)) as node:
        node.send(thin_head)
        found = dict(ends(node.wait_ended()))
        assert found["SR"] == "accepted"
        assert found["ENHANCED_SR"] == "declined"
        assert found.get("LABELMAP", "declined") == "declined", "it does not take that"
        assert stored(folder) == {SEG: 1, SR: 1}


def test_what_does_not_stand_our_checks_is_kept_and_told_and_sent_to_nobody(
    tmp_path, pacs, thin_head
):
    node = NodeProcess(tmp_path / "node", {"orthanc": pacs.port})
    with node:
        node.kill()
        node.start(launcher=(SPOILED,))
        node.send(thin_head)
        rows = node.wait_ended()
        events = [row["event"] for row in rows]
        assert "job_failed" in events
        (told,) = [row["detail"]["results"] for row in rows if row["event"] == "results_withheld"]
        assert {one["kind"] for one in told} == {"SEG"}, "no report is made of a mask that is wrong"
        kept = {path.stem for path in (node.data / "spool" / "results").rglob("*.dcm")}
        assert {one["sop"] for one in told} <= kept
        assert pacs.instances("SEG") == []
        assert ends(rows) == [("NOT_RUN", "accepted")], "the study is told that there is nothing"
        status = node.status()
        assert status["withheld_results"] == len(told)
        assert "a failure of ours" in status["failures"][0]["what"]
        uid = str(pydicom.dcmread(thin_head[0]).SeriesInstanceUID)
        assert "did not stand our own checks" in node.cli("show", uid)

        node.kill()  # and when the defect is mended, the same job is done after all
        node.start()
        node.cli("retry", uid)
        node.wait_for("job_finished")
        found = dict(ends(node.wait_ended()))
        assert (found["SEG"], found["SR"]) == ("accepted", "accepted")
        assert node.status()["withheld_results"] == 0


def a_refused_series(thin_head, folder):
    """The head with a gap in it, which no model may look at."""
    folder.mkdir()
    for path in [*thin_head[:20], *thin_head[23:]]:
        (folder / path.name).symlink_to(path)
    return sorted(folder.iterdir())


def test_a_model_that_did_not_run_says_so_in_the_study(tmp_path, pacs, thin_head):
    series = a_refused_series(thin_head, tmp_path / "gap")
    with NodeProcess(tmp_path / "node", {"orthanc": pacs.port}) as node:
        node.send(series)
        rows = node.wait_ended()
        assert "job_refused" in [row["event"] for row in rows]
        (tags,) = pacs.instances("SR")
        held = pacs.file(tags["orthanc"])
        notice = pydicom.dcmread(io.BytesIO(held))
        source = pydicom.dcmread(series[0])
        assert notice.SOPClassUID == BASIC_SR
        assert notice.StudyInstanceUID == source.StudyInstanceUID
        assert notice.PatientID == source.PatientID
        assert b"missing" in held, "the reason in plain words"
        uid = str(source.SeriesInstanceUID)
        node.cli("retry", uid)  # nothing has changed: the same notice, which is there already
        node.wait_for("job_refused", 2)
        found = ends(node.wait_ended())
        assert found == [("NOT_RUN", "accepted")]
        assert len(pacs.instances("SR")) == 1
        assert str(source.PatientName) not in node.journal()


def test_a_route_may_say_nothing_of_a_model_that_did_not_run(tmp_path, pacs, thin_head):
    node = NodeProcess(tmp_path / "node", {"orthanc": pacs.port})
    settings = node.config.read_text()
    node.config.write_text(settings.replace("  results:", "  if_not_run: []\n  results:"))
    with node:
        node.send(a_refused_series(thin_head, tmp_path / "gap"))
        node.wait_for("job_refused")
        assert "delivery_queued" not in [row["event"] for row in node.wait_ended()]
        assert pacs.instances() == []
