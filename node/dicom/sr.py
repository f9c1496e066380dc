"""Makes the Structured Report: volumes and findings as coded measurements, with who measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code as SRCode
from pydicom.uid import ExplicitVRLittleEndian

from node import __version__
from node.dicom import lineage
from node.dicom.findings import Findings, voxel_counts
from node.dicom.reading import text_of
from node.dicom.seg import present_segments, tracking_uid
from node.dicom.volume import Volume
from node.rules.naming import derived_uid, result_uid
from node.rules.nouns import Classification, Code, Job, ModelIdentity, Result, Segment

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


@dataclass(frozen=True, slots=True)
class Content:
    """What a report is about: the model's labels and classes, and its Segmentation if any."""

    segments: Sequence[Segment]
    classes: Sequence[Classification]
    model: ModelIdentity
    seg: Dataset | None = None


def build_sr(
    volume: Volume,
    findings: Findings,
    content: Content,
    job: Job,
    predecessors: Sequence[Result] = (),
) -> Dataset:
    """Make a Comprehensive 3D SR after TID 1500 (PS3.16), preliminary and unverified.

    One group for each segment with its volume in millilitres (TID 1411, referring to the SEG; TID
    1501 for a segment without a voxel), one for each classification with its probability (TID
    1501). `predecessors` are the reports of the edition before.
    """
    groups = [*_volumes(volume, findings, content, job), *_classifications(findings, content, job)]
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
        evidence=lineage.references(
            [*volume.sources, *([content.seg] if content.seg is not None else [])]
        ),
        content=report,
        series_instance_uid=result_uid(job.job_id, "SR", "series"),
        series_number=lineage.series_number(content.model, "SR"),
        sop_instance_uid=result_uid(job.job_id, "SR", "instance"),
        instance_number=1,
        manufacturer=lineage.MAKER,
        manufacturer_model_name=lineage.MAKER,
        software_versions=tuple(lineage.software_versions(content.model)),
        device_serial_number=lineage.SERIAL_NUMBER,
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description=lineage.series_description(content.model),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        specific_character_set="ISO_IR 192",
    )
    _name_predecessors(made, job, predecessors)
    _date_content(made)
    lineage.complete(made, volume, content.model, job)
    return made


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
    volume: Volume, findings: Findings, content: Content, job: Job
) -> Iterable[sr.MeasurementsAndQualitativeEvaluations]:
    if findings.labels is None:
        return
    present = present_segments(findings, content.segments)
    counts = voxel_counts(findings.labels, max((x.label for x in content.segments), default=0))
    for segment in content.segments:
        shared = {
            "tracking_identifier": sr.TrackingIdentifier(
                uid=tracking_uid(job, segment.name), identifier=lineage.plain_ascii(segment.name)
            ),
            "finding_type": _sr(segment.type),
            "finding_category": _sr(segment.category),
            "algorithm_id": _algorithm(content.model),
            "finding_sites": _site(segment),
            "measurements": [
                sr.Measurement(
                    name=VOLUME,
                    value=round(int(counts[segment.label]) * volume.voxel_ml, 3),
                    unit=MILLILITRE,
                )
            ],
        }
        if content.seg is None or segment not in present:
            yield sr.MeasurementsAndQualitativeEvaluations(**shared)
            continue
        yield sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            referenced_segment=sr.ReferencedSegment(
                sop_class_uid=str(content.seg.SOPClassUID),
                sop_instance_uid=str(content.seg.SOPInstanceUID),
                segment_number=present.index(segment) + 1,
                source_series=sr.SourceSeriesForSegmentation(
                    referenced_series_instance_uid=text_of(volume.sources[0], "SeriesInstanceUID")
                ),
            ),
            **shared,
        )


def _site(segment: Segment) -> list[sr.FindingSite] | None:
    """Say on which side, when the segment has one."""
    if segment.laterality is None:
        return None
    return [sr.FindingSite(_sr(segment.type), laterality=_sr(segment.laterality))]


def _classifications(
    findings: Findings, content: Content, job: Job
) -> Iterable[sr.MeasurementsAndQualitativeEvaluations]:
    for one in content.classes:
        probability = findings.probabilities.get(one.name)
        if probability is None:
            continue
        yield sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(
                uid=tracking_uid(job, one.name), identifier=lineage.plain_ascii(one.name)
            ),
            finding_type=_sr(one.finding),
            algorithm_id=_algorithm(content.model),
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
