"""All that one model run hands over: SEG, SR and preview, checked before anybody sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pydicom.dataset import Dataset

from node.dicom import preview, seg, sr, validation
from node.dicom.encoding import from_bytes, to_bytes
from node.dicom.findings import Findings, voxel_counts
from node.dicom.volume import Volume
from node.rules import naming
from node.rules.failures import Fault, Refusal
from node.rules.nouns import Classification, Job, ModelIdentity, Result, Segment


class Model(Protocol):
    """What of a bundle's manifest the results need."""

    @property
    def identity(self) -> ModelIdentity:
        """Name, version, hash, intended use."""
        ...

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The labels of a segmentation model."""
        ...

    @property
    def classes(self) -> tuple[Classification, ...]:
        """The findings of a classification model."""
        ...


@dataclass(frozen=True, slots=True)
class Made:
    """One result as bytes; `kind` is SEG, SR or PREVIEW, `file_name` the same on every try."""

    kind: str
    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    file_name: str
    content: bytes
    predecessor: str | None = None


@dataclass(frozen=True, slots=True)
class ResultSet:
    """The results of one run, and what the ledger is told about them (no patient in it)."""

    objects: tuple[Made, ...]
    facts: dict[str, object]


def make(
    volume: Volume,
    findings: Findings,
    model: Model,
    job: Job,
    predecessors: Sequence[Result] = (),
) -> ResultSet | Refusal:
    """Write SEG, SR and preview of one run, and hold them against what they came from.

    Args:
        volume: what the model saw.
        findings: what it found, on the volume's grid.
        model: what its bundle says of itself.
        job: gives UIDs and times; the same job makes the same bytes.
        predecessors: results of the edition before, which the new SR names.

    Returns:
        The results, or a refusal when one of them does not hold: then none is handed over.
    """
    mask = seg.build_seg(volume, findings, model.segments, model.identity, job)
    before = [one for one in predecessors if one.kind == "SR"]
    report = sr.build_sr(
        volume,
        findings,
        sr.Content(model.segments, model.classes, model.identity, mask),
        job,
        before,
    )
    objects = [_made("SEG", mask)] if mask is not None else []
    objects.append(_made("SR", report, before[0].sop_instance_uid if before else None))
    read_again = {one.kind: from_bytes(one.content) for one in objects}
    problems = validation.problems(
        read_again.get("SEG"), read_again["SR"], volume, findings, model.segments, job
    )
    if problems:
        return Refusal(
            f"a result did not stand our own checks: {'; '.join(problems)}",
            Fault.NODE,
            "Nothing was sent; report this with the output of `radnode show`",
        )
    objects.append(_preview(volume, findings, model, job))
    return ResultSet(tuple(objects), _facts(volume, findings, model))


def _made(kind: str, dataset: Dataset, predecessor: str | None = None) -> Made:
    return Made(
        kind,
        str(dataset.SOPInstanceUID),
        str(dataset.SOPClassUID),
        str(dataset.SeriesInstanceUID),
        str(dataset.file_meta.TransferSyntaxUID),
        f"{dataset.SOPInstanceUID}.dcm",
        to_bytes(dataset),
        predecessor,
    )


def _preview(volume: Volume, findings: Findings, model: Model, job: Job) -> Made:
    uid = naming.result_uid(job.job_id, "PREVIEW", "instance")
    picture = preview.draw(volume, findings, model.segments, model.classes, model.identity)
    return Made("PREVIEW", uid, "", "", "", f"{uid}.png", picture)


def _facts(volume: Volume, findings: Findings, model: Model) -> dict[str, object]:
    facts: dict[str, object] = {
        "model": model.identity.name,
        "version": model.identity.version,
        "slices": int(volume.voxels.shape[0]),
        "repairs": list(volume.repairs),
        "steps": {step: round(seconds, 3) for step, seconds in findings.seconds.items()},
        **findings.facts,
    }
    if findings.labels is not None:
        counts = voxel_counts(findings.labels, max((x.label for x in model.segments), default=0))
        facts["volumes_ml"] = {
            one.name: round(int(counts[one.label]) * volume.voxel_ml, 3) for one in model.segments
        }
    if findings.probabilities:
        facts["probabilities"] = {k: round(v, 4) for k, v in findings.probabilities.items()}
    return facts
