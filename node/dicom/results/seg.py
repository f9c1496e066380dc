"""Makes a DICOM Segmentation of a model's label map, laid over the images that it was made from."""

from collections.abc import Sequence
from dataclasses import replace

import highdicom as hd
import numpy as np
import pydicom
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from node.dicom.results import frames, lineage
from node.dicom.results.concepts import ARTIFICIAL_INTELLIGENCE, sr_code
from node.dicom.results.model_run import Made, ModelRun, handed_over
from node.dicom.results.names import plain_ascii
from node.dicom.results.pointing import instances_of
from node.rules.naming import result_uid, tracking_uid
from node.rules.nouns import Segment

_PER_FRAME = (
    "DerivationImageSequence",
    "FrameContentSequence",
    "PlanePositionSequence",
    "SegmentIdentificationSequence",
)


def write_seg(run: ModelRun) -> Made | None:
    """Write a binary Segmentation (PS3.3 A.51) on the grid of the source images.

    Segments are numbered from 1 in the order of `run.present`, those without a voxel left out, and
    so are frames without one. None when no segment has a voxel.

    Raises:
        ValueError: the label map is not on the grid of the source images, or too large for DICOM.
        OSError: it cannot be written.
    """
    labels = _labels(run)
    if labels is None:
        return None
    shell, order = _shell(run, "SEG", "BINARY")
    known = [segment.label for segment in run.present]
    listed = frames.frames_by_segment(labels, order, known)
    return _written(run, "SEG", shell, listed, frames.bits(labels, listed))


def write_labelmap(run: ModelRun) -> Made | None:
    """Write the same masks once more as a Label Map Segmentation (PS3.3 A.51, Supplement 243).

    Segments have the numbers and tracking UIDs of the binary one. Background is the Pixel Padding
    Value and no segment: viewers colour the others wrongly when it is one. It is for destinations
    that accept the SOP class, and never the only copy.

    Raises:
        ValueError: the label map is not on the grid of the source images, or too large for DICOM.
        OSError: it cannot be written.
    """
    labels = _labels(run)
    if labels is None:
        return None
    shell, order = _shell(run, "LABELMAP", "LABELMAP")
    shell.SegmentSequence = [
        one for one in shell.SegmentSequence if one.SegmentNumber != shell.PixelPaddingValue
    ]
    known = [segment.label for segment in run.present]
    listed = frames.frames_by_plane(labels, order, known)
    pixels = frames.numbers(labels, listed, known)
    return replace(_written(run, "LABELMAP", shell, listed, pixels), optional=True)


def _labels(run: ModelRun) -> np.ndarray | None:
    labels = run.findings.labels
    if labels is None or not run.present:
        return None
    if labels.shape != run.volume.voxels.shape:
        raise ValueError(f"labels {labels.shape} on a volume of {run.volume.voxels.shape}")
    return labels


def _shell(run: ModelRun, kind: str, encoding: str) -> tuple[Dataset, Sequence[int]]:
    """Have the library make everything that is said once, of a mask of two planes.

    Returns:
        The data set without what belongs to frames, and the planes in the library's order.
    """
    volume, model, job = run.volume, run.model.identity, run.job
    names = run.segment_names
    planes = range(len(volume.sources))
    few = planes[:2]
    pixels = np.zeros((len(few), *volume.voxels.shape[1:]), _kind(run.present))
    pixels[:, 0, 0] = 1
    made = Segmentation(
        source_images=lineage.stand_ins(volume, few),
        pixel_array=pixels,
        segmentation_type=encoding,
        segment_descriptions=[
            _described(number, segment, names[segment.label], run)
            for number, segment in enumerate(run.present, 1)
        ],
        series_instance_uid=result_uid(job.job_id, kind, "series"),
        series_number=lineage.series_number(model, kind),
        sop_instance_uid=result_uid(job.job_id, kind, "instance"),
        instance_number=1,
        manufacturer=lineage.MAKER,
        manufacturer_model_name=lineage.MAKER,
        software_versions=tuple(lineage.software_versions(model)),
        device_serial_number=lineage.SERIAL_NUMBER,
        content_label="SEGMENTATION",
        content_description=lineage.content_description(model),
        series_description=lineage.series_description(model),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        specific_character_set="ISO_IR 192",
    )
    first = made.PerFrameFunctionalGroupsSequence[0].get("PlanePositionSequence")
    last_first = len(few) > 1 and list(first[0].ImagePositionPatient) != [
        float(value) for value in lineage.position(volume.sources[0])
    ]
    return _emptied(made, run), planes[::-1] if last_first else planes


def _kind(present: Sequence[Segment]) -> type[np.unsignedinteger]:
    return np.uint8 if len(present) < 256 else np.uint16


def _emptied(made: Dataset, run: ModelRun) -> Dataset:
    """Take out what is said of each frame, and refer to all source images instead of a few."""
    bare = Dataset()
    bare.update(made)
    bare.file_meta = made.file_meta
    for keyword in ("PerFrameFunctionalGroupsSequence", "PixelData", "DimensionOrganizationType"):
        if keyword in bare:
            del bare[keyword]
    shared = bare.SharedFunctionalGroupsSequence[0]
    for keyword in _PER_FRAME:
        if keyword in shared:
            del shared[keyword]
    instances = instances_of(run.volume.sources)
    bare.ReferencedSeriesSequence[0].ReferencedInstanceSequence = instances
    bare.SourceImageSequence = instances
    if "PixelPaddingValue" in bare:  # without pixels, pydicom cannot tell what it is
        bare["PixelPaddingValue"].VR = "US"
    return bare


def _written(
    run: ModelRun,
    kind: str,
    shell: Dataset,
    listed: Sequence[frames.Frame],
    pixels: frames.Pixels,
) -> Made:
    shell.NumberOfFrames = len(listed)
    lineage.complete(shell, run.volume.paths[0], run.model.identity, run.when)
    path = run.folder / f"{shell.SOPInstanceUID}.dcm"
    pydicom.dcmwrite(path, shell, enforce_file_format=True)
    frames.append_frames(path, run.volume, listed, pixels)
    return handed_over(kind, shell, path)


def _described(number: int, segment: Segment, name: str, run: ModelRun) -> SegmentDescription:
    model, job = run.model.identity, run.job
    made = SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=sr_code(segment.category),
        segmented_property_type=sr_code(segment.type),
        algorithm_type="AUTOMATIC",
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=plain_ascii(model.name),
            version=plain_ascii(model.version),
            family=ARTIFICIAL_INTELLIGENCE,
            source=lineage.MAKER,
            parameters={"bundle_sha256": plain_ascii(model.bundle_hash)},
        ),
        tracking_uid=tracking_uid(job.job_id, segment.name),
        tracking_id=name,
        display_color=CIELabColor.from_rgb(*segment.rgb),
    )
    if segment.laterality is not None:
        kind = made.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [lineage.coded(segment.laterality)]
    return made
