"""A real series in; SEG and SR in a real PACS; every step in the ledger."""

import io
import json
import subprocess
from dataclasses import replace

import highdicom
import numpy as np
import pydicom
import pytest

from bench import orthanc, real_input
from bench.orthanc import Orthanc, free_port
from tests.fakes.process import NodeProcess

EXPECTED_ORDER = [
    "node_started",
    "association_opened",
    "instance_received",
    "association_closed",
    "series_settled",
    "job_created",
    "job_claimed",
    "delivery_queued",
    "delivery_started",
    "delivery_accepted",
]
"""What was found is sent while the rest of the results is still made."""


def stored(pacs, modality):
    """The objects of a modality that Orthanc holds, as data sets."""
    return [
        pydicom.dcmread(io.BytesIO(pacs.file(tags["orthanc"]))) for tags in pacs.instances(modality)
    ]


def brain_ml(report):
    """The volume in mL that an SR reports, from its content tree."""
    found = []

    def walk(item):
        for child in item.get("ContentSequence", []):
            if (
                child.ValueType == "NUM"
                and child.ConceptNameCodeSequence[0].CodeValue == "118565006"
            ):
                found.append(float(child.MeasuredValueSequence[0].NumericValue))
            walk(child)

    walk(report)
    return found


def test_a_series_goes_in_and_seg_and_sr_lie_in_the_same_study(
    node, pacs, thin_head, tmp_path, tool
):
    assert {s.status for s in node.send(thin_head)} == {0}
    rows = node.wait_ended()
    events = [row["event"] for row in rows]
    positions = [events.index(event) for event in EXPECTED_ORDER]
    assert positions == sorted(positions)
    assert events.index("delivery_queued") < events.index("job_finished")

    source = pydicom.dcmread(thin_head[0])
    (seg,), (report,) = stored(pacs, "SEG"), stored(pacs, "SR")
    for made in (seg, report):
        assert made.StudyInstanceUID == source.StudyInstanceUID
        assert made.PatientID == source.PatientID
        assert made.SeriesInstanceUID != source.SeriesInstanceUID
        path = tmp_path / f"{made.Modality}.dcm"
        made.save_as(path)
        checked = subprocess.run([tool("dciodvfy"), "-new", path], capture_output=True, text=True)
        assert "Error" not in checked.stderr
    assert seg.FrameOfReferenceUID == source.FrameOfReferenceUID
    subprocess.run([tool("dsrdump"), tmp_path / "SR.dcm"], check=True, capture_output=True)

    read = highdicom.seg.segread(tmp_path / "SEG.dcm")
    counted = int(read.pixel_array.astype(bool).sum())
    spacing = [float(v) for v in source.PixelSpacing]
    between = 4.0  # every fourth slice of a 1 mm head
    millilitres = counted * spacing[0] * spacing[1] * between / 1000
    assert brain_ml(report) == [pytest.approx(millilitres, abs=0.01)]
    assert 1750 < millilitres < 2200

    shown = node.cli("show", source.SeriesInstanceUID)
    assert "series_settled" in shown
    assert "released" in shown
    assert "unbroken" in node.cli("audit", "verify")
    for secret in (str(source.PatientName), str(source.PatientID)):
        assert secret not in node.journal()
        assert secret not in json.dumps(node.audit(), default=str)


def test_a_resent_series_is_not_read_again(node, pacs, thin_head):
    node.send(thin_head)
    node.wait_for("delivery_accepted", 2)
    assert {s.status for s in node.send(thin_head)} == {0}
    node.wait_for("instance_repeated", len(thin_head))
    node.wait_for("association_closed", 2)
    assert node.stop() == 0
    assert node.events().count("job_created") == 1
    spooled = [p for p in (node.data / "spool" / "instances").rglob("*") if p.is_file()]
    assert len(spooled) == len(thin_head)


def test_a_late_slice_opens_a_new_edition_that_names_its_predecessor(node, pacs, thin_head):
    node.send(thin_head[:-1])
    node.wait_for("delivery_accepted", 2)
    node.send(thin_head[-1:])
    node.wait_for("delivery_accepted", 4)
    reports = stored(pacs, "SR")
    assert len(reports) == 2
    assert len({r.SOPInstanceUID for r in reports}) == 2
    later = next(r for r in reports if "PredecessorDocumentsSequence" in r)
    earlier = next(r for r in reports if r is not later)
    named = later.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert named.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == earlier.SOPInstanceUID


def test_results_that_come_back_are_recognised_and_never_processed(tmp_path, thin_head):
    if orthanc.find() is None:
        pytest.skip("Orthanc is not installed")
    node = NodeProcess(tmp_path / "node", {"orthanc": free_port()})
    dicom_port = int(node.config.read_text().split("port: ")[-1].split()[0])
    settings = node.config.read_text().replace("Modality: MR", "Modality: '*'")
    node.config.write_text(settings.replace("SeriesDescription: '*T1*'", "SeriesDescription: '*'"))
    back = {"radnode": ["RADNODE", "127.0.0.1", node.port]}
    with Orthanc(tmp_path / "orthanc", modalities=back, port=_orthanc_port(node)) as pacs, node:
        del dicom_port
        node.send(thin_head)
        node.wait_for("delivery_accepted", 2)
        made = [tags["orthanc"] for tags in pacs.instances("SEG") + pacs.instances("SR")]
        pacs.post("/modalities/radnode/store", made)
        rows = node.wait_for("series_unclaimed", 2)
        reasons = [str(r["detail"]) for r in rows if r["event"] == "series_unclaimed"]
        assert all("own results" in reason for reason in reasons)
        assert [r["event"] for r in rows].count("job_created") == 1


def _orthanc_port(node):
    import yaml

    peers = yaml.safe_load(node.config.read_text())["peers"]
    return next(p["port"] for p in peers if p["name"] == "orthanc")


def test_a_dead_destination_is_retried_and_does_not_hold_up_the_other(tmp_path, thin_head):
    if orthanc.find() is None:
        pytest.skip("Orthanc is not installed")
    dead = free_port()
    with Orthanc(tmp_path / "one") as pacs:
        node = NodeProcess(tmp_path / "node", {"orthanc": pacs.port, "late": dead})
        with node:
            node.send(thin_head)
            node.wait_for("delivery_accepted", 2)
            node.wait_for("delivery_retried", 2)
            assert len(pacs.instances("SEG")) == 1
            with Orthanc(tmp_path / "two", ae_title="LATE", port=dead) as late:
                node.wait_for("delivery_accepted", 4)
                assert len(late.instances("SEG")) == 1
                assert len(late.instances("SR")) == 1
                assert node.stop() == 0


def test_sagittal_and_axial_acquisitions_give_the_same_volume(node, pacs, head, tmp_path):
    volumes = {}
    for number, plane in enumerate(("sagittal", "axial"), 1):
        labels = replace(real_input.DEFAULTS["MR"], series_number=number)
        written = real_input.write_series(head, tmp_path / plane, "MR", plane, labels)
        node.send(written)
        rows = node.wait_for("job_finished", number)
        finished = [row for row in rows if row["event"] == "job_finished"][-1]
        volumes[plane] = finished["detail"]["findings"]["volumes_ml"]["Brain"]
    low, high = real_input.expected_brain_ml(head)
    assert all(low <= v <= high for v in volumes.values()), volumes
    assert volumes["sagittal"] == pytest.approx(volumes["axial"], rel=0.01)
    node.wait_for("delivery_accepted", 4)
    for seg in stored(pacs, "SEG"):
        voxels = highdicom.seg.Segmentation.from_dataset(seg).pixel_array
        assert np.count_nonzero(voxels) > 0
