"""Gives what was found to radiotherapy: each segment as a stack of outlines (RT Structure Set)."""

from collections.abc import Iterator

import numpy as np
from pydicom.charset import default_encoding
from pydicom.datadict import dictionary_has_tag, dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage

from node.dicom.reading import text_of
from node.dicom.results import contouring, instances, lineage, pointing
from node.dicom.results.model_run import Made, ModelRun
from node.dicom.results.names import plain_ascii
from node.rules.nouns import Segment

KIND = "RTSTRUCT"
MOST_POINTS = 3_000_000
"""No structure set is made of masks that need more: no planning system would open it."""
_STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"
"""What everybody writes as the study's class: retired, and yet of type 1 (PS3.3 C.8.8.5)."""
_CONTOUR_DATA = Tag(tag_for_keyword("ContourData") or 0)


def write_rtstruct(run: ModelRun) -> Made | None:
    """Write an RT Structure Set (PS3.3 A.19.3) of the segments that are there.

    One region for each, numbered as in the SEG; its outlines follow the edges of the voxels, in
    patient millimetres, one CLOSED_PLANAR contour for each part on each slice. Holes are cut open
    by the keyhole technique (C.8.8.6.3): a channel of no width leads to them. A slice that no
    image shows has contours without one. None when nothing was found, when the images have no
    place in the patient or are tiles of one picture, or when it would have more than MOST_POINTS
    points.

    It is written in Implicit VR Little Endian: in an explicit one, a long contour does not fit.

    Raises:
        OSError: a source image cannot be read, or the file not be written.
    """
    if run.findings.labels is None or not run.present:
        return None
    if not run.volume.placed or run.volume.tiled:
        return None
    contours = _contours(run)
    if contours is None:
        return None
    made = instances.begin(
        KIND,
        RTStructureSetStorage,
        "RTSTRUCT",
        ImplicitVRLittleEndian,
        run.model.identity,
        run.job,
    )
    made.OperatorsName = ""
    made.ApprovalStatus = "UNAPPROVED"
    _head(made, run)
    for number, segment in enumerate(run.present, 1):
        made.StructureSetROISequence.append(_region(run, number, segment))
        made.ROIContourSequence.append(_outlined(number, segment, contours[segment.label]))
        made.RTROIObservationsSequence.append(_observed(run, number, segment))
    instances.finish(run, made)
    made.StructureSetDate, made.StructureSetTime = made.ContentDate, made.ContentTime
    del made.ContentDate, made.ContentTime  # of no part in this IOD
    _keep_bytes(made)
    return instances.written(run, KIND, made)


def _keep_bytes(made: Dataset) -> None:
    """Tell pydicom that what it has not decoded is as it is to be written, at any depth.

    Otherwise it decodes and encodes again what came from the images, and every coordinate.
    """
    encoding = made.original_character_set or default_encoding
    made.set_original_encoding(True, True, encoding)  # noqa: FBT003
    for tag in made.keys():  # noqa: SIM118 - iterating would decode
        if dictionary_has_tag(tag) and dictionary_VR(tag) == "SQ":
            for item in made[tag].value or ():
                _keep_bytes(item)


def _contours(run: ModelRun) -> dict[int, list[Dataset]] | None:
    """Outline every segment on every slice, in slice order; None when that is too much."""
    labels = run.findings.labels
    assert labels is not None  # noqa: S101 - asked before
    found: dict[int, list[Dataset]] = {one.label: [] for one in run.present}
    points = 0
    for index, plane in enumerate(labels):
        shown = index not in run.volume.filled
        images = [pointing.reference(run.volume.sources[index])] if shown else []
        for label in np.unique(plane).tolist():
            if label not in found:
                continue
            for loop in _loops(plane == label):
                points += len(loop)
                if points > MOST_POINTS:
                    return None
                found[label].append(_contour(images, to_patient(loop, index, run.volume.affine)))
    return found


def _loops(mask: np.ndarray) -> Iterator[contouring.Loop]:
    """Outline a mask, looking only at the part of the plane where it is."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    for loop in contouring.keyholed(mask[top : rows[-1] + 1, left : columns[-1] + 1]):
        yield loop + np.array((top, left))


def to_patient(loop: contouring.Loop, index: int, affine: np.ndarray) -> np.ndarray:
    """Place corners of pixels in the patient.

    Args:
        loop: [points, (row, column)] on the lattice of pixel corners.
        index: which slice.
        affine: maps (slice, row, column, 1) of voxel centres to LPS millimetres.

    Returns:
        float64 [points, (x, y, z)] in LPS millimetres.
    """
    places = np.empty((len(loop), 3))
    places[:, 0] = index
    places[:, 1:] = loop - 0.5
    return places @ affine[:3, :3].T + affine[:3, 3]


def _contour(images: list[Dataset], points: np.ndarray) -> Dataset:
    made = Dataset()
    if images:
        made.ContourImageSequence = images
    made.ContourGeometricType = "CLOSED_PLANAR"
    made.NumberOfContourPoints = len(points)
    text = "\\".join(map("{:.3f}".format, points.ravel().tolist())).encode()
    text += b" " * (len(text) % 2)
    # as bytes: one object for each of a million numbers would fill the memory
    made[_CONTOUR_DATA] = RawDataElement(_CONTOUR_DATA, "DS", len(text), text, 0, False, True)  # noqa: FBT003
    return made


def _head(made: Dataset, run: ModelRun) -> None:
    """Say what is outlined, and in which images (PS3.3 C.8.8.5)."""
    first, model = run.volume.sources[0], run.model.identity
    made.StructureSetLabel = plain_ascii(f"AI {model.name}", 16)
    made.StructureSetName = lineage.series_description(model)
    notice = f". {lineage.RESEARCH_NOTICE}" if model.intended_use == "research" else ""
    made.StructureSetDescription = plain_ascii(
        f"Outlines along voxel edges by {model.name} {model.version}{notice}", 1024
    )
    series = Dataset()
    series.SeriesInstanceUID = text_of(first, "SeriesInstanceUID")
    series.ContourImageSequence = pointing.instances_of(
        [one for at, one in enumerate(run.volume.sources) if at not in run.volume.filled]
    )
    study = Dataset()
    study.ReferencedSOPClassUID = _STUDY_CLASS
    study.ReferencedSOPInstanceUID = text_of(first, "StudyInstanceUID")
    study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = text_of(first, "FrameOfReferenceUID")
    frame.RTReferencedStudySequence = [study]
    made.ReferencedFrameOfReferenceSequence = [frame]
    made.FrameOfReferenceUID = text_of(first, "FrameOfReferenceUID")
    made.PositionReferenceIndicator = text_of(first, "PositionReferenceIndicator")
    made.StructureSetROISequence = []
    made.ROIContourSequence = []
    made.RTROIObservationsSequence = []


def _region(run: ModelRun, number: int, segment: Segment) -> Dataset:
    model = run.model.identity
    region = Dataset()
    region.ROINumber = number
    region.ReferencedFrameOfReferenceUID = text_of(run.volume.sources[0], "FrameOfReferenceUID")
    region.ROIName = run.segment_names[segment.label]
    region.ROIVolume = f"{run.measured[segment.label].volume_ml:.3f}"  # in cm3, as mL are
    region.ROIGenerationAlgorithm = "AUTOMATIC"
    region.ROIGenerationDescription = plain_ascii(f"{model.name} {model.version}")
    return region


def _outlined(number: int, segment: Segment, contours: list[Dataset]) -> Dataset:
    outlined = Dataset()
    outlined.ReferencedROINumber = number
    outlined.ROIDisplayColor = list(segment.rgb)
    for at, one in enumerate(contours, 1):
        one.ContourNumber = at
    outlined.ContourSequence = contours
    return outlined


def _observed(run: ModelRun, number: int, segment: Segment) -> Dataset:
    observed = Dataset()
    observed.ObservationNumber = number
    observed.ReferencedROINumber = number
    observed.ROIObservationLabel = plain_ascii(run.segment_names[segment.label], 16)
    observed.RTROIInterpretedType = ""
    observed.ROIInterpreter = ""
    kind = lineage.coded(segment.type)
    if segment.laterality is not None:
        kind.SegmentedPropertyTypeModifierCodeSequence = [lineage.coded(segment.laterality)]
    observed.RTROIIdentificationCodeSequence = [kind]
    return observed
