"""The same images and bundle give the same files, whoever runs them, when, and where."""

import hashlib
from dataclasses import replace

import pydicom

from node.rules.nouns import Output
from node.stages.once import run_once
from tests.fakes.clock import FakeClock
from tests.fakes.scanner import Scanner
from tests.stages.department import IMAGES


class OtherEngine:
    """Finds the very same as a runner, and says that another engine did."""

    def __init__(self, runner):
        self._runner = runner

    def predict(self, *arguments, **more):
        found = self._runner.predict(*arguments, **more)
        return replace(found, facts={**found.facts, "engine": "Abacus 1.0"})


def test_run_once_twice_gives_the_same_files_and_another_engine_others(models, tmp_path):
    shelf, runner = models
    bundle, clock = shelf.get("bright"), FakeClock()
    Scanner(rows=24, columns=20).save(tmp_path / "scan", 12)
    made = []
    for number, by in enumerate((runner, runner, OtherEngine(runner))):
        out = tmp_path / str(number)
        written = run_once(tmp_path / "scan", bundle, out, by, clock, frozenset(Output))
        made.append({one.name: one for one in written.paths})
        clock.advance(3600)
    first, again, other = (
        {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in one.items()}
        for one in made
    )
    assert first == again
    assert {"seg.dcm", "labelmap.dcm", "sr.dcm", "pdf.dcm", "rtstruct.dcm"} <= set(first)
    assert other.keys() == first.keys()
    for name in first:
        if name.endswith(".dcm"):
            uids = {pydicom.dcmread(one[name]).SOPInstanceUID for one in made}
            assert len(uids) == 2, f"{name} has other bytes under the same UID"


def test_two_nodes_on_which_it_settled_at_other_times_make_the_same_results(department):
    here, there = department("one"), department("other")
    there.clock.advance(86_401)
    for node in (here, there):
        node.send(range(IMAGES))
        node.release()
        node.finish()
    assert set(here.results()) >= {"SEG", "SR", "ENHANCED_SR", "CAPTURE"}
    assert here.results() == there.results()
