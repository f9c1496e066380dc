"""Several volumes in one series: found, named, and picked only by a rule."""

import numpy as np
from pydicom.dataset import Dataset

from node.dicom import scanning, splitting
from tests.dicom.hazards.series import MAKERS
from tests.fakes.scanner import Scanner


def scans(tmp_path, name):
    return [scanning.scan(path) for path in MAKERS[name](tmp_path)]


def test_volumes_are_named_by_what_sets_them_apart(tmp_path):
    found = splitting.parts(scans(tmp_path, "two_echoes_of_two_times_last"))
    assert [part.name for part in found] == [
        f"EchoTime {echo}, TemporalPositionIdentifier {time}"
        for echo in (10, 80)
        for time in (1, 2)
    ]
    assert {len(part.images) for part in found} == {10}


def test_directions_are_volumes_of_their_own(tmp_path):
    found = splitting.parts(scans(tmp_path, "three_directions_first"))
    assert [part.name for part in found] == ["axial", "coronal", "sagittal"]


def test_numbers_go_by_size_and_not_by_spelling(tmp_path):
    slices = []
    for number, time in enumerate(("100", "80", "9.5")):
        for ds in Scanner(attributes={"EchoTime": time}).series(4):
            ds.SOPInstanceUID = f"1.2.{number}.{ds.InstanceNumber}"
            slices.append(ds)
    paths = []
    for number, ds in enumerate(slices):
        paths.append(tmp_path / f"{number}.dcm")
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.save_as(paths[-1], enforce_file_format=True)
    found = splitting.parts([scanning.scan(path) for path in paths])
    assert [part.name for part in found] == ["EchoTime 9.5", "EchoTime 80", "EchoTime 100"]


def test_what_differs_in_every_slice_splits_nothing(tmp_path):
    times = {i: {"AcquisitionTime": f"1015{i:02d}", "TriggerTime": str(i)} for i in range(10)}
    paths = Scanner(per_slice=times).save(tmp_path, 10)
    (part,) = splitting.parts([scanning.scan(path) for path in paths])
    assert part.name == ""


def test_a_stray_image_does_not_make_a_volume(tmp_path):
    slices = Scanner().series(10)
    stray = Scanner(attributes={"AcquisitionNumber": 2}).series(10)[4]
    stray.SOPInstanceUID = stray.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    stray.PixelData = np.zeros(48 * 56, "<u2").tobytes()
    paths = []
    for number, ds in enumerate([*slices, stray]):
        assert isinstance(ds, Dataset)
        paths.append(tmp_path / f"{number}.dcm")
        ds.save_as(paths[-1], enforce_file_format=True)
    images = [scanning.scan(path) for path in paths]
    assert splitting.pick(images, "first") == (images, "")
