"""Makes the Structured Report: volumes and findings as coded measurements, with who measured."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code as SRCode
from pydicom.uid import ExplicitVRLittleEndian

from node import __version__
from node.dicom.reading import text_of
from node.dicom.results import lineage
from node.dicom.results.model_run import Made, ModelRun, write
from node.rules.naming import derived_uid, result_uid, tracking_uid
from node.rules.nouns import Code, Job, ModelIdentity, Result, Segment

VOLUME = SRCode("118565006", "SCT", "Volume")
MILLILITRE = SRCode("mL", "UCUM", "milliliter")
PROBABILITY = SRCode("122157", "DCM", "Probability")
PERCENT = SRCode("%", "UCUM", "percent")
PRESENT = SRCode("52101004", "SCT", "Present")
ABSENT = SRCode("2667000", "SCT", "Absent")
_PROCEDURES = {
    "CT": SRCode("25045-6", "LN", "CT unspecified body region"),
    "MR": SRCode("25056-3", "LN", "MR unspecified body region"),
    "PT": SRCode("44136-0", "LN", "PET unspecified body region"),
}


def write_report(run: ModelRun, mask: Made | None) -> list[Made]:
    """Write a Comprehensive 3D SR after TID 1500 (PS3.16), preliminary and unverified.

    One group for each segment with its volume in millilitres (TID 1411, referring to the SEG; TID
    1501 for a segment without a voxel), one for each classification with its probability (TID
    1501). It names the reports of the edition before.

    Args:
        run: what the model found.
        mask: the SEG that it refers to, if there is one.

    Raises:
        OSError: it cannot be written.
    """
    volume, model, job = run.volume, run.model.identity, run.job
    before = [one for one in run.predecessors if one.kind == "SR"]
    groups = [*_volumes(run, mask), *_classifications(run)]
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=_observer()),
        procedure_reported=_PROCEDURES.get(
            text_of(volume.sources[0], "Modality"),
            SRCode("18748-4", "LN", "Diagnostic imaging study"),
        ),
        title=codes.DCM.ImagingMeasurementReport,
        imaging_measurements=groups,
    )
    made = sr.Comprehensive3DSR(
        evidence=[
            *lineage.references(volume.sources),
            *([lineage.reference_to(mask, job)] if mask is not None else []),
        ],
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
    _name_predecessors(made, job, before)
    _date_content(made)
    lineage.complete(made, volume.paths[0], model, job)
    named = before[0].sop_instance_uid if before else None
    return [replace(write("SR", made, run.folder), predecessor=named)]


def _observer() -> sr.ObserverContext:
    return sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=derived_uid("device", lineage.MAKER, __version__),
            name=lineage.MAKER,
            manufacturer_name=lineage.MAKER,
            model_name=lineage.MAKER,
        ),
    )


def _algorithm(model: ModelIdentity) -> sr.AlgorithmIdentification:
    """Say which model measured (TID 4019); the bundle hash is the one the shelf vouches for."""
    return sr.AlgorithmIdentification(
        name=lineage.plain_ascii(model.name),
        version=lineage.plain_ascii(model.version),
        parameters=[
            f"bundle_sha256={lineage.plain_ascii(model.bundle_hash)}",
            f"intended_use={model.intended_use}",
            *([lineage.RESEARCH_NOTICE] if model.intended_use == "research" else []),
        ],
    )


def _volumes(
    run: ModelRun, mask: Made | None
) -> Iterable[sr.MeasurementsAndQualitativeEvaluations]:
    if run.findings.labels is None:
        return
    present = run.present
    for segment in run.model.segments:
        shared = {
            "tracking_identifier": sr.TrackingIdentifier(
                uid=tracking_uid(run.job.job_id, segment.name),
                identifier=lineage.plain_ascii(segment.name),
            ),
            "finding_type": _sr(segment.type),
            "finding_category": _sr(segment.category),
            "algorithm_id": _algorithm(run.model.identity),
            "finding_sites": _site(segment),
            "measurements": [
                sr.Measurement(
                    name=VOLUME,
                    value=run.measured[segment.label].volume_ml,
                    unit=MILLILITRE,
                )
            ],
        }
        if mask is None or segment not in present:
            yield sr.MeasurementsAndQualitativeEvaluations(**shared)
            continue
        yield sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            referenced_segment=sr.ReferencedSegment(
                sop_class_uid=mask.sop_class_uid,
                sop_instance_uid=mask.sop_instance_uid,
                segment_number=present.index(segment) + 1,
                source_series=sr.SourceSeriesForSegmentation(
                    referenced_series_instance_uid=run.job.series_instance_uid
                ),
            ),
            **shared,
        )


def _site(segment: Segment) -> list[sr.FindingSite] | None:
    """Say on which side, when the segment has one."""
    if segment.laterality is None:
        return None
    return [sr.FindingSite(_sr(segment.type), laterality=_sr(segment.laterality))]


def _classifications(run: ModelRun) -> Iterable[sr.MeasurementsAndQualitativeEvaluations]:
    for one in run.model.classes:
        probability = run.findings.probabilities.get(one.name)
        if probability is None:
            continue
        yield sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(
                uid=tracking_uid(run.job.job_id, one.name), identifier=lineage.plain_ascii(one.name)
            ),
            finding_type=_sr(one.finding),
            algorithm_id=_algorithm(run.model.identity),
            qualitative_evaluations=[
                sr.QualitativeEvaluation(
                    name=_sr(one.finding),
                    value=PRESENT if probability >= one.threshold else ABSENT,
                )
            ],
            measurements=[
                sr.Measurement(name=PROBABILITY, value=round(100 * probability, 2), unit=PERCENT)
            ],
        )


def _name_predecessors(made: Dataset, job: Job, predecessors: Sequence[Result]) -> None:
    """Name the documents that this one supersedes (PS3.3 C.17.2.2)."""
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


def _date_content(made: Dataset) -> None:
    """Drop the clock's time from content items: the document's own time says when."""
    made.pop("ObservationDateTime", None)
    for item in made.get("ContentSequence", ()):
        _date_content(item)


def _sr(code: Code) -> SRCode:
    return SRCode(code.value, code.scheme, lineage.plain_ascii(code.meaning))
