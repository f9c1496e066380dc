"""Images that show another part of the body than their header says get no mask, but a reason."""

from dataclasses import replace

import pydicom
import pytest

from bench import real_input
from tests.fakes.process import NodeProcess

MR = "1.2.840.10008.5.1.4.1.1.4"


@pytest.fixture
def chest_that_says_brain(tmp_path):
    """A real chest CT, thinned, whose header says that it is an MR of the brain."""
    labels = replace(real_input.DEFAULTS["CT"], shrink=2)
    try:
        nifti = real_input.chest_ct()
    except real_input.UnreachableError as error:
        pytest.skip(str(error))
    paths = real_input.write_series(nifti, tmp_path / "chest", "CT", labels=labels)[::2]
    for path in paths:
        ds = pydicom.dcmread(path)
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = MR
        ds.Modality, ds.BodyPartExamined, ds.SeriesDescription = "MR", "BRAIN", "T1"
        ds.save_as(path)
    return paths


@pytest.mark.parametrize(
    ("body_part", "words"),
    [
        ("BRAIN", "its header says BRAIN, and its planes show a body of"),
        ("", "mL of Brain were found, and 0 to 3000 mL are plausible"),
    ],
    ids=["a header that says brain", "a header that says nothing"],
)
def test_a_chest_is_no_brain(tmp_path, chest_that_says_brain, body_part, words):
    for path in chest_that_says_brain:
        ds = pydicom.dcmread(path)
        ds.BodyPartExamined = body_part
        ds.save_as(path)
    with NodeProcess(tmp_path / "node", {}) as node:
        assert {one.status for one in node.send(chest_that_says_brain)} == {0}
        (refused,) = [one for one in node.wait_for("job_refused") if one["event"] == "job_refused"]
        assert words in str(refused["detail"])
        assert "job_finished" not in node.events()
