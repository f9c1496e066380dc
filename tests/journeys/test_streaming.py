"""A series is looked at while it still comes, on the real node: all that shows of it is time."""

import time

import pydicom
import pytest

from node.bundles.shelf import Shelf
from node.wire import scu
from tests.bundles.making import WINDOWED, bright
from tests.fakes.process import NodeProcess, parcels
from tests.fakes.scanner import Scanner

N = 48
PACE_SECONDS = 0.03


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A shelf with a model that can be run slice by slice."""
    folder = tmp_path_factory.mktemp("shelf")
    added = Shelf(folder).add(bright(tmp_path_factory.mktemp("made") / "windowed", WINDOWED))
    assert not hasattr(added, "reason"), added
    return folder


@pytest.fixture
def images(tmp_path):
    said = {"SeriesDescription": "T1", "ImagesInAcquisition": N}
    return Scanner(rows=64, columns=60, attributes=said).save(tmp_path / "head", N)


def node_with(shelf, folder, destinations, **sections):
    route = {
        "name": "bright",
        "when": {"Modality": "MR"},
        "model": "windowed",
        "send_to": list(destinations),
        "results": ["seg", "sr"],
    }
    return NodeProcess(folder, destinations, models={"dir": str(shelf)}, routes=[route], **sections)


def send_slowly(node, paths):
    """Send images at a scanner's pace over one association."""
    for sent in scu.send(node.peer, "SCANNER", parcels(paths)):
        assert sent.status == 0
        time.sleep(PACE_SECONDS)


def finished(rows):
    return [row["detail"] for row in rows if row["event"] == "job_finished"]


def mask(node, detail):
    """The masks of a run and where they lie; the moment of the run is all that may differ."""
    (uid,) = [one["sop"] for one in detail["results"] if one["kind"] == "SEG"]
    (path,) = (node.data / "spool" / "results").rglob(f"{uid}.dcm")
    seg = pydicom.dcmread(path)
    places = [
        tuple(frame.PlanePositionSequence[0].ImagePositionPatient)
        for frame in seg.PerFrameFunctionalGroupsSequence
    ]
    return uid, bytes(seg.PixelData), places


def test_windows_run_while_it_comes_and_the_mask_is_the_same(tmp_path, shelf, images):
    early = node_with(shelf, tmp_path / "early", {})
    late = node_with(shelf, tmp_path / "late", {}, preparing={"series": 0})
    found = []
    for node in (early, late):
        with node:
            time.sleep(1)  # its model's process is made ready in this time
            send_slowly(node, images)
            found += finished(node.wait_ended())
    masks = [mask(node, one) for node, one in zip((early, late), found, strict=True)]
    assert [one["findings"]["before_settling"]["followed"] for one in found] == [True, False]
    assert found[0]["findings"]["volumes_ml"] == found[1]["findings"]["volumes_ml"]
    assert masks[0] == masks[1]


def test_a_kill_while_it_is_looked_at_leaves_one_result_of_all(tmp_path, shelf, images):
    whole = node_with(shelf, tmp_path / "whole", {}, preparing={"series": 0})
    with whole:
        whole.send(images)
        (wanted,) = finished(whole.wait_ended())
    patient = {"incomplete_seconds": 30, "aborted_association_quiet_seconds": 30}
    node = node_with(shelf, tmp_path / "node", {}, settling=patient)
    with node:
        time.sleep(1)
        send_slowly(node, images[: N // 2])
        node.kill()
        node.start()
        send_slowly(node, images)
        (found,) = finished(node.wait_ended())
    assert mask(node, found) == mask(whole, wanted)


def test_a_slice_after_the_result_makes_a_new_one_that_supersedes_it(tmp_path, shelf, images, pacs):
    node = node_with(shelf, tmp_path / "node", {"orthanc": pacs.port})
    with node:
        send_slowly(node, images[:-1])
        (old,) = finished(node.wait_ended())
        node.send(images[-1:])
        node.wait_for("job_finished", 2)
        rows = node.wait_ended()
    new = finished(rows)[1]
    first, second = ({one["kind"]: one["sop"] for one in made["results"]} for made in (old, new))
    assert set(first.values()).isdisjoint(second.values())
    (told,) = [row for row in rows if row["event"] == "results_superseded"]
    assert {one["sop"] for one in told["detail"]["results"]} == {
        uid for kind, uid in first.items() if kind != "PREVIEW"
    }
    (report,) = (node.data / "spool" / "results").rglob(f"{second['SR']}.dcm")
    named = {
        str(one.ReferencedSOPInstanceUID)
        for study in pydicom.dcmread(report).PredecessorDocumentsSequence
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }
    assert {first["SR"], first["SEG"]} <= named
    assert len(pacs.instances("SEG")) == 2
