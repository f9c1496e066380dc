"""Tells a study that a model did not run: which one, on which series, why, and what can be done.

Basic Text SR after TID 2000 (PS3.16): of all documents it is the one that most systems show, and
all that is to be said is text. A radiologist who finds no result must not take that for a result.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code as SRCode
from pydicom.uid import BasicTextSRStorage, ExplicitVRLittleEndian

from node.dicom.reading import text_of
from node.dicom.results import captures, lineage
from node.dicom.results.dating import moment_of
from node.dicom.results.model_run import Made, write
from node.dicom.results.names import plain_ascii
from node.dicom.results.sr import date_content, name_predecessors, observer
from node.rules.failures import Refusal
from node.rules.naming import derived_uid, result_uid
from node.rules.nouns import Job, ModelIdentity, Notice, Result

TITLE = SRCode("18748-4", "LN", "Diagnostic imaging study")
_CONTAINS = sr.RelationshipTypeValues.CONTAINS


@dataclass(frozen=True, slots=True)
class NotRun:
    """A job that came to nothing.

    `image` is a file of its series: patient and study are taken over from it. `model` has neither
    version nor hash when the shelf does not have it. `refusal` says why. `folder` is where the
    notices are written, `predecessors` are the results of the job or of the edition before that
    they supersede.
    """

    image: Path
    model: ModelIdentity
    job: Job
    refusal: Refusal
    folder: Path
    predecessors: Sequence[Result] = ()


def write_notice(not_run: NotRun, wanted: frozenset[Notice]) -> list[Made]:
    """Write that a model did not run, as a report, as a picture, or both.

    Another reason makes another document; the same job and reason make the same bytes.

    Raises:
        OSError: the image cannot be read, or a file not be written.
    """
    source = lineage.read_source(not_run.image)
    said = lines(source, not_run.model, not_run.refusal)
    made = []
    if Notice.REPORT in wanted:
        made.append(_report(not_run, source, said))
    if Notice.PICTURE in wanted:
        made.append(
            captures.write_text_capture(
                not_run.image,
                not_run.model,
                not_run.job,
                said,
                not_run.folder,
                kind="NOT_RUN_CAPTURE",
            )
        )
    return made


def lines(source: Dataset, model: ModelIdentity, refusal: Refusal) -> tuple[str, ...]:
    """Say it in a few lines of plain ASCII, without a patient.

    The series is told by its number and modality: its description may be in any character set.
    """
    number = text_of(source, "SeriesNumber") or "without a number"
    which = f"series {number} ({text_of(source, 'Modality') or 'modality unknown'})"
    version = f" {model.version}" if model.version else ""
    told = [
        f"AI did not run: {model.name}{version} gave no result for {which}.",
        f"Reason: {refusal.reason.rstrip('.')}.",
        *([f"What can be done: {refusal.advice.rstrip('.')}."] if refusal.advice else []),
        "The absence of AI results says nothing about the images.",
    ]
    return tuple(plain_ascii(line, 1024) for line in told)


def _report(not_run: NotRun, source: Dataset, said: Sequence[str]) -> Made:
    model, job = not_run.model, not_run.job
    written = (source.SOPInstanceUID, *lineage.software_versions(model))
    uid = derived_uid("result", job.job_id, "NOT_RUN", *written, *said)
    made = sr.EnhancedSR(
        evidence=lineage.references([source]),
        content=_content(said),
        series_instance_uid=result_uid(job.job_id, "NOT_RUN", "series"),
        series_number=lineage.series_number(model, "NOT_RUN"),
        sop_instance_uid=uid,
        instance_number=1,
        manufacturer=lineage.MAKER,
        manufacturer_model_name=lineage.MAKER,
        software_versions=tuple(lineage.software_versions(model)),
        device_serial_number=lineage.SERIAL_NUMBER,
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description=plain_ascii(f"AI did not run: {model.name}"),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        specific_character_set="ISO_IR 192",
    )
    # the library knows no Basic Text SR; what is in this tree is allowed in one (PS3.3 A.35.1)
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    before = [one for one in not_run.predecessors if one.kind in ("SR", "NOT_RUN")]
    name_predecessors(made, job, [one for one in before if one.sop_instance_uid != uid])
    date_content(made)
    moment = moment_of([source], job.settled_at)
    lineage.complete(made, not_run.image, model, moment)
    named = next((one.sop_instance_uid for one in before if one.sop_instance_uid != uid), None)
    return replace(write("NOT_RUN", made, not_run.folder), predecessor=named)


def _content(said: Sequence[str]) -> Dataset:
    """Build the tree of TID 2000: language, observer, then findings and a conclusion."""
    root = sr.ContainerContentItem(name=TITLE, template_id="2000", is_content_continuous=False)
    context = sr.ObservationContext(observer_device_context=observer())
    language = sr.LanguageOfContentItemAndDescendants(SRCode("en", "RFC5646", "English"))
    findings = sr.ContainerContentItem(name=codes.DCM.Findings, relationship_type=_CONTAINS)
    findings.ContentSequence = sr.ContentSequence(
        [_text(codes.DCM.Finding, line) for line in said[1:]]
    )
    conclusions = sr.ContainerContentItem(name=codes.DCM.Conclusions, relationship_type=_CONTAINS)
    conclusions.ContentSequence = sr.ContentSequence([_text(codes.DCM.Conclusion, said[0])])
    root.ContentSequence = sr.ContentSequence([*language, *context, conclusions, findings])
    return root


def _text(name: SRCode, line: str) -> sr.TextContentItem:
    return sr.TextContentItem(name=name, value=line, relationship_type=_CONTAINS)
