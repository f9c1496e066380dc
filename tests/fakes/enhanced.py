"""A scanner that puts all its slices into one object, as enhanced CT, MR and PET do."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from io import BytesIO

import numpy as np
from PIL import Image
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import get_encoder
from pydicom.tag import Tag
from pydicom.uid import UID

from node.rules.naming import derived_uid
from tests.fakes.compressing import BASELINE, LOSSLESS, LOSSLESS_SV1, compress

ENHANCED = {
    "CT": "1.2.840.10008.5.1.4.1.1.2.1",
    "MR": "1.2.840.10008.5.1.4.1.1.4.1",
    "PT": "1.2.840.10008.5.1.4.1.1.130",
}
LEGACY = {
    "CT": "1.2.840.10008.5.1.4.1.1.2.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4.4",
    "PT": "1.2.840.10008.5.1.4.1.1.128.1",
}
_MOVED = (
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
    *("SpacingBetweenSlices", "RescaleSlope", "RescaleIntercept", "RescaleType", "KVP"),
    *("EchoTime", "RepetitionTime", "EchoTrainLength", "InstanceNumber", "AcquisitionNumber"),
    *("TemporalPositionIdentifier", "DiffusionBValue", "StackID", "ImageType"),
    *("ScanningSequence", "SequenceVariant", "ScanOptions", "MRAcquisitionType"),
)
"""What single-frame images say at their outermost level, and enhanced ones in groups."""
_FRAME_TYPE = {"CT": "CTImageFrameTypeSequence", "MR": "MRImageFrameTypeSequence"}


def item(**attributes: object) -> list[Dataset]:
    """Make a sequence of one item."""
    made = Dataset()
    for keyword, value in attributes.items():
        if value is not None:
            setattr(made, keyword, value)
    return [made]


def enhance(
    slices: Sequence[Dataset],
    *,
    legacy: bool = False,
    shared: Sequence[str] = (),
    per_frame: Mapping[int, Mapping[str, object]] | None = None,
    transfer_syntax: UID | None = None,
    **attributes: object,
) -> Dataset:
    """Put single-frame slices into one object, in the order in which they come.

    Args:
        slices: native, as the scanner makes them.
        legacy: make a Legacy Converted Enhanced image.
        shared: names of groups that all frames share, and that are said once.
        per_frame: attributes of single frames, or whole groups, by index.
        transfer_syntax: compress the frames so.
        attributes: of the object.
    """
    first = slices[0]
    made = deepcopy(first)
    modality = str(first.Modality)
    made.SOPClassUID = (LEGACY if legacy else ENHANCED)[modality]
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.SOPInstanceUID = derived_uid("enhanced", *(str(one.SOPInstanceUID) for one in slices))
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    for keyword in _MOVED:
        if keyword in made:
            del made[keyword]
    made.ImageType = _frame_type(first)
    made.InstanceNumber = 1
    made.NumberOfFrames = len(slices)
    made.ContentDate, made.ContentTime = first.ContentDate, first.ContentTime
    _dimensions(made)
    changes = per_frame or {}
    groups = [
        _groups(ds, modality, legacy, index, changes.get(index, {}))
        for index, ds in enumerate(slices)
    ]
    common = Dataset()
    for name in shared:
        common[name] = groups[0][name]
        for group in groups:
            del group[name]
    made.SharedFunctionalGroupsSequence = [common]
    made.PerFrameFunctionalGroupsSequence = groups
    made.PixelData = b"".join(bytes(ds.PixelData) for ds in slices)
    made["PixelData"].VR = "OW"
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    if transfer_syntax is not None:
        compress_frames(made, transfer_syntax)
    return made


def _frame_type(ds: Dataset) -> list[str]:
    kinds = [str(one) for one in ds.ImageType][:3]
    return [*kinds, *["NONE"] * (4 - len(kinds))]


def _dimensions(made: Dataset) -> None:
    uid = derived_uid("dimensions", str(made.SOPInstanceUID))
    made.DimensionOrganizationSequence = item(DimensionOrganizationUID=uid)
    made.DimensionIndexSequence = [
        item(
            DimensionOrganizationUID=uid,
            DimensionIndexPointer=Tag(pointer),
            FunctionalGroupPointer=Tag(group),
        )[0]
        for pointer, group in (
            ("StackID", "FrameContentSequence"),
            ("InStackPositionNumber", "FrameContentSequence"),
            ("TemporalPositionIndex", "FrameContentSequence"),
        )
    ]


def _groups(
    ds: Dataset, modality: str, legacy: bool, index: int, changes: Mapping[str, object]
) -> Dataset:
    said = {element.keyword: element.value for element in ds if element.keyword in _MOVED}
    said.update((k, v) for k, v in changes.items() if dictionary_VR(k) != "SQ")
    made = Dataset()
    made.FrameContentSequence = item(
        FrameAcquisitionNumber=int(said.get("AcquisitionNumber", 1)),
        StackID=str(said.get("StackID", "1")),
        InStackPositionNumber=index + 1,
        TemporalPositionIndex=int(said.get("TemporalPositionIdentifier", 1)),
        FrameAcquisitionDateTime="20260102101500.000000",
        DimensionIndexValues=[1, index + 1, int(said.get("TemporalPositionIdentifier", 1))],
    )
    made.PlanePositionSequence = item(ImagePositionPatient=said.get("ImagePositionPatient"))
    made.PlaneOrientationSequence = item(
        ImageOrientationPatient=said.get("ImageOrientationPatient")
    )
    made.PixelMeasuresSequence = item(
        PixelSpacing=said.get("PixelSpacing"),
        SliceThickness=said.get("SliceThickness"),
        SpacingBetweenSlices=said.get("SpacingBetweenSlices"),
    )
    if "RescaleSlope" in said:
        made.PixelValueTransformationSequence = item(
            RescaleSlope=said["RescaleSlope"],
            RescaleIntercept=said["RescaleIntercept"],
            RescaleType=said.get("RescaleType", "US"),
        )
    if legacy:
        made.UnassignedPerFrameConvertedAttributesSequence = item(
            **{k: said.get(k) for k in ("EchoTime", "KVP", "RepetitionTime") if k in said}
        )
    else:
        _of_modality(made, modality, said, ds)
    for keyword, value in changes.items():
        if dictionary_VR(keyword) == "SQ":
            setattr(made, keyword, value)
    return made


def _of_modality(made: Dataset, modality: str, said: Mapping[str, object], ds: Dataset) -> None:
    kinds = said.get("FrameType", _frame_type(ds))
    if modality in _FRAME_TYPE:
        setattr(made, _FRAME_TYPE[modality], item(FrameType=kinds))
    if modality == "MR":
        made.MREchoSequence = item(EffectiveEchoTime=float(said.get("EchoTime", 10)))
        made.MRTimingAndRelatedParametersSequence = item(
            RepetitionTime=said.get("RepetitionTime"), FlipAngle="12", EchoTrainLength=1
        )
        if "DiffusionBValue" in said:
            made.MRDiffusionSequence = item(DiffusionBValue=said["DiffusionBValue"])
    elif modality == "CT":
        made.CTXRayDetailsSequence = item(KVP=said.get("KVP"))
        made.CTReconstructionSequence = item(ConvolutionKernel="B30f")


def compress_frames(ds: Dataset, transfer_syntax: UID, fragments_per_frame: int = 1) -> None:
    """Compress each frame of a native object by itself, in place."""
    shape = (int(ds.NumberOfFrames), int(ds.Rows), int(ds.Columns), int(ds.SamplesPerPixel))
    kind = np.dtype(f"<{'i' if ds.PixelRepresentation else 'u'}{ds.BitsAllocated // 8}")
    count = int(np.prod(shape))
    pixels = np.frombuffer(ds.PixelData, kind, count).reshape(shape)
    frames = [_frame(ds, pixels[number], transfer_syntax) for number in range(shape[0])]
    ds.PixelData = encapsulate(frames, fragments_per_frame=fragments_per_frame)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = transfer_syntax


def _frame(ds: Dataset, pixels: np.ndarray, transfer_syntax: UID) -> bytes:
    if transfer_syntax == BASELINE:
        coded = BytesIO()
        Image.fromarray(np.squeeze(pixels)).save(coded, "JPEG", quality=95)
        return coded.getvalue()
    if transfer_syntax in (LOSSLESS, LOSSLESS_SV1):
        single = _single(ds, pixels)
        compress(single, transfer_syntax)
        return next(generate_frames(single.PixelData, number_of_frames=1))
    encoder = get_encoder(transfer_syntax)
    return encoder.encode(
        np.squeeze(pixels),
        rows=ds.Rows,
        columns=ds.Columns,
        samples_per_pixel=ds.SamplesPerPixel,
        number_of_frames=1,
        bits_allocated=ds.BitsAllocated,
        bits_stored=ds.BitsStored,
        pixel_representation=ds.PixelRepresentation,
        photometric_interpretation=ds.PhotometricInterpretation,
    )


def _single(ds: Dataset, pixels: np.ndarray) -> Dataset:
    single = Dataset()
    single.file_meta = deepcopy(ds.file_meta)
    for element in ds:
        if element.tag.group in (0x0008, 0x0028) and element.VR != "SQ":
            single[element.tag] = deepcopy(element)
    single.SOPClassUID = single.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    del single.NumberOfFrames
    single.PixelData = pixels.tobytes()
    return single
