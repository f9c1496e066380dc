"""Writes the slices of one real CT in every transfer syntax, or of a made-up one."""

import zlib  # noqa: F401 - before gdcm, which brings one of its own
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import gdcm
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
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
    "jpeg_baseline": JPEGBaseline8Bit,
    "htj2k": HTJ2KLossless,
}
ONE_OBJECT = {"jpeg_extended": "JPGExtended.dcm"}
"""What nothing that is installed writes: a real object that pydicom brings along, of 12 bits."""
SLICES = {
    "jpeg_ls": 60,
    "jpeg_lossless": 60,
    "jpeg_2000": 30,
    "deflated": 60,
    "jpeg_baseline": 60,
    "htj2k": 60,
}
"""How many, where all would take too long."""


def series(folder: Path, name: str, *, quick: bool) -> list[Path]:
    """Write one series, unless it is there; give its files in slice order.

    None are written of HTJ2K where imagecodecs, which can write it, is not installed.
    """
    if name == "htj2k" and find_spec("imagecodecs") is None:
        print("htj2k is left out: imagecodecs, which writes it, is not installed")
        return []
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
    ds = pydicom.dcmread(source)
    if syntax == JPEGLosslessSV1:
        return _by_gdcm(ds, target)
    if syntax == JPEGBaseline8Bit:
        _in_eight_bits(ds)
    elif syntax == HTJ2KLossless:
        _high_throughput(ds)
    elif syntax.is_encapsulated:
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


def _twelve_bits(ds: Dataset) -> np.ndarray:
    """Cut a slice down to the twelve bits without sign that lossy encoders know."""
    values = np.frombuffer(ds.PixelData, "<i2").reshape(ds.Rows, ds.Columns).clip(0, 4095)
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 12, 11, 0
    ds.PixelData = values.astype("<u2").tobytes()
    return values.astype("<u2")


def _in_eight_bits(ds: Dataset) -> None:
    """Keep the upper eight of twelve bits, as JPEG with losses."""
    frame = BytesIO()
    Image.fromarray((_twelve_bits(ds) >> 4).astype("u1")).save(frame, "JPEG", quality=90)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    _hold(ds, frame.getvalue())


def _high_throughput(ds: Dataset) -> None:
    import imagecodecs

    _hold(ds, imagecodecs.htj2k_encode(_twelve_bits(ds)))


def _hold(ds: Dataset, frame: bytes) -> None:
    ds.PixelData = encapsulate([frame])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True


def _by_gdcm(ds: Dataset, target: Path) -> None:
    ds.save_as(target, enforce_file_format=True)
    reader = gdcm.ImageReader()
    reader.SetFileName(str(target))
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
