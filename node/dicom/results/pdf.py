"""Puts the picture of a run and its figures on a page that any viewer of documents shows (PDF)."""

from io import BytesIO

from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

from node.dicom.results import drawing, instances, lineage, pointing, preview
from node.dicom.results.model_run import Made, ModelRun
from node.dicom.results.names import plain_ascii
from node.rules.nouns import Code

KIND = "PDF"
TITLE = Code("18748-4", "LN", "Diagnostic imaging study")
_DOTS_PER_INCH = 150
_PAGE = (1240, 1754)
"""A4 upright."""
_MARGIN = 70
_DARK, _PAPER, _GREY, _RED = (20, 20, 20), (255, 255, 255), (90, 90, 90), (170, 30, 0)


def write_pdf(run: ModelRun) -> Made:
    """Write an Encapsulated PDF (PS3.3 A.45.1): planes, figures, model, and what it is not for.

    The page is a picture, its text cannot be selected; the report holds the figures for machines.

    Raises:
        OSError: a source image cannot be read, or the file not be written.
    """
    made = instances.begin(
        KIND, EncapsulatedPDFStorage, "DOC", ExplicitVRLittleEndian, run.model.identity, run.job
    )
    made.ConversionType = "WSD"
    made.AcquisitionDateTime = ""
    made.BurnedInAnnotation = "NO"
    made.DocumentTitle = lineage.series_description(run.model.identity)
    made.ConceptNameCodeSequence = [lineage.coded(TITLE)]
    made.VerificationFlag = "UNVERIFIED"
    made.SourceInstanceSequence = pointing.instances_of(
        [one for at, one in enumerate(run.volume.sources) if at not in run.volume.filled]
    )
    _enclose(made, pages(run))
    instances.finish(run, made)
    return instances.written(run, KIND, made)


def _enclose(made: Dataset, content: bytes) -> None:
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    made.EncapsulatedDocumentLength = len(content)
    made.EncapsulatedDocument = content + b"\0" * (len(content) % 2)


def pages(run: ModelRun) -> bytes:
    """Draw the page as PDF; it holds no moment of making, so that its bytes are always the same."""
    model = run.model.identity
    page = Image.new("RGB", _PAGE, _PAPER)
    room = _PAGE[0] - 2 * _MARGIN
    top = _MARGIN
    headline = plain_ascii(f"AI result: {model.name} {model.version}", 120)
    drawing.write_text(page, (_MARGIN, top), drawing.shortened(headline, room, 34), _DARK, 34)
    top += 60
    if model.intended_use == "research":
        drawing.write_text(page, (_MARGIN, top), lineage.RESEARCH_NOTICE, _RED, 26)
    top += 60
    shown = preview.draw(run)
    high = _PAGE[1] - top - 5 * 30 - 2 * _MARGIN
    scale = min(room / shown.size[0], high / shown.size[1])
    size = round(shown.size[0] * scale), round(shown.size[1] * scale)
    page.paste(shown.resize(size, Image.Resampling.LANCZOS), (_MARGIN, top))
    top += size[1] + 40
    for line in _foot(run):
        for piece in drawing.wrapped(line, room, 20):
            drawing.write_text(page, (_MARGIN, top), piece, _GREY, 20)
            top += 30
    buffer = BytesIO()
    page.save(
        buffer,
        "PDF",
        resolution=_DOTS_PER_INCH,
        quality=92,
        title=headline,
        producer=lineage.MAKER,
        creationDate=None,
        modDate=None,
    )
    return buffer.getvalue()


def _foot(run: ModelRun) -> list[str]:
    model, volume = run.model.identity, run.volume
    steps = " x ".join(f"{step:.2f}" for step in volume.spacing_mm)
    return [
        f"Model {plain_ascii(model.name)} {plain_ascii(model.version)}, bundle "
        f"sha256 {plain_ascii(model.bundle_hash)}, intended use {model.intended_use}",
        f"{len(volume.sources)} slices, voxels {steps} mm (slices, rows, columns)",
        "Made automatically and verified by nobody. The Structured Report of the same study "
        "holds the figures.",
    ]
