"""A reader of the report learns what was done to the images, and what the model ran on."""

from dataclasses import replace

import pydicom

from node.dicom import results
from node.dicom.findings import Findings
from node.dicom.volume import read_volume
from node.rules.nouns import InputRequirement, Output
from tests.dicom.results.cases import MODEL, found_in, job_for
from tests.fakes.scanner import Scanner

PARAMETERS = "111002"  # Algorithm Parameters (DCM), TID 4019


def parameters(item):
    """Every text that is a parameter of an algorithm, anywhere in a report."""
    found = []
    for one in item.get("ContentSequence", ()):
        name = one.get("ConceptNameCodeSequence")
        if name and name[0].CodeValue == PARAMETERS:
            found.append(one.TextValue)
        found += parameters(one)
    return found


def report(tmp_path, repairs=(), facts=None):
    volume = read_volume(Scanner().save(tmp_path / "in", 20), InputRequirement(("MR",)))
    volume = replace(volume, repairs=repairs)
    found = found_in(volume)
    findings = Findings(found.labels, found.probabilities, facts=facts or {})
    (tmp_path / "out").mkdir(exist_ok=True)
    source = volume.sources[0]
    job = job_for("facts", str(source.SeriesInstanceUID), str(source.StudyInstanceUID))
    run = results.begin(volume, findings, MODEL, job, tmp_path / "out")
    made = results.make(run, frozenset((Output.SEG, Output.SR)))
    assert isinstance(made, results.ResultSet), made
    (sr,) = (one for one in made.objects if one.kind == "SR")
    return pydicom.dcmread(sr.path), made.facts


def test_every_measurement_says_what_was_repaired_and_on_what_it_was_computed(tmp_path):
    repairs = ("2 repeated images left out", "out of scope: its slices are axial")
    facts = {"engine": "OpenVINO 2026.3", "precision": "bf16", "device": "CPU", "memory_mb": "9"}
    read, kept = report(tmp_path, repairs, facts)
    said = parameters(read)
    groups = said.count("engine=OpenVINO 2026.3")
    assert groups >= 3
    for one in ("precision=bf16", *(f"input: {repair}" for repair in repairs)):
        assert said.count(one) == groups, one
    assert not any("memory" in one or "device" in one for one in said), "these differ by the day"
    assert kept["repairs"] == list(repairs)


def test_nothing_is_said_of_what_was_not_done(tmp_path):
    said = parameters(report(tmp_path)[0])
    assert not any(one.startswith(("input", "engine", "precision")) for one in said)
