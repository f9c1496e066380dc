"""Draws findings over the images without touching them: outlines, axes and names to switch on."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from highdicom.color import CIELabColor
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, GrayscaleSoftcopyPresentationStateStorage

from node.dicom.reading import number_of, text_of
from node.dicom.results import contouring, drawing, instances, lineage, pointing
from node.dicom.results.key_objects import finding_segments, shown_slice
from node.dicom.results.model_run import Made, ModelRun
from node.dicom.results.names import plain_ascii
from node.dicom.results.shapes import Line
from node.rules.nouns import Segment

KIND = "PRESENTATION_STATE"
MOST_POINTS = 8000
"""Longer outlines are drawn in pieces: a value of explicit VR FL ends at 64 KB (PS3.5 7.1.2)."""
_TEXT_HIGH = 0.05
"""How high a line of text is, as a share of the image."""


def drawn_segments(run: ModelRun) -> list[Segment]:
    """Give the segments that are outlined: findings, and those whose axes were asked for."""
    findings = {one.label for one in finding_segments(run)}
    asked = [one for one in run.present if one.label in findings or one.axes]
    return [one for one in asked if shown_slice(run, one) is not None]


def write_presentation_state(run: ModelRun) -> Made | None:
    """Write a Grayscale Softcopy Presentation State (PS3.3 A.33.1) of the largest slices.

    A layer for each segment that is a finding or has axes, in its colour: the outline on the slice
    where it is largest, its axes, its name and volume. None when there is no such segment, and over
    images in colour, or that are tiles of one picture.

    Raises:
        OSError: a source image cannot be read, or the file not be written.
    """
    drawn = [] if run.volume.tiled else drawn_segments(run)
    if not drawn or number_of(run.volume.sources[0], "SamplesPerPixel") not in (1, None):
        return None
    made = _state(run)
    slices = sorted({_slice(run, one) for one in drawn})
    _refer(made, [run.volume.sources[index] for index in slices])
    _show(made, run, slices)
    made.GraphicLayerSequence = [_layer(run, at, one) for at, one in enumerate(drawn, 1)]
    made.GraphicAnnotationSequence = [
        _annotation(run, at, one) for at, one in enumerate(drawn, 1)
    ] + [one for index in slices for one in _notices(run, index)]
    instances.finish(run, made)
    made.PresentationCreationDate = made.ContentDate
    made.PresentationCreationTime = made.ContentTime
    del made.ContentDate, made.ContentTime  # of no part in this IOD
    return instances.written(run, KIND, made)


def _slice(run: ModelRun, segment: Segment) -> int:
    index = shown_slice(run, segment)
    assert index is not None  # noqa: S101 - the segment is there
    return index


def _state(run: ModelRun) -> Dataset:
    made = instances.begin(
        KIND,
        GrayscaleSoftcopyPresentationStateStorage,
        "PR",
        ExplicitVRLittleEndian,
        run.model.identity,
        run.job,
    )
    made.ContentLabel = "AI_FINDINGS"
    made.ContentDescription = lineage.content_description(run.model.identity)
    made.ContentCreatorName = ""
    return made


def _refer(made: Dataset, images: Sequence[Dataset]) -> None:
    """Say which images are shown (PS3.3 C.11.11)."""
    series = Dataset()
    series.SeriesInstanceUID = text_of(images[0], "SeriesInstanceUID")
    series.ReferencedImageSequence = pointing.referenced(images)
    made.ReferencedSeriesSequence = [series]


def _show(made: Dataset, run: ModelRun, slices: Sequence[int]) -> None:
    """Say how the images are shown: what of them, and from black to white.

    What a state does not say of the modality's units does not apply (PS3.4 N.2.1): so images that
    agree on them have them repeated, and for others the window is in stored values.
    """
    images = [run.volume.sources[index] for index in slices]
    area = Dataset()
    area.ReferencedImageSequence = pointing.referenced(images)
    area.DisplayedAreaTopLeftHandCorner = [1, 1]
    area.DisplayedAreaBottomRightHandCorner = [int(images[0].Columns), int(images[0].Rows)]
    area.PresentationSizeMode = "SCALE TO FIT"
    area.PresentationPixelSpacing = [f"{step:.10g}" for step in run.volume.spacing_mm[1:]]
    made.DisplayedAreaSelectionSequence = [area]
    inverse = text_of(images[0], "PhotometricInterpretation") == "MONOCHROME1"
    made.PresentationLUTShape = "INVERSE" if inverse else "IDENTITY"
    lines = [_line(image) for image in images]
    alike = len(set(lines)) == 1
    if alike and lines[0] != (1.0, 0.0):
        made.RescaleSlope, made.RescaleIntercept = (f"{value:.10g}" for value in lines[0])
        made.RescaleType = "HU" if text_of(images[0], "Modality") == "CT" else "US"
    # pictures are scaled for the model: there is no window but the image's own
    found = drawing.window(run.volume) if run.volume.placed else drawing.asked_for(images[0])
    if found is None:
        return
    low, high = found
    made.SoftcopyVOILUTSequence = []
    for image, (slope, intercept) in zip(images, lines, strict=True):
        ends = (low, high) if alike else ((low - intercept) / slope, (high - intercept) / slope)
        window = Dataset()
        window.ReferencedImageSequence = [pointing.reference(image)]
        window.WindowCenter = f"{sum(ends) / 2:.10g}"
        window.WindowWidth = f"{max(1.0, abs(ends[1] - ends[0])):.10g}"
        made.SoftcopyVOILUTSequence.append(window)


def _line(image: Dataset) -> tuple[float, float]:
    slope = number_of(image, "RescaleSlope")
    return slope or 1.0, number_of(image, "RescaleIntercept") or 0.0


# ---- what is drawn -----------------------------------------------------------------------------


def _layer_name(number: int) -> str:
    return f"AI_{number}"


def _layer(run: ModelRun, number: int, segment: Segment) -> Dataset:
    layer = Dataset()
    layer.GraphicLayer = _layer_name(number)
    layer.GraphicLayerOrder = number
    layer.GraphicLayerRecommendedDisplayGrayscaleValue = 65535
    layer.GraphicLayerRecommendedDisplayCIELabValue = list(CIELabColor.from_rgb(*segment.rgb).value)
    layer.GraphicLayerDescription = run.segment_names[segment.label]
    return layer


def _annotation(run: ModelRun, number: int, segment: Segment) -> Dataset:
    """Outline a segment, draw its axes, and write its name and volume beside it."""
    labels, measured = run.findings.labels, run.measured[segment.label]
    assert labels is not None  # noqa: S101 - the segment is there
    index = _slice(run, segment)
    mask = labels[index] == segment.label
    item = Dataset()
    item.ReferencedImageSequence = [pointing.reference(run.volume.sources[index])]
    item.GraphicLayer = _layer_name(number)
    lines = [pieces for loop in contouring.outlines(mask) for pieces in _pieces(loop)]
    if measured.axes is not None and measured.axes.slice_index == index:
        lines += [_ends(measured.axes.long_axis), _ends(measured.axes.short_axis)]
    item.GraphicObjectSequence = [_polyline(points) for points in lines]
    item.TextObjectSequence = [_name(run, segment, mask)]
    return item


def _pieces(loop: contouring.Loop) -> Iterator[np.ndarray]:
    closed = np.concatenate([loop, loop[:1]])
    for start in range(0, len(loop), MOST_POINTS - 1):
        yield closed[start : start + MOST_POINTS]


def _ends(line: Line) -> np.ndarray:
    """Give a line's ends on the lattice of pixel corners: a centre lies half a pixel further."""
    return np.array([line.start, line.end]) + 0.5


def _polyline(points: np.ndarray) -> Dataset:
    """Draw a line; an image begins at 0, its first pixel's centre is at 0.5 (C.10.5.1.2)."""
    made = Dataset()
    made.GraphicAnnotationUnits = "PIXEL"
    made.GraphicDimensions = 2
    made.NumberOfGraphicPoints = len(points)
    made.GraphicData = [float(value) for value in points[:, ::-1].ravel()]
    made.GraphicType = "POLYLINE"
    made.GraphicFilled = "N"
    return made


def _name(run: ModelRun, segment: Segment, mask: np.ndarray) -> Dataset:
    """Write a segment's name and volume to the right of it, or where there is room."""
    rows, columns = mask.shape
    high, wide = max(1.0, _TEXT_HIGH * rows), max(1.0, 0.4 * columns)
    touched = np.flatnonzero(mask.any(axis=0))
    top = float(np.flatnonzero(mask.any(axis=1))[0])
    left = min(float(touched[-1]) + 2, columns - wide)
    top = min(top, rows - high)
    said = f"{run.segment_names[segment.label]} {run.measured[segment.label].volume_ml:.1f} mL"
    return _text(said, "PIXEL", (left, top), (left + wide, top + high))


def _notices(run: ModelRun, index: int) -> Iterator[Dataset]:
    """Say at the foot of an image which model drew, and what that is not for."""
    model = run.model.identity
    said = f"{model.name} {model.version}"
    if model.intended_use == "research":
        said += f": {lineage.RESEARCH_NOTICE}"
    item = Dataset()
    item.ReferencedImageSequence = [pointing.reference(run.volume.sources[index])]
    item.GraphicLayer = _layer_name(1)
    item.TextObjectSequence = [_text(said, "DISPLAY", (0.0, 1 - _TEXT_HIGH), (1.0, 1.0))]
    yield item


def _text(
    said: str, units: str, upper_left: Iterable[float], lower_right: Iterable[float]
) -> Dataset:
    made = Dataset()
    made.BoundingBoxAnnotationUnits = units
    made.BoundingBoxTopLeftHandCorner = list(upper_left)
    made.BoundingBoxBottomRightHandCorner = list(lower_right)
    made.BoundingBoxTextHorizontalJustification = "LEFT"
    made.UnformattedTextValue = plain_ascii(said, 1024)
    return made
