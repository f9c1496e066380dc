"""Takes enhanced images apart: each frame becomes an image with a place and a time of its own.

Theory of operation. An enhanced CT, MR or PET object says once what all its frames share, and of
each frame what only it has, in functional groups (PS3.3 C.7.6.16). What a volume needs is there
under the names of single-frame images, or nearly. So the values are gathered without decoding the
groups, given their old names, and from there on a frame is an image like any other: the same rules
split echoes, phases, b-values and stacks, put slices in order, and refuse.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple, TypeAlias

from pydicom.datadict import dictionary_VR, tag_for_keyword

from node.dicom import items
from node.dicom.elements import MalformedError
from node.dicom.frame import Frame, pixels_of_frames
from node.dicom.items import Part
from node.dicom.scanning import Scan, numbers_in

SOP_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",
    "1.2.840.10008.5.1.4.1.1.2.2": "CT",
    "1.2.840.10008.5.1.4.1.1.4.1": "MR",
    "1.2.840.10008.5.1.4.1.1.4.4": "MR",
    "1.2.840.10008.5.1.4.1.1.130": "PT",
    "1.2.840.10008.5.1.4.1.1.128.1": "PT",
}
"""Enhanced and Legacy Converted Enhanced CT, MR and PET."""
_LEGACY = ("2.2", "4.4", "128.1")

_Names: TypeAlias = "Mapping[str, str | _Names]"
_GROUPS: dict[str, _Names] = {
    "PixelMeasuresSequence": {
        "PixelSpacing": "PixelSpacing",
        "SliceThickness": "SliceThickness",
        "SpacingBetweenSlices": "SpacingBetweenSlices",
    },
    "PlanePositionSequence": {"ImagePositionPatient": "ImagePositionPatient"},
    "PlaneOrientationSequence": {"ImageOrientationPatient": "ImageOrientationPatient"},
    "PixelValueTransformationSequence": {
        "RescaleSlope": "RescaleSlope",
        "RescaleIntercept": "RescaleIntercept",
        "RescaleType": "RescaleType",
    },
    "FrameVOILUTSequence": {
        "WindowCenter": "WindowCenter",
        "WindowWidth": "WindowWidth",
        "VOILUTFunction": "VOILUTFunction",
    },
    "FrameContentSequence": {
        "StackID": "StackID",
        "FrameAcquisitionNumber": "AcquisitionNumber",
        "TemporalPositionIndex": "TemporalPositionIdentifier",
        "FrameAcquisitionDateTime": "AcquisitionTime",
        "DimensionIndexValues": "DimensionIndexValues",
    },
    "CTImageFrameTypeSequence": {"FrameType": "ImageType"},
    "PETFrameTypeSequence": {"FrameType": "ImageType"},
    "MRImageFrameTypeSequence": {
        "FrameType": "ImageType",
        "ComplexImageComponent": "ComplexImageComponent",
    },
    "MREchoSequence": {"EffectiveEchoTime": "EchoTime"},
    "MRModifierSequence": {"InversionTimes": "InversionTime"},
    "MRTimingAndRelatedParametersSequence": {
        "RepetitionTime": "RepetitionTime",
        "FlipAngle": "FlipAngle",
    },
    "MRDiffusionSequence": {
        "DiffusionBValue": "DiffusionBValue",
        "DiffusionDirectionality": "DiffusionDirectionality",
        "DiffusionGradientDirectionSequence": {
            "DiffusionGradientOrientation": "DiffusionGradientOrientation"
        },
    },
    "CardiacSynchronizationSequence": {
        "NominalPercentageOfCardiacPhase": "NominalPercentageOfCardiacPhase",
        "NominalCardiacTriggerDelayTime": "TriggerTime",
    },
    "CTReconstructionSequence": {"ConvolutionKernel": "ConvolutionKernel"},
    "CTXRayDetailsSequence": {"KVP": "KVP"},
    "CTExposureSequence": {"XRayTubeCurrentInmA": "XRayTubeCurrent"},
    "FrameAnatomySequence": {"FrameLaterality": "ImageLaterality"},
}
"""Of each functional group: what is wanted of it, and what single-frame images call it."""
_OLD_NAMES = """
ImageType EchoTime EchoNumbers TemporalPositionIdentifier DiffusionBValue InversionTime TriggerTime
NominalPercentageOfCardiacPhase AcquisitionNumber AcquisitionTime ConvolutionKernel KVP StackID
GantryDetectorTilt RescaleSlope RescaleIntercept RepetitionTime FlipAngle XRayTubeCurrent Units
ScanningSequence
"""
_SAME: _Names = {keyword: keyword for keyword in _OLD_NAMES.split()}
_UNASSIGNED_GROUPS: dict[str, _Names] = {
    "UnassignedSharedConvertedAttributesSequence": _SAME,
    "UnassignedPerFrameConvertedAttributesSequence": _SAME,
}
"""Where Legacy Converted images keep what has no group: under its old name (C.7.6.16.2.25)."""
_ALONG = ("ImagePositionPatient", "InStackPositionNumber", "SliceLocation", "PlanePositionSequence")
"""Dimensions that say where along its stack a frame lies, and no more."""


class _Wish(NamedTuple):
    """An element that is wanted: the tag it gets, its old and its new value representation."""

    tag: int
    was: str
    becomes: str


_Wishes: TypeAlias = "dict[int, _Wish | _Wishes]"


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword  # noqa: S101 - our own tables
    return tag


def _wishes(names: _Names) -> _Wishes:
    return {
        _tag(was): _Wish(_tag(name), dictionary_VR(was), dictionary_VR(name))
        if isinstance(name, str)
        else _wishes(name)
        for was, name in names.items()
    }


_WANTED, _WANTED_OF_LEGACY = _wishes(_GROUPS), _wishes(_UNASSIGNED_GROUPS)
_SHARED, _PER_FRAME = (
    _tag("SharedFunctionalGroupsSequence"),
    _tag("PerFrameFunctionalGroupsSequence"),
)
_DIMENSIONS, _POINTER = _tag("DimensionIndexSequence"), _tag("DimensionIndexPointer")
_INDEX = _tag("DimensionIndexValues")


def frames_of(image: Scan) -> list[Scan]:
    """Take an enhanced image apart.

    Returns:
        Its frames in the order of the object.

    Raises:
        MalformedError: its functional groups are not there, or of fewer frames than it has.
        UndecodableError: its size or kind of pixels is of none that is read here.
        OSError: the file cannot be read.
    """
    parts = dict(items.each(items.header_of(image)))
    if _PER_FRAME not in parts:
        raise MalformedError("it does not say where its frames lie")
    count = image.whole("NumberOfFrames", 1)
    lying = pixels_of_frames(image, count)
    gather = _gatherer(image)
    shared: dict[int, bytes] = {}
    for item in islice(items.items(parts[_SHARED]), 1) if _SHARED in parts else ():
        shared = gather(item)
    kept = _dimensions_apart(parts.get(_DIMENSIONS))
    whole = _without_groups(image, parts)
    groups = list(items.items(parts[_PER_FRAME]))
    if len(groups) != count:
        raise MalformedError(f"it describes {len(groups)} frames and has {count}")
    found: list[Scan] = []
    for number, (item, there) in enumerate(zip(groups, lying, strict=True), 1):
        said = {**shared, **gather(item)}
        if _INDEX in said:
            said[_INDEX] = b"".join(said[_INDEX][4 * at : 4 * at + 4] for at in kept)
        found.append(Frame(whole, number, said, there))
    return found


def _without_groups(image: Scan, parts: Mapping[int, Part]) -> Scan:
    """Give the object with a header that ends where its functional groups begin."""
    sequence = parts[min(tag for tag in (_SHARED, _PER_FRAME) if tag in parts)]
    before = max((part.end for part in parts.values() if part.end < sequence.start), default=0)
    return Scan(image.path, image.transfer_syntax, image.raw, image.head[:before], image.size)


def _dimensions_apart(sequence: Part | None) -> list[int]:
    """Give the places of those dimension indices that do not go along the stack (C.7.6.17)."""
    if sequence is None:
        return []
    along = {_tag(keyword) for keyword in _ALONG}
    kept = []
    for place, item in enumerate(items.items(sequence)):
        for tag, part in items.each(item):
            if tag == _POINTER and part.end - part.start == 4 and _pointer(part) not in along:
                kept.append(place)
    return kept


def _pointer(part: Part) -> int:
    order = "little" if part.encoding.little else "big"
    value = items.value(part)
    return int.from_bytes(value[:2], order) << 16 | int.from_bytes(value[2:], order)  # type: ignore[arg-type]


def _gatherer(image: Scan) -> Callable[[Part], dict[int, bytes]]:
    """Give what gathers the wanted values of one item of functional groups."""
    legacy = image.text("SOPClassUID").endswith(_LEGACY)

    def gather(item: Part) -> dict[int, bytes]:
        found = dict(_gathered(item, _WANTED))
        return {**dict(_gathered(item, _WANTED_OF_LEGACY)), **found} if legacy else found

    return gather


def _gathered(item: Part, wanted: _Wishes) -> Iterator[tuple[int, bytes]]:
    for tag, part in items.each(item):
        wish = wanted.get(tag)
        if isinstance(wish, dict):
            inner = items.first_item(part)
            if inner is not None:
                yield from _gathered(inner, wish)
        elif wish is not None and part.end > part.start:
            yield wish.tag, _as(items.value(part), wish, little=part.encoding.little)


def _as(value: bytes, wish: _Wish, *, little: bool) -> bytes:
    """Write a value as its new value representation wants it."""
    if wish.was == wish.becomes:
        return value
    if wish.was == "DT":
        return value[8:].split(b"+")[0].split(b"-")[0].strip(b" \0")
    numbers = numbers_in(value, wish.was, little)
    return "\\".join(f"{number:.10g}" for number in numbers or ()).encode()
