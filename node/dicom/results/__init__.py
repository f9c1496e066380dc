"""All that one model run hands over, written to files and checked before anybody sees them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from node.dicom.findings import Findings
from node.dicom.results import (
    captures,
    key_objects,
    pdf,
    presentation_state,
    preview,
    rtstruct,
    seg,
    sr,
    validation,
)
from node.dicom.results.dating import moment_of
from node.dicom.results.measuring import measure
from node.dicom.results.model_run import Made, Model, ModelRun
from node.dicom.results.retired import introduce_retired_classes
from node.dicom.volume import Volume
from node.rules.failures import Fault, Refusal
from node.rules.nouns import STANDARD_OUTPUTS, Job, Output, Result

__all__ = [
    "Made",
    "Model",
    "ModelRun",
    "ResultSet",
    "Withheld",
    "begin",
    "make",
    "make_mask",
    "make_report",
    "make_rest",
]

introduce_retired_classes()


@dataclass(frozen=True, slots=True)
class ResultSet:
    """The results of one run, and what the ledger is told about them (no patient in it)."""

    objects: tuple[Made, ...]
    facts: dict[str, object]


@dataclass(frozen=True, slots=True)
class Withheld:
    """Results that did not stand our own checks: kept for who looks into it, never sent."""

    objects: tuple[Made, ...]
    refusal: Refusal


def begin(
    volume: Volume,
    findings: Findings,
    model: Model,
    job: Job,
    folder: Path,
    predecessors: Sequence[Result] = (),
) -> ModelRun:
    """Measure what a model found; see ModelRun for what is what."""
    measured = measure(volume, findings, model.segments)
    moment = moment_of(volume.sources, job.settled_at)
    return ModelRun(volume, findings, model, job, folder, measured, predecessors, moment=moment)


def make(run: ModelRun, wanted: frozenset[Output] = STANDARD_OUTPUTS) -> ResultSet | Withheld:
    """Write the results of one run, and hold them against what they came from.

    SEG and SR are made always, since everything else speaks of them; `wanted` says what else.

    Raises:
        OSError: a file cannot be written, or a source image not be read.
    """
    masks = make_mask(run, wanted)
    if isinstance(masks, Withheld):
        return masks
    reports = make_report(run, masks)
    if isinstance(reports, Withheld):
        return replace(reports, objects=(*masks, *reports.objects))
    first = (*masks, *reports)
    rest = make_rest(run, wanted, first)
    return replace(rest, objects=(*first, *rest.objects))


def make_mask(run: ModelRun, wanted: frozenset[Output]) -> tuple[Made, ...] | Withheld:
    """Write the masks that were found, none if there is none, and hold them against the labels.

    They can go ahead of all that speaks of them, which is made in the time that sending takes.

    Raises:
        OSError: a file cannot be written, or a source image not be read.
    """
    made = [seg.write_seg(run), seg.write_labelmap(run) if Output.LABELMAP in wanted else None]
    masks = tuple(one for one in made if one is not None)
    problems = validation.mask_problems(run, masks)
    return _withheld(masks, problems) if problems else masks


def make_report(run: ModelRun, masks: Sequence[Made]) -> tuple[Made, ...] | Withheld:
    """Write the report on what was found, and hold it against the masks and the measurements.

    Raises:
        OSError: a file cannot be written, or a source image not be read.
    """
    mask = next((one for one in masks if one.kind == "SEG"), None)
    reports = tuple(sr.write_report(run, mask))
    problems = validation.report_problems(run, reports, masks)
    return _withheld(reports, problems) if problems else reports


def make_rest(
    run: ModelRun, wanted: frozenset[Output], first: Sequence[Made]
) -> ResultSet | Withheld:
    """Write what shows or points at what was found, and hold that against its source, too.

    Args:
        run: the run.
        wanted: what the route asks for.
        first: the masks and reports; they are not among the objects that are given.

    Raises:
        OSError: a file cannot be written, or a source image not be read.
    """
    objects = _write_rest(run, wanted, first)
    problems = validation.rest_problems(run, objects, first)
    if problems:
        return _withheld(tuple(objects), problems)
    objects.append(preview.write_picture(run))
    return ResultSet(tuple(objects), facts(run))


def _withheld(objects: tuple[Made, ...], problems: Sequence[str]) -> Withheld:
    why = f"a result did not stand our own checks: {'; '.join(problems)}"
    advice = "It was not sent; report this with the output of `radnode show`"
    return Withheld(objects, Refusal(why, Fault.NODE, advice))


def _write_rest(run: ModelRun, wanted: frozenset[Output], first: Sequence[Made]) -> list[Made]:
    """Write what is wanted besides; what others refer to comes before them."""
    made: list[Made | None] = []
    if Output.PREVIEW in wanted:
        made += captures.write_captures(run)
    if Output.PRESENTATION_STATE in wanted:
        made.append(presentation_state.write_presentation_state(run))
    if Output.PDF in wanted:
        made.append(pdf.write_pdf(run))
    if Output.RTSTRUCT in wanted:
        made.append(rtstruct.write_rtstruct(run))
    if Output.KEY_OBJECTS in wanted:
        there = [*first, *(one for one in made if one is not None)]
        made.append(key_objects.write_key_objects(run, there))
    return [one for one in made if one is not None]


def facts(run: ModelRun) -> dict[str, object]:
    """Give what the ledger is told about a run, without anything of the patient."""
    findings = run.findings
    told: dict[str, object] = {
        "model": run.model.identity.name,
        "version": run.model.identity.version,
        "slices": int(run.volume.voxels.shape[0]),
        "repairs": list(run.volume.repairs),
        "steps": {step: round(seconds, 3) for step, seconds in findings.seconds.items()},
        **findings.facts,
    }
    if findings.labels is not None:
        told["volumes_ml"] = {
            one.name: run.measured[one.label].volume_ml for one in run.model.segments
        }
    if findings.probabilities:
        told["probabilities"] = {k: round(v, 4) for k, v in findings.probabilities.items()}
        told["scores"] = {k: round(v, 4) for k, v in findings.scores.items()}
    if run.marks:
        told["marks"] = list(run.marks)
    return told
