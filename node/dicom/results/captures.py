"""Makes pictures that any viewer shows: Secondary Captures of what was found, of what was not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from node.dicom.reading import text_of
from node.dicom.results import drawing, instances, lineage, overlays, pointing, preview
from node.dicom.results.dating import moment_of
from node.dicom.results.model_run import Made, ModelRun, write
from node.dicom.results.names import plain_ascii
from node.rules.naming import derived_uid, result_uid
from node.rules.nouns import Code, Job, ModelIdentity

_PURPOSE = Code("121322", "DCM", "Source image for image processing operation")


@dataclass(frozen=True, slots=True)
class _Shot:
    """One picture and what its header says of it."""

    picture: Image.Image
    sop_instance_uid: str
    number: int
    description: str
    orientation: tuple[str, str] | None = None
    source: Dataset | None = None
    features: str = ""


def write_text_capture(
    image: Path, model: ModelIdentity, job: Job, lines: Sequence[str], folder: Path, kind: str
) -> Made:
    """Write a few lines of text as a picture, for viewers that show no reports (PS3.3 A.8.1).

    The same lines make the same bytes; other lines make another instance of the same series.

    Args:
        image: a file of the series; patient and study are taken over from it.
        model: the model that the text is about.
        job: its job.
        lines: plain text without a patient; the first one is the headline.
        folder: where the file is written.
        kind: the kind of result, NOT_RUN_CAPTURE.

    Raises:
        OSError: the image cannot be read, or the file not be written.
    """
    notice = lineage.RESEARCH_NOTICE if model.intended_use == "research" else ""
    shot = _Shot(
        drawing.text_page([plain_ascii(line, 1024) for line in lines], notice),
        derived_uid("result", job.job_id, kind, *lines),
        1,
        plain_ascii(" ".join(lines), 1024),
        features="NO",
    )
    made = _capture(shot, model, job, kind)
    moment = moment_of([lineage.read_source(image)], job.settled_at)
    lineage.complete(made, image, model, moment)
    return write(kind, made, folder)


def write_captures(run: ModelRun) -> list[Made]:
    """Write one series of pictures: planes and figures on a page, then slices with outlines.

    No patient is named in a picture; that it is for research only is burned in where it is so.

    Raises:
        OSError: a source image cannot be read, or a picture not be written.
    """
    return [_written(run, shot) for shot in _shots(run)]


def _shots(run: ModelRun) -> Iterator[_Shot]:
    """Draw picture after picture, so that only one is in memory."""
    job, model = run.job.job_id, run.model.identity
    yield _Shot(
        preview.draw(run),
        result_uid(job, "CAPTURE/1", "instance"),
        1,
        plain_ascii(f"Planes and figures of {model.name} {model.version}", 1024),
        features=text_of(run.volume.sources[0], "RecognizableVisualFeatures"),
    )
    shades = drawing.window(run.volume)
    across = overlays.directions(run.volume.affine) if run.volume.placed else None
    for number, index in enumerate(overlays.chosen_slices(run), 2):
        source = run.volume.sources[index]
        yield _Shot(
            overlays.draw_slice(run, index, shades),
            result_uid(job, f"CAPTURE/{number}", "instance"),
            number,
            plain_ascii(f"Segments found by {model.name} {model.version}", 1024),
            across,
            source,
            text_of(source, "RecognizableVisualFeatures"),
        )


def _written(run: ModelRun, shot: _Shot) -> Made:
    made = _capture(shot, run.model.identity, run.job, "CAPTURE")
    instances.finish(run, made)
    return instances.written(run, "CAPTURE", made)


def _capture(shot: _Shot, model: ModelIdentity, job: Job, kind: str) -> Dataset:
    """Build a Secondary Capture Image (PS3.3 A.8.1), without patient and study."""
    made = instances.begin(
        kind, SecondaryCaptureImageStorage, "OT", ExplicitVRLittleEndian, model, job
    )
    instances.number(made, shot.number, shot.sop_instance_uid)
    made.ConversionType = "WSD"
    made.SecondaryCaptureDeviceManufacturer = lineage.MAKER
    made.SecondaryCaptureDeviceManufacturerModelName = lineage.MAKER
    _describe(made, shot)
    _fill(made, np.asarray(shot.picture))
    return made


def _describe(made: Dataset, shot: _Shot) -> None:
    made.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    made.DerivationDescription = shot.description
    made.ImageComments = shot.description
    made.PatientOrientation = list(shot.orientation or ())
    made.BurnedInAnnotation = "YES"
    if shot.features:
        made.RecognizableVisualFeatures = shot.features
    if shot.source is None:
        return
    reference = pointing.reference(shot.source)
    reference.PurposeOfReferenceCodeSequence = [lineage.coded(_PURPOSE)]
    made.SourceImageSequence = [reference]


def _fill(made: Dataset, pixels: np.ndarray) -> None:
    """Put pixels [rows, columns, RGB] in, as they are (PS3.3 C.7.6.3)."""
    made.SamplesPerPixel = 3
    made.PhotometricInterpretation = "RGB"
    made.PlanarConfiguration = 0
    made.Rows, made.Columns = pixels.shape[:2]
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit = 7
    made.PixelRepresentation = 0
    content = pixels.tobytes()
    made.add_new("PixelData", "OB", content + b"\0" * (len(content) % 2))
