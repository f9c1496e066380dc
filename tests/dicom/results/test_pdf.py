"""The PDF: a whole document in a valid object, always the same bytes."""

import numpy as np
import pydicom
import pytest

from node.dicom.findings import Findings
from node.dicom.results import pdf
from node.dicom.results.validation import pointers


@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_it_holds_a_document_that_validators_accept(read, found, run_of, tool, modality):
    volume = read(modality=modality)
    run = run_of(volume, found(volume))
    made = pdf.write_pdf(run)
    assert made.optional
    ds = pydicom.dcmread(made.path)
    assert ds.ConceptNameCodeSequence[0].CodeValue == "18748-4"
    assert len(ds.SourceInstanceSequence) == len(volume.sources)
    content = ds.EncapsulatedDocument[: ds.EncapsulatedDocumentLength]
    assert content.startswith(b"%PDF-")
    assert content.count(b"/Type /Page\n") == 1
    assert b"CreationDate" not in content
    assert pointers.problems(run, {"PDF": [ds]}) == []
    said = tool("dciodvfy", "-new", made.path)
    assert "Error" not in said.stdout + said.stderr


def test_the_same_run_gives_the_same_bytes(read, run_of):
    volume = read()
    nothing = Findings(np.zeros(volume.voxels.shape, np.uint8))
    first, second = (pdf.write_pdf(run_of(volume, nothing)) for _ in range(2))
    assert first.sha256 == second.sha256


def test_half_a_document_does_not_pass(read, found, run_of):
    volume = read()
    run = run_of(volume, found(volume))
    ds = pydicom.dcmread(pdf.write_pdf(run).path)
    ds.EncapsulatedDocument = ds.EncapsulatedDocument[:1000]
    problems = pointers.problems(run, {"PDF": [ds]})
    assert problems == [
        "the PDF holds no whole PDF document",
        "the PDF's document is not as long as it says",
    ]
