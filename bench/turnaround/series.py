"""The CT series that are sent: one made-up body, each time as a new study under new UIDs."""

import secrets
from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import CTImageStorage

from bench.pipeline.inputs import SMALL, SPACING, WHOLE, phantom

SOP_CLASS = str(CTImageStorage)
_PIXEL_DATA = b"\xe0\x7f\x10\x00OW\0\0"
"""(7FE0,0010) OW, as explicit VR little endian has it, up to the length (PS3.5 7.1.2)."""


class Body:
    """The voxels of all series: 300 slices of 512 x 512 at 1 x 0.78 x 0.78 mm."""

    def __init__(self, *, quick: bool) -> None:
        """Make them; `quick` for 150 slices of 192 x 192."""
        hu = phantom(SMALL if quick else WHOLE, 7)[0]
        self._stored = np.ascontiguousarray((hu + 1024).clip(0), "<u2")

    @property
    def slices(self) -> int:
        """How many there are."""
        return len(self._stored)

    def frame(self, number: int) -> memoryview:
        """Give the pixel data of a slice."""
        return memoryview(self._stored[number]).cast("B")

    @property
    def matrix(self) -> tuple[int, int]:
        """Rows and columns."""
        _, rows, columns = self._stored.shape
        return rows, columns


class Series:
    """One study with one series, never sent before."""

    def __init__(
        self, body: Body, announced: int | None = None, description: str = "AX 1.0"
    ) -> None:
        """Name it; `announced` goes into Images in Acquisition (0020,1002)."""
        self._body = body
        self._description = description
        self._announced = announced
        self._root = f"2.25.1{secrets.randbelow(10**28):028d}"
        self.study = f"{self._root}1"
        self.series = f"{self._root}2"
        self.slices = body.slices

    def uid(self, number: int) -> str:
        """Give the SOP Instance UID of a slice."""
        return f"{self._root}3{number:05d}"

    def encoded(self, number: int) -> Sequence[bytes | memoryview]:
        """Give the data set of a slice in parts, explicit VR little endian."""
        frame = self._body.frame(number)
        written = DicomBytesIO()
        written.is_little_endian, written.is_implicit_VR = True, False
        write_dataset(written, self._header(number))
        return [written.getvalue() + _PIXEL_DATA + len(frame).to_bytes(4, "little"), frame]

    def _header(self, number: int) -> Dataset:
        ds = Dataset()
        ds.SpecificCharacterSet = "ISO_IR 100"
        ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, self.uid(number)
        ds.StudyInstanceUID, ds.SeriesInstanceUID = self.study, self.series
        ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = f"{self._root}4", ""
        ds.PatientName, ds.PatientID, ds.PatientSex = "Bench^Body", self._root[-16:], "O"
        ds.PatientBirthDate, ds.StudyID, ds.AccessionNumber = "19700101", "1", "A1"
        ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = "20260101"
        ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = "120000"
        ds.ReferringPhysicianName, ds.StudyDescription = "", "THORAX"
        ds.Modality, ds.Manufacturer, ds.ManufacturerModelName = "CT", "Bench", "Bench"
        ds.SeriesDescription, ds.BodyPartExamined = self._description, "CHEST"
        ds.PatientPosition = "HFS"
        ds.ImageType, ds.AcquisitionNumber = ["ORIGINAL", "PRIMARY", "AXIAL"], 1
        ds.SeriesNumber, ds.InstanceNumber = 2, number + 1
        if self._announced is not None:
            ds.ImagesInAcquisition = self._announced
        ds.PixelSpacing, ds.SliceThickness = [SPACING[1], SPACING[2]], SPACING[0]
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.ImagePositionPatient = ["-199.68", "-199.68", f"{SPACING[0] * number:.1f}"]
        ds.KVP, ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 120, -1024, 1, "HU"
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.Rows, ds.Columns = self._body.matrix
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
        return ds
