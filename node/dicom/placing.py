"""Reads of an image where it has its place in its series: its number, its stack, its position."""

from pathlib import Path

from node.dicom.scanning import Scan, scan
from node.rules.nouns import Placed

_APART = (
    "ImageType",
    "EchoTime",
    "EchoNumbers",
    "TemporalPositionIdentifier",
    "DiffusionBValue",
    "InversionTime",
    "TriggerTime",
    "NominalPercentageOfCardiacPhase",
    "StackID",
)
"""What sets the stacks of one series apart, beside their orientation."""


def place(path: Path) -> Placed | None:
    """Give the place of one image; None when its file is no DICOM image that can be read.

    Only the header is looked at (PS3.3 C.7.6.1, C.7.6.2); the pixels stay where they are.

    Raises:
        OSError: the file cannot be read.
    """
    found = scan(path)
    if found is None:
        return None
    number = found.number("InstanceNumber")
    orientation = found.numbers("ImageOrientationPatient")
    parts = found.whole("InConcatenationTotalNumber", 0)
    return Placed(
        sop_instance_uid=found.text("SOPInstanceUID"),
        number=int(number) if number is not None else None,
        acquisition=found.text("AcquisitionNumber"),
        stack=(_rounded(orientation), *(found.text(keyword) for keyword in _APART)),
        along=_along(found, orientation),
        frames=found.whole("NumberOfFrames", 1),
        concatenation=found.text("ConcatenationUID"),
        parts=parts if parts > 0 else None,
    )


def _rounded(orientation: tuple[float, ...] | None) -> str:
    return "" if orientation is None else " ".join(f"{value:.2f}" for value in orientation)


def _along(found: Scan, orientation: tuple[float, ...] | None) -> float | None:
    """Give the position along the normal of the plane in mm (row x column cosines, C.7.6.2.1.1)."""
    position = found.numbers("ImagePositionPatient")
    if position is None or orientation is None or (len(position), len(orientation)) != (3, 6):
        return None
    (a, b, c), (d, e, f) = orientation[:3], orientation[3:]
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    return sum(p * n for p, n in zip(position, normal, strict=True))
