"""A scanner that makes series of a phantom, and makes them wrong in every way that scanners do."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom.charset import convert_encodings, default_encoding
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian

from node.rules.naming import derived_uid
from tests.fakes.compressing import compress

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)

SOP_CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "DX": "1.2.840.10008.5.1.4.1.1.1.1",
    "MG": "1.2.840.10008.5.1.4.1.1.1.2",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
    "NM": "1.2.840.10008.5.1.4.1.1.20",
}

CENTRE_MM = np.array([12.0, -8.0, 30.0])
"""Where the phantom's bright ellipsoid is, in LPS millimetres, whatever the acquisition."""
RADII_MM = np.array([24.0, 18.0, 14.0])
BRIGHT, DARK = 800, 40


@dataclass
class Scanner:
    """Knobs: what the acquisition is like, and what goes wrong with it.

    `tilt` leans the stack (degrees), `missing` leaves slices out by index, `jitter_mm` moves them
    along the normal, `attributes` sets elements of every slice, `per_slice` of one slice.
    """

    modality: str = "MR"
    orientation: Sequence[float] = AXIAL
    rows: int = 48
    columns: int = 56
    row_spacing: float = 2.0
    column_spacing: float = 1.5
    slice_spacing: float = 3.0
    tilt: float = 0.0
    missing: Sequence[int] = ()
    reverse: bool = False
    jitter_mm: float = 0.0
    signed: bool = False
    slope: float | None = None
    intercept: float | None = None
    charset: str | list[str] | None = "ISO_IR 100"
    transfer_syntax: UID = ExplicitVRLittleEndian
    name: str = "one"
    patient_id: str = "TEST-1"
    attributes: dict[str, object] = field(default_factory=dict)
    per_slice: dict[int, dict[str, object]] = field(default_factory=dict)

    def series(self, n: int = 20) -> list[Dataset]:
        """Make the slices, in the order in which they are scanned."""
        slices = [self._slice(index, n) for index in range(n) if index not in self.missing]
        return slices[::-1] if self.reverse else slices

    def save(self, folder: Path, n: int = 20) -> list[Path]:
        """Make the slices and write each to a file."""
        return save(self.series(n), folder)

    def _slice(self, index: int, n: int) -> Dataset:
        ds = self._header()
        position = self._position(index, n)
        ds.SOPInstanceUID = derived_uid("scanner", self.name, self.modality, index)
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.InstanceNumber = index + 1
        ds.ImagePositionPatient = [f"{value:.6f}" for value in position]
        stored = self._phantom(position)
        ds.PixelData = stored.astype("<i2" if self.signed else "<u2").tobytes()
        for keyword, value in {**self.attributes, **self.per_slice.get(index, {})}.items():
            setattr(ds, keyword, value)
        if self.transfer_syntax.is_encapsulated:
            ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            compress(ds, self.transfer_syntax)
        else:
            ds.file_meta.TransferSyntaxUID = self.transfer_syntax
        if self.transfer_syntax == UID("1.2.840.10008.1.2.2"):
            ds.PixelData = stored.astype(">i2" if self.signed else ">u2").tobytes()
        if not self.transfer_syntax.is_encapsulated:
            ds["PixelData"].VR = "OW"
        return ds

    def _position(self, index: int, n: int) -> np.ndarray:
        """Give the first pixel's centre, so that the block's centre is near the phantom."""
        across, down = np.array(self.orientation[:3]), np.array(self.orientation[3:])
        normal = np.cross(across, down)
        middle = (self.columns - 1) / 2 * self.column_spacing * across
        middle = middle + (self.rows - 1) / 2 * self.row_spacing * down
        along = (index - (n - 1) / 2) * self.slice_spacing
        along += self.jitter_mm * (-1) ** index
        lean = np.tan(np.radians(self.tilt)) * along * down
        return CENTRE_MM - middle + along * normal + lean

    def _phantom(self, position: np.ndarray) -> np.ndarray:
        across, down = np.array(self.orientation[:3]), np.array(self.orientation[3:])
        rows = np.arange(self.rows)[:, None, None] * self.row_spacing * down
        columns = np.arange(self.columns)[None, :, None] * self.column_spacing * across
        points = position + rows + columns
        inside = (((points - CENTRE_MM) / RADII_MM) ** 2).sum(axis=-1) <= 1
        return np.where(inside, BRIGHT, DARK)

    def _header(self) -> Dataset:
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.SOPClassUID = SOP_CLASSES[self.modality]
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
        ds.file_meta.ImplementationClassUID = derived_uid("scanner")
        if self.charset is not None:
            ds.SpecificCharacterSet = self.charset
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL" if self.modality == "CT" else "M"]
        ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = "20260102"
        ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = "101500"
        ds.AccessionNumber = "ACC1"
        ds.Modality = self.modality
        ds.Manufacturer = "Phantom Works"
        ds.ManufacturerModelName = "Ellipsoid"
        ds.ReferringPhysicianName = ""
        ds.StudyDescription = "Phantom"
        ds.SeriesDescription = "T1 phantom"
        ds.PatientName = "Phantom^Ellipsoid"
        ds.PatientID = self.patient_id
        ds.PatientBirthDate = "20000101"
        ds.PatientSex = "O"
        ds.BodyPartExamined = "BRAIN"
        ds.StudyInstanceUID = derived_uid("study", self.name)
        ds.SeriesInstanceUID = derived_uid("series", self.name, self.modality)
        ds.StudyID = "1"
        ds.SeriesNumber = 3
        ds.AcquisitionNumber = 1
        ds.PatientPosition = "HFS"
        ds.FrameOfReferenceUID = derived_uid("frame", self.name)
        ds.PositionReferenceIndicator = ""
        ds.ImageOrientationPatient = [f"{value:.10f}"[:16] for value in self.orientation]
        ds.PixelSpacing = [str(self.row_spacing), str(self.column_spacing)]
        ds.SliceThickness = ds.SpacingBetweenSlices = str(self.slice_spacing)
        ds.SamplesPerPixel = 1
        ds.PhotometricInterpretation = "MONOCHROME2"
        ds.Rows, ds.Columns = self.rows, self.columns
        ds.BitsAllocated = ds.BitsStored = 16
        ds.HighBit = 15
        ds.PixelRepresentation = int(self.signed)
        self._acquisition(ds)
        return ds

    def _acquisition(self, ds: Dataset) -> None:
        if self.modality == "CT":
            ds.KVP = "120"
            ds.RescaleIntercept = "-1024"
            ds.RescaleSlope = "1"
            ds.RescaleType = "HU"
        elif self.modality == "MR":
            ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions = "GR", "MP", ""
            ds.MRAcquisitionType = "3D"
            ds.RepetitionTime, ds.EchoTime, ds.EchoTrainLength = "18", "10", 1
        if self.slope is not None:
            ds.RescaleSlope, ds.RescaleIntercept = str(self.slope), str(self.intercept or 0)
            ds.RescaleType = "US"


def save(slices: Sequence[Dataset], folder: Path) -> list[Path]:
    """Write data sets to files, in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, ds in enumerate(slices):
        path = folder / f"{number:04d}.dcm"
        ds.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def put_raw(ds: Dataset, keyword: str, vr: str, value: bytes) -> None:
    """Have an element written with these very bytes, however wrong they are."""
    value += b" " * (len(value) % 2)
    tag = Tag(keyword)
    ds[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    charset = ds.get("SpecificCharacterSet")
    syntax = ds.file_meta.TransferSyntaxUID
    ds.set_original_encoding(
        syntax.is_implicit_VR,
        syntax.is_little_endian,
        convert_encodings(charset) if charset else default_encoding,
    )
