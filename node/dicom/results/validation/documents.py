"""Looks at what every result must have: identity, lineage, type 1 attributes."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from node.dicom.header import uid_problem
from node.dicom.reading import text_of
from node.dicom.results import lineage
from node.dicom.results.model_run import Made
from node.dicom.results.validation.modules import module_problems
from node.rules.naming import result_uid
from node.rules.nouns import Job

_MANY = ("CAPTURE",)
"""Kinds of which a run makes several: their instance numbers are part of their UIDs."""
_BY_WORDS = ("NOT_RUN", "NOT_RUN_CAPTURE")
"""Kinds that are another instance whenever they say something else."""
LARGE = 1 << 16
"""Values above so many bytes stay in the file until they are asked for."""

_SAME_BYTES = ("PatientID", "PatientName", "PatientBirthDate", "IssuerOfPatientID")
_TYPE_1 = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "SeriesNumber",
    "InstanceNumber",
    "Manufacturer",
    "ManufacturerModelName",
    "DeviceSerialNumber",
    "SoftwareVersions",
    "ContentQualification",
)
_DATED = {
    "PRESENTATION_STATE": ("PresentationCreationDate", "PresentationCreationTime"),
    "RTSTRUCT": ("StructureSetDate", "StructureSetTime"),
}
"""What kinds have instead of the date and time of their content."""


def read(result: Made) -> Dataset:
    """Read a result as a destination would; masks stay in the file."""
    large = LARGE if result.kind in ("SEG", "LABELMAP") else None
    return pydicom.dcmread(result.path, defer_size=large)


def document_problems(result: Made, ds: Dataset, image: Path, job: Job) -> Iterator[str]:
    """Say what is wrong with an object whatever its kind.

    Args:
        result: the object.
        ds: the same as read again.
        image: a file of the series that it is about.
        job: whose result it is.
    """
    source = lineage.read_source(image)
    what = result.kind
    yield from missing(what, ds, (*_TYPE_1, *_DATED.get(what, ("ContentDate", "ContentTime"))))
    yield from module_problems(what, ds)
    yield from _lineage_problems(what, ds, source)
    yield from _uid_problems(what, ds, job)


def missing(what: str, ds: Dataset, keywords: Iterable[str]) -> Iterator[str]:
    """Name the attributes among `keywords` that are absent or empty."""
    for keyword in keywords:
        if keyword not in ds or ds[keyword].is_empty:
            yield f"the {what} has no {keyword}"


def _lineage_problems(what: str, ds: Dataset, source: Dataset) -> Iterator[str]:
    for keyword in _SAME_BYTES:  # the fact only: values are the patient's
        if _bytes(ds, keyword) != _bytes(source, keyword):
            yield f"the {what}'s {keyword} is not, byte for byte, the images'"
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        if keyword in ds and text_of(ds, keyword) != text_of(source, keyword):
            yield f"the {what}'s {keyword} is not the images'"


def _uid_problems(what: str, ds: Dataset, job: Job) -> Iterator[str]:
    one_of_many = f"{what}/{text_of(ds, 'InstanceNumber')}" if what in _MANY else what
    for keyword, name, level in (
        ("SOPInstanceUID", one_of_many, "instance"),
        ("SeriesInstanceUID", what, "series"),
    ):
        if level == "instance" and what in _BY_WORDS:
            continue
        if text_of(ds, keyword) != result_uid(job.job_id, name, level):
            yield f"the {what}'s {keyword} is not the one derived from its job"
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        if problem := uid_problem(text_of(ds, keyword)):
            yield f"the {what}'s {keyword} {problem}"
    if text_of(ds.file_meta, "MediaStorageSOPInstanceUID") != text_of(ds, "SOPInstanceUID"):
        yield f"the {what}'s file meta information names another instance"


def _bytes(ds: Dataset, keyword: str) -> bytes:
    """Give a value as it lies in the file, without padding."""
    if keyword not in ds:
        return b""
    value = ds.get_item(keyword).value or b""
    return value.rstrip(b" \0") if isinstance(value, bytes) else str(value).encode()
