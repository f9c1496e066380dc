"""Makes a DICOM Segmentation of a model's label map, laid over the images that it was made from."""

from collections.abc import Sequence

import highdicom as hd
import numpy as np
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from pydicom.sr.coding import Code as SRCode
from pydicom.uid import ExplicitVRLittleEndian

from node.dicom.results import lineage
from node.dicom.results.model_run import Made, ModelRun, write
from node.rules.naming import result_uid, tracking_uid
from node.rules.nouns import Code, Job, ModelIdentity, Segment

ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")


def write_seg(run: ModelRun) -> Made | None:
    """Write a binary Segmentation (PS3.3 A.51) on the grid of the source images.

    Segments are numbered from 1 in the order of `segments`, those without a voxel left out, and so
    are frames without one. None when no segment has a voxel.

    Raises:
        ValueError: the label map is not on the grid of the source images.
        OSError: it cannot be written.
    """
    volume, model, job = run.volume, run.model.identity, run.job
    labels = run.findings.labels
    present = run.present
    if labels is None or not present:
        return None
    if labels.shape != volume.voxels.shape:
        raise ValueError(f"labels {labels.shape} on a volume of {volume.voxels.shape}")
    made = Segmentation(
        source_images=lineage.stand_ins(volume),
        pixel_array=_numbered(labels, present),
        segmentation_type="BINARY",
        segment_descriptions=[
            _described(number, segment, model, job) for number, segment in enumerate(present, 1)
        ],
        series_instance_uid=result_uid(job.job_id, "SEG", "series"),
        series_number=lineage.series_number(model, "SEG"),
        sop_instance_uid=result_uid(job.job_id, "SEG", "instance"),
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
    lineage.complete(made, volume.paths[0], model, job)
    return write("SEG", made, run.folder)


def _numbered(labels: np.ndarray, present: Sequence[Segment]) -> np.ndarray:
    """Renumber a label map so that it holds 1, 2, 3 … for the segments present."""
    numbers = np.zeros(int(labels.max()) + 1, np.uint8 if len(present) < 256 else np.uint16)
    for number, segment in enumerate(present, 1):
        numbers[segment.label] = number
    return numbers[labels]


def _described(number: int, segment: Segment, model: ModelIdentity, job: Job) -> SegmentDescription:
    made = SegmentDescription(
        segment_number=number,
        segment_label=lineage.plain_ascii(segment.name),
        segmented_property_category=_sr(segment.category),
        segmented_property_type=_sr(segment.type),
        algorithm_type="AUTOMATIC",
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=lineage.plain_ascii(model.name),
            version=lineage.plain_ascii(model.version),
            family=_sr(ARTIFICIAL_INTELLIGENCE),
            source=lineage.MAKER,
            parameters={"bundle_sha256": lineage.plain_ascii(model.bundle_hash)},
        ),
        tracking_uid=tracking_uid(job.job_id, segment.name),
        tracking_id=lineage.plain_ascii(segment.name),
        display_color=CIELabColor.from_rgb(*segment.rgb),
    )
    if segment.laterality is not None:
        kind = made.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [lineage.coded(segment.laterality)]
    return made


def _sr(code: Code) -> SRCode:
    return SRCode(code.value, code.scheme, lineage.plain_ascii(code.meaning))
