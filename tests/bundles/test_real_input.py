"""The series that stand in for a scanner are valid DICOM and say what the volume says."""

import shutil
import subprocess

import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.uid import JPEGLSLossless

from bench import real_input


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_every_voxel_lies_where_it_lay(head_nifti, plane, tmp_path):
    written = real_input.write_series(head_nifti, tmp_path, "MR", plane)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in written])
    series, source = reader.Execute(), SimpleITK.ReadImage(str(head_nifti))
    rng = np.random.default_rng(5)
    for _ in range(200):
        index = [int(rng.integers(size)) for size in series.GetSize()]
        where = series.TransformIndexToPhysicalPoint(index)
        place = source.TransformPhysicalPointToContinuousIndex(where)
        assert np.allclose(place, np.rint(place), atol=1e-3)
        assert series[index] == source[[round(value) for value in place]]


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dciodvfy is not on the path")
def test_its_slices_have_no_errors(head_nifti, tmp_path):
    written = real_input.write_series(head_nifti, tmp_path, "MR", "axial")
    for path in written[::60]:
        said = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
        assert "Error" not in said.stderr + said.stdout


def test_the_same_volume_makes_the_same_bytes(head_nifti, tmp_path):
    labels = real_input.Labels(shrink=4)
    once = real_input.write_series(head_nifti, tmp_path / "a", "MR", "axial", labels)
    again = real_input.write_series(head_nifti, tmp_path / "b", "MR", "axial", labels)
    assert [p.read_bytes() for p in once[:5]] == [p.read_bytes() for p in again[:5]]


def test_patient_study_and_coding_can_be_chosen(head_nifti, tmp_path):
    labels = real_input.Labels(
        patient_id="OTHER",
        study_uid="1.2.3",
        transfer_syntax=JPEGLSLossless,
        shrink=4,
        attributes={"StationName": "MR1"},
    )
    first = real_input.write_series(head_nifti, tmp_path, "MR", "sagittal", labels)[0]
    dataset = pydicom.dcmread(first)
    assert dataset.PatientID == "OTHER"
    assert dataset.StudyInstanceUID == "1.2.3"
    assert dataset.StationName == "MR1"
    assert dataset.file_meta.TransferSyntaxUID == JPEGLSLossless
    assert dataset.pixel_array.shape == (45, 54)
