"""Points a radiologist to what was found: the images that show it and its mask, as key objects."""

from collections.abc import Sequence

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code as SRCode

from node.dicom.results import instances, lineage, pointing
from node.dicom.results.model_run import Made, ModelRun
from node.dicom.results.names import plain_ascii
from node.dicom.results.sr import date_content, observer
from node.rules.naming import result_uid
from node.rules.nouns import Segment

TITLE = SRCode("113000", "DCM", "Of Interest")
_POINTED_AT = "SEG"


def finding_segments(run: ModelRun) -> list[Segment]:
    """Give the segments that are there and whose presence is worth a look."""
    return [one for one in run.present if one.is_finding]


def has_finding(run: ModelRun) -> bool:
    """Say whether a lesion was segmented, or a class is as probable as its threshold."""
    likely = run.findings.probabilities
    return bool(finding_segments(run)) or any(
        likely.get(one.name, -1.0) >= one.threshold for one in run.model.classes
    )


def key_slices(run: ModelRun) -> list[int]:
    """Give the slices on which a finding is largest, in order; the first where none has a place.

    A class is found in all of a picture or a volume, and somewhere a reader has to begin.
    """
    slices = {shown_slice(run, one) for one in finding_segments(run)}
    return sorted(index for index in slices if index is not None) or [0]


def shown_slice(run: ModelRun, segment: Segment) -> int | None:
    """Give the slice on which a segment is largest, of those that an image shows.

    None where the segment has a voxel only on slices that were filled in between images.
    """
    return run.measured[segment.label].largest_slice


def write_key_objects(run: ModelRun, objects: Sequence[Made]) -> Made | None:
    """Write a Key Object Selection (PS3.3 A.35.4, TID 2010) titled "Of Interest".

    It refers to the slice on which each finding is largest, and to the SEG among `objects`. It
    does not refer to the reports: of the two of them a destination gets one, and which is not known
    here. None when there is no finding.

    Raises:
        OSError: a source image cannot be read, or the file not be written.
    """
    if not has_finding(run):
        return None
    model, job = run.model.identity, run.job
    shown = [run.volume.sources[index] for index in key_slices(run)]
    images = lineage.references(shown)
    for one in images:
        one.Rows, one.Columns = run.volume.voxels.shape[1:]
    ours = [lineage.reference_to(one, job) for one in objects if one.kind == _POINTED_AT]
    evidence = [*images, *ours]
    made = hd.ko.KeyObjectSelectionDocument(
        evidence=evidence,
        content=hd.ko.KeyObjectSelection(
            document_title=TITLE,
            referenced_objects=evidence,
            observer_device_context=observer(),
            description=_description(run),
        ),
        series_instance_uid=result_uid(job.job_id, "KEY_OBJECTS", "series"),
        series_number=lineage.series_number(model, "KEY_OBJECTS"),
        sop_instance_uid=result_uid(job.job_id, "KEY_OBJECTS", "instance"),
        instance_number=1,
        manufacturer=lineage.MAKER,
        manufacturer_model_name=lineage.MAKER,
        device_serial_number=lineage.SERIAL_NUMBER,
        software_versions=tuple(lineage.software_versions(model)),
        series_description=lineage.series_description(model),
        specific_character_set="ISO_IR 192",
    )
    _say_frames(made, shown)
    date_content(made)
    instances.finish(run, made)
    return instances.written(run, "KEY_OBJECTS", made)


def _say_frames(made: Dataset, shown: Sequence[Dataset]) -> None:
    """Say which frames are meant where images have many."""
    said = {item.ReferencedSOPInstanceUID: item for item in pointing.referenced(shown)}
    for item in made.ContentSequence:
        for reference in item.get("ReferencedSOPSequence", ()):
            meant = said.get(reference.ReferencedSOPInstanceUID)
            if meant is not None and "ReferencedFrameNumber" in meant:
                reference.ReferencedFrameNumber = meant.ReferencedFrameNumber


def _description(run: ModelRun) -> str:
    model = run.model.identity
    segments, classes = run.segment_names, run.class_names
    names = [segments[one.label] for one in finding_segments(run)]
    likely = run.findings.probabilities
    names += [
        classes[one.index]
        for one in run.model.classes
        if likely.get(one.name, -1.0) >= one.threshold
    ]
    notice = f" {lineage.RESEARCH_NOTICE}." if model.intended_use == "research" else ""
    return plain_ascii(f"Found by {model.name} {model.version}:{notice} {', '.join(names)}", 1024)
