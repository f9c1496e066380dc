"""Holds pictures, pointers and outlines against the images and the mask that they speak of."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset

from node.dicom import services
from node.dicom.reading import numbers_of, text_of
from node.dicom.results.model_run import ModelRun
from node.dicom.results.pointing import Key, key_of, meant
from node.dicom.results.presentation_state import drawn_segments
from node.dicom.results.sr import REPORTS
from node.dicom.results.validation.documents import missing
from node.rules.nouns import Segment

_PLANE = (("ImagePositionPatient", 3), ("ImageOrientationPatient", 6), ("PixelSpacing", 2))
"""What places an image in the patient (PS3.3 C.7.6.2)."""
REPORT_CLASSES = frozenset(services.RESULT_CLASSES[kind] for kind in REPORTS)
ROUNDING = 0.02
"""Of a pixel: coordinates are written with three decimals of a millimetre."""
TOLERANCE = 0.1
"""Of a pixel, or of the distance of slices: how far from its place something may lie."""
_TYPE_1: dict[str, tuple[str, ...]] = {
    "CAPTURE": (
        *("ConversionType", "ImageType", "BurnedInAnnotation", "PixelData"),
        *("SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns"),
    ),
    "KEY_OBJECTS": (
        *("ValueType", "ConceptNameCodeSequence", "ContentSequence"),
        "CurrentRequestedProcedureEvidenceSequence",
    ),
    "PRESENTATION_STATE": (
        *("PresentationCreationDate", "PresentationCreationTime", "ContentLabel"),
        *("ReferencedSeriesSequence", "DisplayedAreaSelectionSequence", "PresentationLUTShape"),
        *("GraphicLayerSequence", "GraphicAnnotationSequence"),
    ),
    "PDF": (
        *("ConversionType", "BurnedInAnnotation", "MIMETypeOfEncapsulatedDocument"),
        "EncapsulatedDocument",
    ),
    "RTSTRUCT": (
        *("StructureSetLabel", "StructureSetROISequence", "ROIContourSequence"),
        *("RTROIObservationsSequence", "ReferencedFrameOfReferenceSequence"),
    ),
}
_INHERITED = frozenset(
    (
        *("ReferencedStudySequence", "ReferencedPatientSequence", "RequestAttributesSequence"),
        *("OtherPatientIDsSequence", "ContributingEquipmentSequence"),
    )
)
"""What comes from the images, and may speak of anything."""
Extent = tuple[float, float, float, float]
"""Top, left, bottom and right edge of something on an image, in pixels from its corner."""


def problems(run: ModelRun, there: Mapping[str, Sequence[Dataset]]) -> list[str]:
    """Say what is wrong with captures, key objects, presentation state, PDF and structure set.

    Args:
        run: what they were made of.
        there: all results of the run by kind, as read again.
    """
    known = {text_of(source, "SOPInstanceUID") for source in run.volume.sources}
    known |= {text_of(one, "SOPInstanceUID") for many in there.values() for one in many}
    known.add(run.job.study_instance_uid)
    known.add(text_of(run.volume.sources[0], "StudyInstanceUID"))
    checks = {
        "CAPTURE": _capture_problems,
        "KEY_OBJECTS": _selection_problems,
        "PRESENTATION_STATE": _graphic_problems,
        "PDF": _document_problems,
        "RTSTRUCT": _region_problems,
    }
    found = []
    for kind, needed in _TYPE_1.items():
        for number, one in enumerate(there.get(kind, ()), 1):
            wrong = list(missing(kind, one, needed))
            if not wrong:
                wrong += _reference_problems(kind, one, known)
                wrong += checks[kind](run, one, number) if kind in checks else ()
            found += wrong
    return found


def _reference_problems(kind: str, ds: Dataset, known: set[str]) -> Iterator[str]:
    uids = set(_referenced(ds))
    for uid in sorted(uids - known):
        yield f"the {kind} refers to {uid}, which is neither a source image nor a result"
    if kind != "CAPTURE" and not uids:
        yield f"the {kind} refers to nothing"


def _referenced(ds: Dataset) -> Iterator[str]:
    """Give all instances that an object refers to, however deep."""
    if "ReferencedSOPInstanceUID" in ds:
        yield text_of(ds, "ReferencedSOPInstanceUID")
    for tag in ds.keys():  # noqa: SIM118 - iterating would decode what is the patient's
        sequence = dictionary_has_tag(tag) and dictionary_VR(tag) == "SQ"
        if sequence and ds[tag].keyword not in _INHERITED:
            for item in ds[tag].value or ():
                yield from _referenced(item)


def _capture_problems(run: ModelRun, ds: Dataset, number: int) -> Iterator[str]:
    del run
    if ds.InstanceNumber != number:
        yield f"the CAPTURE number {number} bears the number {ds.InstanceNumber}"
    if ds.BurnedInAnnotation != "YES":
        yield "the CAPTURE does not say that there is text in it"
    size = int(ds.Rows) * int(ds.Columns) * int(ds.SamplesPerPixel)
    if len(ds.PixelData) != size + size % 2:
        yield "the CAPTURE has not as many pixels as it says"


def _selection_problems(run: ModelRun, ds: Dataset, number: int) -> Iterator[str]:
    """Look whether there is an image to look at, and no document that some do not get."""
    del number
    images = {text_of(source, "SOPInstanceUID") for source in run.volume.sources}
    if not images & set(_referenced(ds)):
        yield "the KEY_OBJECTS refers to no image"
    targets = [one.ReferencedSOPSequence[0] for one in _targets(ds)]
    if any(one.ReferencedSOPClassUID in REPORT_CLASSES for one in targets):
        yield "the KEY_OBJECTS refers to a report, of which a destination gets one of two"


def _targets(ds: Dataset) -> Iterator[Dataset]:
    return (one for one in ds.ContentSequence if "ReferencedSOPSequence" in one)


def _document_problems(run: ModelRun, ds: Dataset, number: int) -> Iterator[str]:
    del run, number
    content = ds.EncapsulatedDocument
    if not content.startswith(b"%PDF-") or not content.rstrip(b"\0\r\n").endswith(b"%%EOF"):
        yield "the PDF holds no whole PDF document"
    if len(content) != ds.EncapsulatedDocumentLength + ds.EncapsulatedDocumentLength % 2:
        yield "the PDF's document is not as long as it says"


# ---- what is drawn over images -----------------------------------------------------------------


def _graphic_problems(run: ModelRun, ds: Dataset, number: int) -> Iterator[str]:
    """Look whether graphics lie inside of their image and around their segment."""
    del number
    slices = _slices(run)
    drawn, names = drawn_segments(run), run.segment_names
    said = [text_of(one, "GraphicLayerDescription") for one in ds.GraphicLayerSequence]
    if said != [names[one.label] for one in drawn]:
        yield "the PRESENTATION_STATE has not a layer for each segment, in their order"
        return
    layers = {
        one.GraphicLayer: segment
        for one, segment in zip(ds.GraphicLayerSequence, drawn, strict=True)
    }
    for item in ds.GraphicAnnotationSequence:
        index = slices.get(meant(item.ReferencedImageSequence[0]))
        graphics = item.get("GraphicObjectSequence", ())
        if index is None or not graphics:
            continue
        points = np.concatenate([np.array(one.GraphicData).reshape(-1, 2) for one in graphics])
        _, rows, columns = run.volume.voxels.shape
        if (points < 0).any() or (points > (columns, rows)).any():
            yield "the PRESENTATION_STATE draws outside of an image"
        segment = layers.get(item.GraphicLayer)
        if segment is not None and not _close(
            _extent(points[:, ::-1]), _true_extent(run, segment, index)
        ):
            yield f"the PRESENTATION_STATE draws {segment.name} where it is not"


def _slices(run: ModelRun) -> dict[Key, int]:
    filled = set(run.volume.filled)
    return {key_of(one): at for at, one in enumerate(run.volume.sources) if at not in filled}


def _extent(points: np.ndarray) -> Extent:
    """Give the extent of points [points, (row, column)]."""
    (top, left), (bottom, right) = points.min(axis=0), points.max(axis=0)
    return float(top), float(left), float(bottom), float(right)


def _true_extent(run: ModelRun, segment: Segment, index: int) -> Extent | None:
    labels = run.findings.labels
    assert labels is not None  # noqa: S101 - there are outlines
    mask = labels[index] == segment.label
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return float(rows[0]), float(columns[0]), float(rows[-1] + 1), float(columns[-1] + 1)


def _close(one: Extent, other: Extent | None) -> bool:
    return other is not None and float(np.abs(np.subtract(one, other)).max()) <= TOLERANCE


# ---- outlines in the patient -------------------------------------------------------------------


def _region_problems(run: ModelRun, ds: Dataset, number: int) -> Iterator[str]:
    """Look whether each region's outlines, by its images' own headers, enclose its voxels."""
    del number
    names = [text_of(one, "ROIName") for one in ds.StructureSetROISequence]
    present, shown = run.present, run.segment_names
    if names != [shown[one.label] for one in present] or len(ds.ROIContourSequence) != len(present):
        yield "the RTSTRUCT does not have the segments that were found, in their order"
        return
    slices = _slices(run)
    for segment, region in zip(present, ds.ROIContourSequence, strict=True):
        outlines: dict[int, list[np.ndarray]] = defaultdict(list)
        off_plane = False
        for contour in region.ContourSequence:
            index, points, away = _placed(run, slices, contour)
            off_plane |= away > TOLERANCE * run.volume.spacing_mm[0]
            outlines[index].append(points)
        if off_plane:
            yield f"the RTSTRUCT outlines {segment.name} off the planes of its images"
        else:
            yield from _outline_problems(run, segment, outlines)


def _placed(
    run: ModelRun, slices: Mapping[Key, int], contour: Dataset
) -> tuple[int, np.ndarray, float]:
    """Give a contour's slice, its points on it, and how far off they are in mm.

    Where no image shows the slice, it is one of those that were filled in.
    """
    points = _patient_points(contour)
    if "ContourImageSequence" in contour:
        index = slices.get(meant(contour.ContourImageSequence[0]))
        if index is None:
            return -1, np.full((1, 2), np.inf), np.inf
        return index, *_on_image(points, run.volume.sources[index])
    homogeneous = np.column_stack([points, np.ones(len(points))])
    at = (homogeneous @ np.linalg.inv(run.volume.affine).T)[:, :3]
    index = round(float(at[0, 0]))
    away = float(np.abs(at[:, 0] - index).max()) * run.volume.spacing_mm[0]
    return index, at[:, 1:] + 0.5, away if index in run.volume.filled else np.inf


def _patient_points(contour: Dataset) -> np.ndarray:
    """Read points [points, (x, y, z)] in mm without making an object of each number."""
    value = contour.get_item("ContourData").value
    numbers = value.split(b"\\") if isinstance(value, bytes) else value
    return np.array(numbers, np.float64).reshape(-1, 3)


def _on_image(points: np.ndarray, image: Dataset) -> tuple[np.ndarray, float]:
    """Give points as (row, column) from an image's corner, and how far off its plane they are."""
    position, cosines, spacing = (
        np.array(numbers_of(image, keyword, count))  # it was one of the volume's
        for keyword, count in _PLANE
    )
    across, down = cosines[:3], cosines[3:]
    off = points - position
    rows = off @ down / spacing[0] + 0.5
    columns = off @ across / spacing[1] + 0.5
    away = float(np.abs(off @ np.cross(across, down)).max())
    return np.column_stack([rows, columns]), away


def _outline_problems(
    run: ModelRun, segment: Segment, outlines: Mapping[int, Sequence[np.ndarray]]
) -> Iterator[str]:
    labels = run.findings.labels
    assert labels is not None  # noqa: S101 - there are outlines
    enclosed = sum(_area(one) for many in outlines.values() for one in many)
    voxels = run.measured[segment.label].voxels
    points = sum(len(one) for many in outlines.values() for one in many)
    if abs(enclosed - voxels) > ROUNDING * points + 0.5:
        yield f"the RTSTRUCT encloses {enclosed:.0f} voxels of {segment.name}, {voxels} are in it"
    for index, many in outlines.items():
        if not _close(_extent(np.concatenate(many)), _true_extent(run, segment, index)):
            yield f"the RTSTRUCT outlines {segment.name} where it is not"
            return


def _area(points: np.ndarray) -> float:
    """Give what a closed line encloses, in pixels; a channel to a hole counts for nothing."""
    rows, columns = points[:, 0], points[:, 1]
    return abs(float(rows @ np.roll(columns, -1) - columns @ np.roll(rows, -1))) / 2
