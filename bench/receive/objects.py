"""The objects that are sent: a CT slice, an MR slice, 1 kB, and a multiframe of a gigabyte.

Each is encoded once. What differs from one instance to the next, its UIDs, is written over
placeholders of the same length, so that no receiver ever sees an instance twice.
"""

import io
import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

PREAMBLE = 132
"""Bytes before the file meta information (PS3.10 7.1)."""
UID_ROOT = "2.25."
_STUDY, _SERIES, _INSTANCE = (f"{UID_ROOT}1{digit * 38}" for digit in "345")


class Uids:
    """UIDs under 2.25 (PS3.5 B.2), all of 44 characters, none given twice."""

    def __init__(self) -> None:
        """Begin a range that no other run has."""
        self.prefix = f"{UID_ROOT}1{secrets.randbelow(10**28):028d}"
        self._next = 0

    def take(self, count: int = 1) -> int:
        """Give the first number of `count` new UIDs."""
        first = self._next
        self._next += count
        return first

    def text(self, number: int) -> str:
        """Give the UID of a number."""
        return f"{self.prefix}{number:010d}"


@dataclass(frozen=True, slots=True)
class Shape:
    """An object, encoded in explicit VR little endian up to its pixels, and one frame of these.

    `places` are the offsets of study, series and instance UID in `head`.
    """

    name: str
    sop_class: str
    head: bytes
    frame: bytes
    frames: int
    places: tuple[int, int, int]
    file_head: bytes

    @property
    def size(self) -> int:
        """Bytes of the data set."""
        return len(self.head) + self.frames * len(self.frame)

    def keep(self, folder: Path) -> Path:
        """Write it where the senders can read it; give the path of its description."""
        description = folder / f"{self.name}.json"
        (folder / f"{self.name}.head").write_bytes(self.head)
        (folder / f"{self.name}.frame").write_bytes(self.frame)
        facts = {
            "sop_class": self.sop_class,
            "head": f"{self.name}.head",
            "frame": f"{self.name}.frame",
            "frames": self.frames,
            "places": self.places,
        }
        description.write_text(json.dumps(facts))
        return description

    def write_files(self, folder: Path, uids: Sequence[tuple[str, str, str]]) -> None:
        """Write a file for each (study, series, instance), or give those there new UIDs."""
        folder.mkdir(exist_ok=True)
        for number, names in enumerate(uids):
            path = folder / f"{number:05d}.dcm"
            if not path.exists():
                path.write_bytes(self.file_head + self.frame * self.frames)
            with path.open("r+b") as file:
                for offset, name in zip(self._file_places(), (names[2], *names), strict=True):
                    file.seek(offset)
                    file.write(name.encode())

    def _file_places(self) -> tuple[int, ...]:
        """Where the instance's UID lies in the file meta information, then as in `places`."""
        meta = len(self.file_head) - len(self.head)
        in_meta = self.file_head.index(_INSTANCE.encode(), PREAMBLE)
        return (in_meta, *(meta + place for place in self.places))


def shapes(multiframe_frames: int) -> Iterator[Shape]:
    """Make all four; the multiframe has frames of 2 MiB."""
    rng = np.random.default_rng(3)
    yield _shape("ct", _ct(), _image(rng, 512, 1064), 1)
    yield _shape("mr", _mr(), _image(rng, 256, 600), 1)
    yield _shape("small", _plain(SecondaryCaptureImageStorage, "OT"), _image(rng, 16, 100), 1)
    long = _plain(MultiFrameGrayscaleWordSecondaryCaptureImageStorage, "OT")
    long.NumberOfFrames = multiframe_frames
    yield _shape("multiframe", long, _image(rng, 1024, 1064), multiframe_frames)


def _image(rng: np.random.Generator, side: int, level: int) -> np.ndarray:
    """A bright disc in 16 bits with the noise of a scanner, which no disk compresses away."""
    rows, columns = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    disc = np.where(rows**2 + columns**2 < 0.7, level, 40)
    return np.clip(disc + rng.normal(0, 20, (side, side)), 0, 4095).astype("<u2")


def _shape(name: str, dataset: Dataset, image: np.ndarray, frames: int) -> Shape:
    dataset.Rows, dataset.Columns = image.shape
    dataset.PixelData = frame = image.tobytes()
    encoded = io.BytesIO()
    dataset.save_as(encoded, enforce_file_format=True)
    file_head = bytearray(encoded.getvalue()[: -len(frame)])
    file_head[-4:] = (frames * len(frame)).to_bytes(4, "little")
    rest_of_meta = int.from_bytes(file_head[PREAMBLE + 8 : PREAMBLE + 12], "little")
    head = bytes(file_head[PREAMBLE + 12 + rest_of_meta :])
    study, series, instance = (head.index(uid.encode()) for uid in (_STUDY, _SERIES, _INSTANCE))
    places = (study, series, instance)
    return Shape(name, str(dataset.SOPClassUID), head, frame, frames, places, bytes(file_head))


def _plain(sop_class: str, modality: str) -> Dataset:
    """The attributes that every one of them has, and hardly more."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, _INSTANCE
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = _STUDY, _SERIES
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20260101", "100000", "1"
    dataset.Modality, dataset.PatientID, dataset.PatientName = modality, "BENCH", "BENCH"
    dataset.SeriesNumber, dataset.InstanceNumber = 2, 1
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    return dataset


def _slice(sop_class: str, modality: str) -> Dataset:
    """What scanners write into every slice, a private block with their own notes included."""
    dataset = _plain(sop_class, modality)
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = "20260101"
    dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = "100200.5"
    dataset.AccessionNumber, dataset.Manufacturer = "A0001", "BENCH"
    dataset.InstitutionName, dataset.StationName = "BENCH", "SCANNER1"
    dataset.StudyDescription, dataset.SeriesDescription = "THORAX", "AX 1.0"
    dataset.ManufacturerModelName, dataset.SoftwareVersions = "BENCH 9000", "1.0"
    dataset.PatientBirthDate, dataset.PatientSex, dataset.PatientAge = "19600101", "O", "065Y"
    dataset.BodyPartExamined, dataset.ProtocolName = "CHEST", "Thorax"
    dataset.PatientPosition, dataset.SliceThickness, dataset.SliceLocation = "HFS", 1, 12.5
    dataset.ImagePositionPatient = [-175.0, -175.0, 12.5]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.FrameOfReferenceUID = f"{UID_ROOT}7"
    dataset.AcquisitionNumber, dataset.PixelSpacing = 1, [0.68, 0.68]
    dataset.WindowCenter, dataset.WindowWidth = [40, -600], [400, 1500]
    study = Dataset()
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = sop_class, f"{UID_ROOT}8"
    dataset.ReferencedStudySequence = [study]
    notes = dataset.private_block(0x29, "BENCH NOTES", create=True)
    notes.add_new(0x10, "OB", bytes(2048))
    notes.add_new(0x20, "OB", bytes(3000))
    return dataset


def _ct() -> Dataset:
    dataset = _slice(CTImageStorage, "CT")
    dataset.KVP, dataset.ReconstructionDiameter, dataset.GantryDetectorTilt = 120, 350, 0
    dataset.ExposureTime, dataset.XRayTubeCurrent, dataset.Exposure = 500, 200, 100
    dataset.ConvolutionKernel = "B30f"
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = -1024, 1, "HU"
    return dataset


def _mr() -> Dataset:
    dataset = _slice(MRImageStorage, "MR")
    dataset.ScanningSequence, dataset.SequenceVariant, dataset.MRAcquisitionType = "GR", "SP", "3D"
    dataset.RepetitionTime, dataset.EchoTime, dataset.FlipAngle = 2000, 2.9, 9
    dataset.MagneticFieldStrength = 3
    return dataset
