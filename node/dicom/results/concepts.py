"""The coded concepts and units that reports use, and which of them fit which images."""

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code as SRCode

from node.dicom.reading import text_of
from node.dicom.results.names import plain_ascii
from node.rules.nouns import Code

VOLUME = SRCode("118565006", "SCT", "Volume")
MILLILITRE = SRCode("mL", "UCUM", "milliliter")
DIAMETER = SRCode("L0JK", "IBSI", "Maximum 3D Diameter")
LONG_AXIS = SRCode("103339001", "SCT", "Long Axis")
SHORT_AXIS = SRCode("103340004", "SCT", "Short Axis")
MILLIMETRE = SRCode("mm", "UCUM", "mm")
PROBABILITY = SRCode("122157", "DCM", "Probability")
PERCENT = SRCode("%", "UCUM", "percent")
PRESENT = SRCode("52101004", "SCT", "Present")
ABSENT = SRCode("2667000", "SCT", "Absent")
STATISTICS = {
    "mean": SRCode("373098007", "SCT", "Mean"),
    "sd": SRCode("386136009", "SCT", "Standard Deviation"),
    "minimum": SRCode("255605001", "SCT", "Minimum"),
    "maximum": SRCode("56851009", "SCT", "Maximum"),
    "median": SRCode("373099004", "SCT", "Median"),
}
"""What an intensity is derived by (PS3.16 CID 3488), by the words of a bundle."""
ARTIFICIAL_INTELLIGENCE = SRCode("123110", "DCM", "Artificial Intelligence")
_PROCEDURES = {
    "CT": SRCode("25045-6", "LN", "CT unspecified body region"),
    "MR": SRCode("25056-3", "LN", "MR unspecified body region"),
    "NM": SRCode("49118-3", "LN", "NM unspecified body region"),
    "PT": SRCode("44136-0", "LN", "PET unspecified body region"),
}


def procedure(image: Dataset) -> SRCode:
    """Name the procedure that images of this kind come from (PS3.16 CID 100)."""
    general = SRCode("363679005", "SCT", "Imaging procedure")
    return _PROCEDURES.get(text_of(image, "Modality"), general)


def intensity(image: Dataset) -> tuple[SRCode, SRCode] | None:
    """Give the concept and the unit of an image's values; None where none is certain.

    CT values are in HU, MR values without a unit; PET values only where the scanner says that they
    are SUV by body weight (PS3.3 C.8.9.1).
    """
    modality = text_of(image, "Modality")
    if modality == "CT":
        hounsfield = SRCode("[hnsf'U]", "UCUM", "Hounsfield unit")
        return SRCode("112031", "DCM", "Attenuation Coefficient"), hounsfield
    if modality == "MR":
        return SRCode("110852", "DCM", "MR signal intensity"), SRCode("1", "UCUM", "no units")
    if modality == "PT" and text_of(image, "Units") == "GML":
        unit = SRCode("g/ml{SUVbw}", "UCUM", "Standardized Uptake Value body weight")
        return SRCode("126401", "DCM", "SUVbw"), unit
    return None


def sr_code(code: Code) -> SRCode:
    """Turn a bundle's code into one for a report."""
    return SRCode(code.value, code.scheme, plain_ascii(code.meaning))
