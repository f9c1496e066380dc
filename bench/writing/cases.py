"""The label maps that are written, and the CT series they lie on: made up, always the same."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from node.rules.naming import derived_uid

SPACING_MM = 0.8
STEP_MM = 1.5


@dataclass(frozen=True, slots=True)
class Case:
    """A volume of so many slices of `size` x `size`, with so many segments."""

    slices: int
    segments: int
    size: int = 512

    @property
    def title(self) -> str:
        """What the table calls it."""
        return f"{self.slices}x{self.size}x{self.size}, {self.segments} segments"


CASES = (Case(300, 5), Case(300, 104), Case(1000, 20))
QUICK = (Case(40, 5, 128), Case(40, 104, 128))


def prepare(case: Case, folder: Path) -> None:
    """Write series, mask (.npy and uncompressed .nrrd) and dcmqi's description into a folder."""
    (folder / "ct").mkdir(parents=True)
    for index in range(case.slices):
        _slice(case, index).save_as(folder / "ct" / f"{index:04}.dcm", enforce_file_format=True)
    mask = label_map(case)
    np.save(folder / "mask.npy", mask)
    image = SimpleITK.GetImageFromArray(mask)
    image.SetSpacing((SPACING_MM, SPACING_MM, STEP_MM))
    image.SetOrigin((0.0, 0.0, 0.0))
    SimpleITK.WriteImage(image, str(folder / "mask.nrrd"), useCompression=False)
    (folder / "dcmqi.json").write_text(json.dumps(_described(case)))


def label_map(case: Case) -> np.ndarray:
    """Make organs: ellipsoids of many sizes, fewer and larger ones where there are few segments.

    Returns:
        uint8 [slices, rows, columns]; each segment has voxels.
    """
    chance = np.random.default_rng(case.segments)
    mask = np.zeros((case.slices, case.size, case.size), np.uint8)
    large = np.array(mask.shape) * (0.2 if case.segments <= 20 else 0.1)
    for label in range(1, case.segments + 1):
        radii = np.maximum(large * chance.uniform(0.5, 1.1, 3), 2.0)
        centre = chance.uniform(radii, np.array(mask.shape) - radii)
        low, high = (centre - radii).astype(int), (centre + radii).astype(int) + 1
        box = tuple(slice(*ends) for ends in zip(low, high, strict=True))
        there = np.ogrid[box]
        inside = sum(((at - c) / r) ** 2 for at, c, r in zip(there, centre, radii, strict=True)) < 1
        part = mask[box]
        part[inside & (part == 0)] = label
        if not (part == label).any():
            part[tuple(np.array(part.shape) // 2)] = label
    return mask


def colour(label: int) -> tuple[int, int, int]:
    """Give a segment's colour."""
    return (50 + label, 255 - 2 * label, 90 + label)


def _slice(case: Case, index: int) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = derived_uid("bench", case.title, index)
    ds.StudyInstanceUID = derived_uid("bench", case.title, "study")
    ds.SeriesInstanceUID = derived_uid("bench", case.title, "series")
    ds.FrameOfReferenceUID = derived_uid("bench", case.title, "frame")
    ds.PatientName, ds.PatientID, ds.PatientSex = "Bench^Mark", "BENCH", "O"
    ds.PatientBirthDate, ds.StudyID, ds.AccessionNumber = "19700101", "1", "A1"
    ds.StudyDate, ds.StudyTime, ds.ReferringPhysicianName = "20260101", "120000", ""
    ds.Modality, ds.Manufacturer, ds.BodyPartExamined = "CT", "Bench", "ABDOMEN"
    ds.SeriesNumber, ds.InstanceNumber = 1, index + 1
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.PixelSpacing, ds.SliceThickness = [SPACING_MM, SPACING_MM], STEP_MM
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.ImagePositionPatient = [0, 0, index * STEP_MM]
    ds.PositionReferenceIndicator = ""
    ds.RescaleIntercept, ds.RescaleSlope = -1024, 1
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows = ds.Columns = case.size
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    noise = np.random.default_rng(index).integers(900, 1200, (case.size, case.size), np.uint16)
    ds.PixelData = noise.tobytes()
    return ds


def _described(case: Case) -> dict[str, object]:
    """Describe the segments as dcmqi wants it."""
    category = {
        "CodeValue": "123037004",
        "CodingSchemeDesignator": "SCT",
        "CodeMeaning": "Anatomical Structure",
    }
    organ = {"CodeValue": "10200004", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Liver"}
    segments = [
        {
            "labelID": label,
            "SegmentLabel": f"Part {label}",
            "SegmentDescription": f"Part {label}",
            "SegmentAlgorithmType": "AUTOMATIC",
            "SegmentAlgorithmName": "bench",
            "SegmentedPropertyCategoryCodeSequence": category,
            "SegmentedPropertyTypeCodeSequence": organ,
            "recommendedDisplayRGBValue": colour(label),
        }
        for label in range(1, case.segments + 1)
    ]
    return {
        "ContentCreatorName": "Bench",
        "SeriesDescription": "Segmentation",
        "SeriesNumber": "9000",
        "InstanceNumber": "1",
        "BodyPartExamined": "ABDOMEN",
        "segmentAttributes": [segments],
    }
