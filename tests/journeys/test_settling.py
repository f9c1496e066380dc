"""A series is taken for complete at the right moment, by the evidence, on the real node."""

import time

import pydicom
import pytest
import yaml
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import ModalityPerformedProcedureStep

from bench import orthanc
from bench.orthanc import Orthanc
from node.rules.naming import derived_uid
from node.rules.nouns import Peer
from node.wire import scu
from tests.fakes.desk import wait_until
from tests.fakes.pacs import Pacs
from tests.fakes.process import NodeProcess, parcels
from tests.fakes.scanner import Scanner

PATIENT = {"quiet_seconds": 30, "incomplete_seconds": 30, "pacs_count_seconds": 0.5}


def head(folder, n=24, **attributes):
    said = {"SeriesDescription": "T1", "BodyPartExamined": "HEAD", **attributes}
    return Scanner(attributes=said).save(folder, n)


def settled(node):
    return [row["detail"]["reason"] for row in node.audit() if row["event"] == "series_settled"]


def test_a_counted_series_is_settled_within_a_second_of_the_release(tmp_path):
    node = NodeProcess(tmp_path / "node", {}, settling=PATIENT)
    with node:
        node.send(head(tmp_path / "head", ImagesInAcquisition=24))
        released = time.monotonic()
        node.wait_for("series_settled", seconds=10)
        assert time.monotonic() - released < 5, "not the quiet time"
        assert "by Images in Acquisition" in settled(node)[0]


def test_a_pacs_that_has_as_many_ends_the_wait(tmp_path):
    if orthanc.find() is None:
        pytest.skip("Orthanc is not installed")
    images = head(tmp_path / "head")
    with Orthanc(tmp_path / "pacs", settings={"DicomAlwaysAllowFind": True}) as pacs:
        archive = Peer("orthanc", "ORTHANC", "127.0.0.1", pacs.port)
        assert all(one.status == 0 for one in scu.send(archive, "SCANNER", parcels(images)))
        node = NodeProcess(tmp_path / "node", {"orthanc": pacs.port}, settling=PATIENT)
        settings = yaml.safe_load(node.config.read_text())
        settings["peers"][1]["may"] = ["store", "query"]
        node.config.write_text(yaml.safe_dump(settings))
        with node:
            node.send(images[:20])
            time.sleep(2)
            assert "series_settled" not in node.events(), "the PACS has 24"
            node.send(images[20:])
            node.wait_for("series_settled", seconds=20)
            assert "by the PACS orthanc" in settled(node)[0]


def test_a_pacs_that_does_not_answer_holds_nothing_up(tmp_path):
    with Pacs() as pacs:  # it takes C-STORE alone
        node = NodeProcess(tmp_path / "node", {"pacs": pacs.port})
        settings = yaml.safe_load(node.config.read_text())
        settings["peers"][1]["may"] = ["store", "query"]
        node.config.write_text(yaml.safe_dump(settings))
        with node:
            node.send(head(tmp_path / "head"))
            node.wait_for("series_settled", seconds=10)
            assert "pacs_not_asked" in node.journal()


def test_a_stall_of_six_seconds_with_the_association_open_makes_one_run(tmp_path):
    images = parcels(head(tmp_path / "head"))
    node = NodeProcess(tmp_path / "node", {})
    with node:
        sent = []
        for number, one in enumerate(scu.send(node.peer, "SCANNER", images)):
            sent.append(one)
            if number == 9:
                time.sleep(6)
        assert all(one.status == 0 for one in sent)
        node.wait_for("series_settled")
        wait_until(lambda: node.events().count("job_created") == 1, 10)
        (created,) = [row for row in node.audit() if row["event"] == "job_created"]
        assert created["detail"]["edition"] == 1


def test_two_associations_with_a_pause_between_them_make_one_run_of_all(tmp_path):
    images = head(tmp_path / "head", ImagesInAcquisition=24)
    node = NodeProcess(tmp_path / "node", {}, settling={"incomplete_seconds": 30})
    with node:
        node.send(images[:10])
        time.sleep(3)
        node.send(images[10:])
        node.wait_for("series_settled", seconds=10)
        rows = [row for row in node.audit() if row["event"] == "series_settled"]
        assert [row["detail"]["instances"] for row in rows] == [24]


def test_a_late_slice_makes_a_second_edition_that_names_the_first(tmp_path):
    images = head(tmp_path / "head")
    node = NodeProcess(tmp_path / "node", {})
    with node:
        node.send(images[:23])
        node.wait_for("series_settled", seconds=20)
        node.send(images[23:])
        node.wait_for("series_settled", 2, seconds=20)
        rows = [row for row in node.audit() if row["event"] == "job_created"]
        assert [row["detail"]["edition"] for row in rows] == [1, 2]


def test_a_kill_while_images_come_leaves_one_run_of_all(tmp_path):
    images = head(tmp_path / "head", ImagesInAcquisition=24)
    node = NodeProcess(tmp_path / "node", {})
    with node:
        node.send(images[:11])
        node.kill()
        node.start()
        node.send(images)
        node.wait_for("job_created", seconds=20)
        rows = [row for row in node.audit() if row["event"] == "series_settled"]
        assert [row["detail"]["instances"] for row in rows] == [24]


def test_a_modality_that_completes_its_step_ends_the_wait_when_all_are_there(tmp_path):
    images = head(tmp_path / "head")
    node = NodeProcess(tmp_path / "node", {}, settling=PATIENT)
    with node:
        node.send(images[:20])
        complete_step(node.peer, images)
        time.sleep(2)
        assert "series_settled" not in node.events(), "four of those that it names are missing"
        node.send(images[20:])
        released = time.monotonic()
        node.wait_for("series_settled", seconds=10)
        assert time.monotonic() - released < 5, "not the quiet time"
        assert "by MPPS" in settled(node)[0]


def complete_step(peer, paths):
    """Tell the node, as a modality does, which images of a series there are."""
    read = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
    series, said = Dataset(), Dataset()
    series.SeriesInstanceUID = read[0].SeriesInstanceUID
    series.ReferencedImageSequence = []
    for one in read:
        item = Dataset()
        item.ReferencedSOPClassUID = one.SOPClassUID
        item.ReferencedSOPInstanceUID = one.SOPInstanceUID
        series.ReferencedImageSequence.append(item)
    said.PerformedProcedureStepStatus = "COMPLETED"
    said.PerformedSeriesSequence = [series]
    ae = AE("SCANNER")
    ae.add_requested_context(ModalityPerformedProcedureStep)
    association = ae.associate(peer.host, peer.port, ae_title=peer.ae_title)
    answer, _ = association.send_n_set(said, ModalityPerformedProcedureStep, "1.2.3.4")
    association.release()
    assert answer.Status == 0


STUDY = {
    "series": {
        "t1": {"SeriesDescription": "*T1*"},
        "flair": {"SeriesDescription": "*FLAIR*"},
    },
    "complete": "t1 and flair",
}


def demanding(tmp_path, **more):
    """A node whose route wants a FLAIR beside the T1."""
    node = NodeProcess(tmp_path / "node", {})
    settings = yaml.safe_load(node.config.read_text())
    settings["routes"][0]["study"] = {**STUDY, **more}
    node.config.write_text(yaml.safe_dump(settings))
    return node


def test_a_model_that_wants_two_series_runs_once_when_both_are_there(tmp_path):
    study = derived_uid("study", "one")
    said = {"SeriesDescription": "FLAIR", "StudyInstanceUID": study}
    flair = Scanner(name="two", attributes=said).save(tmp_path / "flair", 24)
    with demanding(tmp_path) as node:
        node.send(head(tmp_path / "t1"))
        node.wait_for("job_held", seconds=20)
        time.sleep(2)
        assert "job_claimed" not in node.events()
        assert node.status()["jobs"]["held"] == 1
        node.send(flair)
        node.wait_for("job_finished", seconds=60)
        events = node.events()
        assert events.count("job_claimed") == 1
        assert events.index("job_released") < events.index("job_claimed")


def test_a_study_that_is_never_complete_is_told_that_the_model_did_not_run(tmp_path):
    with demanding(tmp_path, force_after_seconds=2, then="refuse") as node:
        node.send(head(tmp_path / "t1"))
        node.wait_for("job_refused", seconds=30)
        (failure,) = node.status()["failures"]
        assert "flair did not come in time" in failure["reason"]
