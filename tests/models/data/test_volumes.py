"""What training sees lies where it lay in the patient, in the values that the scanner gave."""

import json

import numpy as np
import pytest
import SimpleITK
import yaml

from bench.demo import send_series
from bench.real_input import write_series
from models.data import preparing, sources
from models.data.sources import received
from models.data.volumes import prepared, resampled
from tests.fakes.desk import wait_until
from tests.fakes.process import NodeProcess
from tests.models.data.conftest import STRUCTURES, image_of


def test_a_volume_lies_on_the_wished_grid_with_axes_to_right_front_and_head(source, tmp_path):
    got = prepared(source, (3.0, 3.0, 3.0), tmp_path / "cache")
    assert got.spacing_mm == (3.0, 3.0, 3.0)
    assert got.image.dtype == np.int16 and got.labels.dtype == np.uint8
    assert got.image.shape == got.labels.shape == (38, 32, 32)
    named = {name: got.labels == got.structures.index(name) for name in got.structures[1:]}
    middles = {name: np.argwhere(where).mean(0) for name, where in named.items()}
    # RAS: what is on the patient's left has the smaller x
    assert middles["kidney_left"][0] < middles["aorta"][0] < middles["liver"][0]
    assert middles["vertebrae_L1"][1] < middles["aorta"][1]  # the spine is behind
    assert np.median(got.image[named["aorta"]]) == 300


def test_values_keep_their_sixteen_bits(tmp_path):
    hu = np.arange(-1024, -1024 + 8 * 16 * 16, dtype=np.int16).reshape(8, 16, 16)
    SimpleITK.WriteImage(image_of(hu, (1.0, 1.0, 1.0)), str(tmp_path / "ramp.nii.gz"))
    ramp = {"patient": "ramp", "image": {"nifti": str(tmp_path / "ramp.nii.gz")}}
    got = prepared(ramp, (1.0, 1.0, 1.0), tmp_path / "cache")
    assert len(np.unique(got.image)) == hu.size


def test_what_is_in_the_cache_is_mapped_and_not_made_again(source, tmp_path):
    first = prepared(source, (3.0, 3.0, 3.0), tmp_path / "cache")
    made = next((tmp_path / "cache").rglob("image.npy"))
    stamp = made.stat().st_mtime_ns
    again = prepared(source, (3.0, 3.0, 3.0), tmp_path / "cache")
    assert made.stat().st_mtime_ns == stamp
    assert isinstance(again.image, np.memmap)
    assert np.array_equal(first.image, again.image)


def test_another_spacing_or_another_name_is_another_volume(source, tmp_path):
    prepared(source, (3.0, 3.0, 3.0), tmp_path / "cache")
    prepared(source, (4.0, 4.0, 4.0), tmp_path / "cache")
    prepared({**source, "names": {1: "liver"}}, (3.0, 3.0, 3.0), tmp_path / "cache")
    assert len(list((tmp_path / "cache").rglob("about.json"))) == 3


def test_provenance_names_the_digest_of_every_file(source, tmp_path):
    got = prepared(source, (3.0, 3.0, 3.0), tmp_path / "cache").provenance
    assert len(got["image_sha256"]) == len(got["labels_sha256"]) == 64


def test_values_beyond_sixteen_bits_are_refused(tmp_path):
    wide = image_of(np.full((4, 8, 8), 1e6, np.float32))
    SimpleITK.WriteImage(wide, str(tmp_path / "wide.nii.gz"))
    with pytest.raises(ValueError, match="beyond 16 bits"):
        prepared(
            {"patient": "wide", "image": {"nifti": str(tmp_path / "wide.nii.gz")}},
            (1.0, 1.0, 1.0),
            tmp_path / "cache",
        )


def test_a_dicom_series_and_a_file_of_the_same_image_are_the_same(source, tmp_path):
    nifti = tmp_path / "image.nii.gz"
    write_series(nifti, tmp_path / "series", "CT")
    by_file, _ = sources.image_of({"nifti": str(nifti)}, tmp_path)
    by_dicom, _ = sources.image_of({"dicom": str(tmp_path / "series")}, tmp_path)
    one, other = (resampled(i, (3.0, 3.0, 3.0), labels=False) for i in (by_file, by_dicom))
    assert one.GetSize() == other.GetSize()
    assert np.allclose(one.GetOrigin(), other.GetOrigin(), atol=1e-3)
    values = [SimpleITK.GetArrayFromImage(i) for i in (one, other)]
    assert np.abs(values[0] - values[1]).max() < 0.5


def test_a_source_of_no_known_kind_is_named(tmp_path):
    with pytest.raises(ValueError, match="exactly one of"):
        sources.image_of({"jpeg": "x"}, tmp_path)


def test_a_series_that_cannot_be_read_says_why(source, tmp_path):
    write_series(tmp_path / "image.nii.gz", tmp_path / "series", "CT")
    sorted((tmp_path / "series").glob("*.dcm"))[10].unlink()
    with pytest.raises(ValueError, match="cannot be read"):
        sources.image_of({"dicom": str(tmp_path / "series")}, tmp_path)


def test_preparing_tells_what_is_there(source, tmp_path, capsys):
    (tmp_path / "sources.yaml").write_text(yaml.safe_dump([source]))
    words = [str(tmp_path / "sources.yaml"), "--cache", str(tmp_path / "cache"), "--spacing", "2"]
    assert preparing.main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["structures_ml"]["liver"] == pytest.approx(16 * 20 * 14 * 16 / 1000, rel=0.1)
    assert told["values"] == [-1000, 400]


def test_preparing_names_a_file_that_is_not_there(source, tmp_path, capsys):
    source["image"]["nifti"] = str(tmp_path / "nowhere.nii.gz")
    (tmp_path / "sources.yaml").write_text(yaml.safe_dump([source]))
    assert preparing.main([str(tmp_path / "sources.yaml"), "--cache", str(tmp_path)]) == 1
    assert "nowhere.nii.gz" in capsys.readouterr().err


def test_labels_come_from_a_segmentation_as_from_a_file(source, tmp_path, organ_seg):
    by_file, _ = sources.labels_of(source["labels"], tmp_path)
    by_seg, _ = sources.labels_of({"seg": str(organ_seg)}, tmp_path)
    same = SimpleITK.Resample(by_seg, by_file, SimpleITK.Transform(), SimpleITK.sitkNearestNeighbor)
    one, other = (SimpleITK.GetArrayFromImage(image) for image in (by_file, same))
    # segment numbers run on where the file's values have gaps
    assert np.array_equal(other, np.searchsorted([0, *STRUCTURES], one))


def test_what_a_node_has_received_is_a_source(source, tmp_path):
    """A real node takes the series; the ledger and the spool are what training reads."""
    written = write_series(tmp_path / "image.nii.gz", tmp_path / "series", "CT")
    with NodeProcess(tmp_path / "node") as node:
        _, uid = send_series(node.peer, written)
        wait_until(lambda: len(received(str(node.config), uid)) == len(written))
        by_store, _ = sources.image_of(
            {"store": {"config": str(node.config), "series": uid}}, tmp_path
        )
    by_file, _ = sources.image_of({"nifti": str(tmp_path / "image.nii.gz")}, tmp_path)
    one, other = (
        SimpleITK.GetArrayFromImage(resampled(i, (3.0, 3.0, 3.0), labels=False))
        for i in (by_store, by_file)
    )
    assert np.abs(one - other).max() < 0.5
