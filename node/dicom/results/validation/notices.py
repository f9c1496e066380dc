"""Holds what tells a study that a model did not run against its image and its reason."""

from collections.abc import Iterator, Sequence

from pydicom.dataset import Dataset

from node.dicom.reading import text_of
from node.dicom.results import lineage
from node.dicom.results.model_run import Made
from node.dicom.results.not_run import NotRun, lines
from node.dicom.results.validation.documents import document_problems, missing, read

_TYPE_1 = {
    "NOT_RUN": (
        *("ValueType", "ConceptNameCodeSequence", "ContentSequence", "CompletionFlag"),
        *("VerificationFlag", "CurrentRequestedProcedureEvidenceSequence"),
    ),
    "NOT_RUN_CAPTURE": (
        *("ConversionType", "ImageType", "BurnedInAnnotation", "PixelData"),
        *("SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns"),
    ),
}


def notice_problems(told: NotRun, objects: Sequence[Made]) -> list[str]:
    """Give everything that is wrong with the notices of a job, in plain sentences; none is good.

    Raises:
        OSError: a notice or the image that it is about cannot be read.
    """
    source = lineage.read_source(told.image)
    said = lines(source, told.model, told.refusal)
    found: list[str] = []
    for one in objects:
        ds = read(one)
        found += document_problems(one, ds, told.image, told.job)
        wrong = list(missing(one.kind, ds, _TYPE_1[one.kind]))
        if not wrong and one.kind == "NOT_RUN":
            wrong += _report_problems(told, ds, text_of(source, "SOPInstanceUID"), said)
        elif not wrong:
            wrong += _picture_problems(ds)
        found += wrong
    return found


def _report_problems(told: NotRun, ds: Dataset, image: str, said: Sequence[str]) -> Iterator[str]:
    """Look whether it says why, and refers to its image and to what it supersedes alone."""
    texts = [
        text_of(item, "TextValue")
        for item in _items(ds)
        if item.ValueType == "TEXT" and item.RelationshipType == "CONTAINS"
    ]
    if sorted(texts) != sorted(line.strip() for line in said):
        yield "the NOT_RUN does not say why the model did not run"
    if set(_instances(ds.CurrentRequestedProcedureEvidenceSequence)) != {image}:
        yield "the NOT_RUN refers to another image than the one it is about"
    before = {one.sop_instance_uid for one in told.predecessors}
    if not set(_instances(ds.get("PredecessorDocumentsSequence", ()))) <= before:
        yield "the NOT_RUN supersedes what is none of its predecessors"


def _picture_problems(ds: Dataset) -> Iterator[str]:
    if ds.BurnedInAnnotation != "YES":
        yield "the NOT_RUN_CAPTURE does not say that there is text in it"
    size = int(ds.Rows) * int(ds.Columns) * int(ds.SamplesPerPixel)
    if len(ds.PixelData) != size + size % 2:
        yield "the NOT_RUN_CAPTURE has not as many pixels as it says"


def _items(item: Dataset) -> Iterator[Dataset]:
    for child in item.get("ContentSequence", ()):
        yield child
        yield from _items(child)


def _instances(studies: Sequence[Dataset]) -> Iterator[str]:
    """Give the instances that a sequence of studies, series and instances names (C.17.2.1)."""
    for study in studies:
        for series in study.ReferencedSeriesSequence:
            for one in series.ReferencedSOPSequence:
                yield text_of(one, "ReferencedSOPInstanceUID")
