"""Makes the Structured Report: volumes and findings as coded measurements, with who measured."""

from collections.abc import Sequence
from dataclasses import replace

from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import Comprehensive3DSRStorage, EnhancedSRStorage, ExplicitVRLittleEndian

from node import __version__
from node.dicom.results import concepts, lineage
from node.dicom.results.groups import groups
from node.dicom.results.model_run import Made, ModelRun, write
from node.rules.naming import derived_uid, result_uid
from node.rules.nouns import Job, Result

REPORTS = ("SR", "ENHANCED_SR")
"""The same report twice: as Comprehensive 3D SR, and for who does not accept that."""
MASKS = ("SEG", "LABELMAP")


def write_report(run: ModelRun, mask: Made | None) -> list[Made]:
    """Write a report after TID 1500 (PS3.16), preliminary and unverified, in two SOP classes.

    Long and short axis of each segment that asks for them, drawn on its largest slice (TID 1410); a
    group for each segment with its measurements (TID 1411, referring to the SEG; TID 1501 for a
    segment without a voxel); one for each classification with its probability (TID 1501). The
    reports and masks of the edition before are named. Enhanced SR holds all of that too, since
    nothing is drawn in three dimensions; it is for destinations that refuse Comprehensive 3D SR.

    Args:
        run: what the model found.
        mask: the SEG that it refers to, if there is one.

    Raises:
        OSError: it cannot be written.
    """
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer()),
        procedure_reported=concepts.procedure(run.volume.sources[0]),
        title=codes.DCM.ImagingMeasurementReport,
        imaging_measurements=groups(run, mask),
    )
    evidence = lineage.references(run.volume.sources)
    if mask is not None:
        evidence.append(lineage.reference_to(mask, run.job))
    document = _document(run, report, evidence)
    full = _written(run, "SR", document)
    document.SOPClassUID = document.file_meta.MediaStorageSOPClassUID = EnhancedSRStorage
    plain = _written(run, "ENHANCED_SR", document)
    full = replace(full, optional=True)  # for who refuses it there is the other one
    return [full, replace(plain, instead_of=str(Comprehensive3DSRStorage))]


def observer() -> sr.ObserverContext:
    """Name the device that observed: this node (TID 1004)."""
    return sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=derived_uid("device", lineage.MAKER, __version__),
            name=lineage.MAKER,
            manufacturer_name=lineage.MAKER,
            model_name=lineage.MAKER,
        ),
    )


def _document(run: ModelRun, report: sr.MeasurementReport, evidence: Sequence[Dataset]) -> Dataset:
    model, job = run.model.identity, run.job
    return sr.Comprehensive3DSR(
        evidence=evidence,
        content=report,
        series_instance_uid=result_uid(job.job_id, "SR", "series"),
        series_number=lineage.series_number(model, "SR"),
        sop_instance_uid=result_uid(job.job_id, "SR", "instance"),
        instance_number=1,
        manufacturer=lineage.MAKER,
        manufacturer_model_name=lineage.MAKER,
        software_versions=tuple(lineage.software_versions(model)),
        device_serial_number=lineage.SERIAL_NUMBER,
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description=lineage.series_description(model),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        specific_character_set="ISO_IR 192",
    )


def _written(run: ModelRun, kind: str, made: Dataset) -> Made:
    job = run.job
    made.SOPInstanceUID = result_uid(job.job_id, kind, "instance")
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.SeriesInstanceUID = result_uid(job.job_id, kind, "series")
    before = [one for one in run.predecessors if one.kind in (kind, "NOT_RUN")]
    masks = [one for one in run.predecessors if one.kind in MASKS]
    name_predecessors(made, job, [*before, *masks])
    date_content(made)
    lineage.complete(made, run.volume.paths[0], run.model.identity, run.when)
    same = [one.sop_instance_uid for one in before if one.kind == kind]
    return replace(write(kind, made, run.folder), predecessor=same[0] if same else None)


def name_predecessors(made: Dataset, job: Job, predecessors: Sequence[Result]) -> None:
    """Name what this document supersedes (PS3.3 C.17.2.2), reports and the masks they speak of.

    A SEG has no attribute for its predecessor; the sequence takes any SOP instance whose content
    went into the document, "with or without modification".
    """
    made.pop("PredecessorDocumentsSequence", None)
    if not predecessors:
        return
    study = Dataset()
    study.StudyInstanceUID = job.study_instance_uid
    study.ReferencedSeriesSequence = []
    for one in predecessors:
        reference = Dataset()
        reference.ReferencedSOPClassUID = one.sop_class_uid
        reference.ReferencedSOPInstanceUID = one.sop_instance_uid
        series = Dataset()
        series.SeriesInstanceUID = one.series_instance_uid
        series.ReferencedSOPSequence = [reference]
        study.ReferencedSeriesSequence.append(series)
    made.PredecessorDocumentsSequence = [study]


def date_content(made: Dataset) -> None:
    """Drop the clock's time from content items: the document's own time says when."""
    made.pop("ObservationDateTime", None)
    for item in made.get("ContentSequence", ()):
        date_content(item)
