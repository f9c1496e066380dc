"""What was set right on a series is told where people look: audit trail, report, command line."""

import io

import pydicom
import pytest

from tests.fakes.process import NodeProcess

SAID = ("1 localizer image set aside", "voxels of padding set to -1024 HU")


@pytest.fixture
def padded_ct(tmp_path):
    """A CT of a phantom with padding around what was reconstructed, and its localizer."""
    from tests.fakes.scanner import CORONAL, Scanner, save

    knobs = {"name": "padded", "modality": "CT", "signed": True}
    attributes = {"PixelPaddingValue": 40, "RescaleIntercept": "0"}
    slices = Scanner(**knobs, attributes=attributes).series(24)
    (scout,) = Scanner(**knobs, orientation=CORONAL).series(1)
    scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    scout.SOPInstanceUID = scout.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    return save([scout, *slices], tmp_path / "series")


def test_a_localizer_and_padding_stand_in_audit_trail_and_report(tmp_path, pacs, padded_ct):
    routes = [
        {"name": "check", "model": "modality_check", "send_to": ["orthanc"], "results": ["sr"]}
    ]
    routes[0]["when"] = {"Modality": "CT"}
    with NodeProcess(tmp_path / "node", {"orthanc": pacs.port}, routes=routes) as node:
        assert {one.status for one in node.send(padded_ct)} == {0}
        rows = node.wait_ended()
        (finished,) = [row for row in rows if row["event"] == "job_finished"]
        shown = node.cli("show", pydicom.dcmread(padded_ct[0]).SeriesInstanceUID)
    (report,) = [
        pydicom.dcmread(io.BytesIO(pacs.file(tags["orthanc"]))) for tags in pacs.instances("SR")
    ]
    told = report.to_json()  # printing shortens values
    for said in SAID:
        assert said in str(finished["detail"])
        assert said in told
        assert said in shown
