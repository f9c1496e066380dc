"""Decides whether images are one volume that a model may read, and says in words why not.

A model that is handed a wrong volume gives a wrong answer without noticing, and so do the libraries
that read series: missing slices, two echoes, a tilted gantry, even two patients pass in silence.
So every image is held against every other one here, and in doubt the series is refused.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from pydicom.dataset import Dataset

from node.dicom import services
from node.dicom.reading import number_of, numbers_of, text_of, values_of
from node.rules.failures import Refusal
from node.rules.nouns import InputRequirement

SINGLE_FRAME = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.128": "PT",
}
"""SOP classes with one slice an instance, from which volumes can be built."""
_MULTI_FRAME = frozenset(
    f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("2.1", "2.2", "4.1", "4.3", "4.4", "130", "128.1")
)
_SPLITTERS = (
    "EchoTime",
    "EchoNumbers",
    "TemporalPositionIdentifier",
    "DiffusionBValue",
    "InversionTime",
    "TriggerTime",
    "NominalPercentageOfCardiacPhase",
    "AcquisitionNumber",
    "AcquisitionTime",
    "ConvolutionKernel",
    "KVP",
    "ImageType",
)
"""What tells several images at one place apart, most telling first."""
_ONE_VALUE = ("EchoTime", "TemporalPositionIdentifier", "DiffusionBValue", "InversionTime")
"""What must be the same throughout a volume even where no two images share a place."""


class Held(Protocol):
    """One image on its way into a volume: its header."""

    @property
    def header(self) -> Dataset:
        """The data set without pixels."""
        ...


def not_one_volume(images: Sequence[Held], requirement: InputRequirement) -> Refusal | None:
    """Say why images are not one volume of a kind that the model reads; None when they may be.

    Geometry along the stack is looked at elsewhere (`node.dicom.geometry`).
    """
    headers = [image.header for image in images]
    checks: tuple[Callable[[], Refusal | None], ...] = (
        lambda: not_one_patient(images),
        lambda: _not_one_series(headers),
        lambda: _wrong_kind(headers),
        lambda: _unwanted(headers, requirement),
        lambda: _not_one_grid(headers),
        lambda: _not_one_acquisition(headers),
    )
    for check in checks:
        refusal = check()
        if refusal is not None:
            return refusal
    return None


def not_one_patient(images: Sequence[Held]) -> Refusal | None:
    """Refuse images that bear several patients' identifiers (the worst that can happen here)."""
    patients = {
        (text_of(image.header, "PatientID"), text_of(image.header, "IssuerOfPatientID"))
        for image in images
    }
    if len(patients) == 1:
        return None
    return Refusal(
        f"the images of this one series bear the identifiers of {len(patients)} patients",
        advice="An identity error: tell the PACS administrator, and do not use these images",
    )


def is_localizer(header: Dataset) -> bool:
    """Whether the image is a localizer (PS3.3 C.8.2.1.1.1), to be set aside."""
    return "LOCALIZER" in values_of(header, "ImageType")


def crowded(headers: Sequence[Dataset], places: int) -> Refusal:
    """Refuse a series with different images at the same place; name what tells them apart."""
    for keyword in _SPLITTERS:
        kinds = len(_kinds(headers, keyword))
        if kinds > 1:
            why = f"{keyword} has {kinds} values"
            break
    else:
        why = "nothing in the headers tells them apart"
    return Refusal(
        f"at {places} position{'s' if places > 1 else ''} there are different images: {why}",
        advice="Have each echo, phase or reconstruction sent as a series of its own",
    )


def _kinds(headers: Sequence[Dataset], keyword: str) -> set[str]:
    return {text_of(header, keyword) for header in headers}


def _not_one_series(headers: Sequence[Dataset]) -> Refusal | None:
    for keyword, what in (
        ("StudyInstanceUID", "studies"),
        ("SeriesInstanceUID", "series"),
        ("FrameOfReferenceUID", "frames of reference"),
    ):
        count = len(_kinds(headers, keyword))
        if count > 1:
            return Refusal(f"the images belong to {count} {what}", advice="Give one series")
    if not text_of(headers[0], "FrameOfReferenceUID"):
        return Refusal(
            "the images have no FrameOfReferenceUID, so a result could not be laid over them",
            advice="Have the series sent by a system that fills it",
        )
    return None


def _wrong_kind(headers: Sequence[Dataset]) -> Refusal | None:
    kinds = _kinds(headers, "SOPClassUID")
    if len(kinds) > 1:
        return Refusal(f"the images are of {len(kinds)} SOP classes", advice="Give one series")
    kind = kinds.pop()
    frames = max((number_of(header, "NumberOfFrames") or 1) for header in headers)
    if kind in _MULTI_FRAME or frames > 1:
        return Refusal(
            f"{services.name(kind)} with many frames in one object cannot be read yet",
            advice="Have the scanner or the PACS send classic single-frame images",
        )
    if kind not in SINGLE_FRAME:
        return Refusal(
            f"{services.name(kind)} is no kind of image that volumes are built from",
            advice="Route only CT, MR and PET series to this model",
        )
    if any("MOSAIC" in values_of(header, "ImageType") for header in headers):
        return Refusal(
            "the images are mosaics: many slices tiled into one",
            advice="Have the scanner send the slices one by one",
        )
    return None


def _unwanted(headers: Sequence[Dataset], requirement: InputRequirement) -> Refusal | None:
    for keyword, accepted in (
        ("Modality", requirement.modalities),
        ("BodyPartExamined", requirement.body_parts),
    ):
        wanted = {value.upper() for value in accepted}
        found = {value.upper() for value in _kinds(headers, keyword)}
        if wanted and not found <= wanted:
            said = ", ".join(sorted(value or "absent" for value in found))
            want = ", ".join(sorted(value or "absent" for value in wanted))
            return Refusal(
                f"{keyword} is {said}; the model reads {want}",
                advice="Change the route's `when` so that it does not claim such series",
            )
    return None


def _not_one_grid(headers: Sequence[Dataset]) -> Refusal | None:
    for keyword in (
        "Rows",
        "Columns",
        "BitsAllocated",
        "PixelRepresentation",
        "SamplesPerPixel",
        "PhotometricInterpretation",
    ):
        kinds = _kinds(headers, keyword)
        if len(kinds) > 1:
            said = ", ".join(sorted(kinds))
            return Refusal(f"{keyword} differs between the slices ({said})", advice=_AS_ONE)
    photometric = text_of(headers[0], "PhotometricInterpretation")
    if photometric != "MONOCHROME2":
        return Refusal(f"the images are {photometric or 'of no known colour'}, not MONOCHROME2")
    if any("ModalityLUTSequence" in header for header in headers):
        return Refusal("the pixel values go through a modality lookup table, which is not read yet")
    spacings = [numbers_of(header, "PixelSpacing", 2) for header in headers]
    known = np.array([spacing for spacing in spacings if spacing is not None])
    if len(known) and np.any(np.ptp(known, axis=0) > 1e-3 * known[0]):
        return Refusal("PixelSpacing differs between the slices", advice=_AS_ONE)
    return None


_AS_ONE = "Have the series reconstructed with one matrix and field of view"


def _not_one_acquisition(headers: Sequence[Dataset]) -> Refusal | None:
    for keyword in _ONE_VALUE:
        numbers = [number_of(header, keyword) for header in headers]
        known = [number for number in numbers if number is not None]
        if not known or (len(known) == len(numbers) and _close(known)):
            continue
        kinds = len(_kinds(headers, keyword))
        return Refusal(
            f"the series holds several acquisitions: {keyword} has {kinds} values",
            advice="Have each echo, phase or b-value sent as a series of its own",
        )
    return None


def _close(numbers: Sequence[float]) -> bool:
    """Scanners compute echo and inversion times anew for each slice: a part in a hundred is one."""
    return max(numbers) - min(numbers) <= 0.01 * max(abs(number) for number in numbers)
