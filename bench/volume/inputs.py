"""Writes the slices of one real CT in every transfer syntax, or of a made-up one."""

import zlib  # noqa: F401 - before gdcm, which brings one of its own
from pathlib import Path

import gdcm
import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from bench import real_input

SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "big_endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg_ls": JPEGLSLossless,
    "jpeg_lossless": JPEGLosslessSV1,
    "jpeg_2000": JPEG2000Lossless,
}
SLICES = {"jpeg_ls": 60, "jpeg_lossless": 60, "jpeg_2000": 30, "deflated": 60}
"""How many, where all would take too long."""


def series(folder: Path, name: str, *, quick: bool) -> list[Path]:
    """Write one series, unless it is there; give its files in slice order."""
    plain = _plain(folder)
    count = 12 if quick else SLICES.get(name, len(plain))
    syntax, out = SYNTAXES[name], folder / name
    if name == "explicit":
        return plain[:count]
    out.mkdir(exist_ok=True)
    written = []
    for path in plain[:count]:
        written.append(out / path.name)
        if not written[-1].exists():
            _transcode(path, written[-1], syntax)
    return written


def _plain(folder: Path) -> list[Path]:
    out = folder / "explicit"
    if not list(out.glob("*.dcm")):
        try:
            real_input.write_series(real_input.chest_ct(), out, "CT")
        except real_input.UnreachableError as error:
            print(f"made up, since there is no real CT: {error}")
            _made_up(out)
    return sorted(out.glob("*.dcm"))


def _transcode(source: Path, target: Path, syntax: pydicom.uid.UID) -> None:
    if syntax == JPEGLosslessSV1:
        return _by_gdcm(source, target)
    ds = pydicom.dcmread(source)
    if syntax.is_encapsulated:
        ds.compress(syntax, generate_instance_uid=False)
    elif not syntax.is_little_endian:
        ds.PixelData = np.frombuffer(ds.PixelData, "<u2").byteswap().tobytes()
    ds.file_meta.TransferSyntaxUID = syntax
    return pydicom.dcmwrite(
        target,
        ds,
        implicit_vr=syntax.is_implicit_VR,
        little_endian=syntax.is_little_endian,
        enforce_file_format=True,
    )


def _by_gdcm(source: Path, target: Path) -> None:
    reader = gdcm.ImageReader()
    reader.SetFileName(str(source))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(target))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()


def _made_up(out: Path, count: int = 133, size: int = 512) -> None:
    """Write a noisy CT of a cylinder, as hard to compress as a real one."""
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[:size, :size] - size / 2
    body = np.hypot(rows, columns) < size * 0.35
    for number in range(count):
        noise = rng.normal(0, 20, (size, size))
        ds = _header(number, size)
        ds.PixelData = np.where(body, 1060 + noise, 24 + noise / 4).clip(0).astype("<u2").tobytes()
        ds["PixelData"].VR = "OW"
        ds.save_as(out / f"IM{number + 1:04d}.dcm", enforce_file_format=True)


def _header(number: int, size: int) -> Dataset:
    ds = Dataset()
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"2.25.7.{number}"
    ds.Modality, ds.PatientID, ds.PatientName = "CT", "BENCH", "Bench^Phantom"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "2.25.8", "2.25.9"
    ds.FrameOfReferenceUID, ds.InstanceNumber = "2.25.10", number + 1
    ds.ImagePositionPatient = ["-180", "-180", f"{2.5 * number:.1f}"]
    ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    ds.PixelSpacing, ds.SliceThickness = ["0.7", "0.7"], "2.5"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows = ds.Columns = size
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.RescaleIntercept, ds.RescaleSlope = "-1024", "1"
    return ds
