"""A bundle for clinical use stays off the node until it bears the report of its own evaluation."""

import json

import pytest

from node.bundles.evaluated import DIMENSIONS, FORM, REPORT, what_runs
from node.bundles.manifest import Bundle
from node.bundles.shelf import Shelf, to_be_evaluated
from node.cli import main
from node.rules.failures import Refusal


def mean_for(folder, use):
    """Say in a bundle what it is for."""
    path = folder / "configs/metadata.json"
    metadata = json.loads(path.read_text())
    metadata["dicom"]["intended_use"] = use
    path.write_text(json.dumps(metadata))
    return folder


def a_report(folder, **changes):
    """Give what the workshop would write about a bundle as it lies there."""
    dimensions = {name: {"measured": True} for name in DIMENSIONS}
    bundle = {"files": what_runs(folder)}
    told = {"form": FORM, "bundle": bundle, "quick": False, "cases_scored": 3, **dimensions}
    return {**told, **changes}


def attach(folder, report):
    path = folder / REPORT
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report if isinstance(report, str) else json.dumps(report))


@pytest.fixture
def clinical(make_bundle):
    return mean_for(make_bundle(), "clinical")


@pytest.fixture
def own(tmp_path):
    return Shelf(tmp_path / "own")


class TestForClinicalUse:
    def refusal(self, shelf, folder):
        refusal = shelf.add(folder)
        assert isinstance(refusal, Refusal), refusal
        return refusal.reason

    def test_without_a_report_it_is_not_fit(self, clinical, own):
        reason = self.refusal(own, clinical)
        assert f"for clinical use: {REPORT} is missing" in reason
        assert "python -m models evaluate" in reason

    def test_with_its_own_report_it_is(self, clinical, own):
        attach(clinical, a_report(clinical))
        assert isinstance(own.add(clinical), Bundle)
        assert own.fitness("bright") == []
        assert own.note("bright") == ""

    def test_a_report_of_other_weights_does_not_count(self, clinical, own):
        report = a_report(clinical)
        report["bundle"]["files"]["models/model.bin"] = "0" * 64
        attach(clinical, report)
        assert "was made for another models/model.bin" in self.refusal(own, clinical)

    @pytest.mark.parametrize("name", ["configs/metadata.json", "configs/inference.json"])
    def test_a_report_of_another_configuration_does_not_count(self, clinical, own, name):
        attach(clinical, a_report(clinical))
        path = clinical / name
        path.write_text(path.read_text() + "\n")
        assert f"was made for another {name}" in self.refusal(own, clinical)

    def test_a_file_that_came_later_does_not_count_as_evaluated(self, clinical, own):
        attach(clinical, a_report(clinical))
        (clinical / "features.npz").write_bytes(b"later")
        assert "was made for another features.npz" in self.refusal(own, clinical)

    def test_card_golden_cases_and_licence_may_change(self, clinical, own):
        attach(clinical, a_report(clinical))
        (clinical / "docs/README.md").write_text("A better card.\n")
        (clinical / "LICENSE").write_text("MIT\n")
        assert isinstance(own.add(clinical), Bundle)

    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"quick": True}, "quick run"),
            ({"cases_scored": 0}, "scored no case"),
            ({"robustness": None}, "nothing on robustness"),
            ({"form": "another/1"}, "no evaluation report"),
            ({"bundle": []}, "was made for another"),
        ],
    )
    def test_a_report_that_leaves_things_out_does_not_count(self, clinical, own, changes, why):
        attach(clinical, a_report(clinical, **changes))
        assert why in self.refusal(own, clinical)

    @pytest.mark.parametrize("text", ["", "[]", "{", "null"])
    def test_what_is_no_report_does_not_count(self, clinical, own, text):
        attach(clinical, text)
        assert "no evaluation report" in self.refusal(own, clinical)

    def test_it_can_be_evaluated_before_it_is_fit(self, clinical):
        assert isinstance(to_be_evaluated(clinical), Bundle)

    def test_but_not_with_other_faults(self, clinical):
        (clinical / "models/model.bin").unlink()
        assert isinstance(to_be_evaluated(clinical), Refusal)


class TestForResearch:
    def test_it_runs_without_and_a_note_says_so(self, make_bundle, own):
        assert isinstance(own.add(make_bundle()), Bundle)
        assert own.note("bright") == f"for research; {REPORT} is missing"

    def test_its_own_report_needs_no_note(self, make_bundle, own):
        folder = make_bundle()
        attach(folder, a_report(folder))
        assert isinstance(own.add(folder), Bundle)
        assert own.note("bright") == ""


class TestTheVerb:
    def check(self, tmp_path, capsys):
        config = tmp_path / "config.yaml"
        config.write_text(f"node: {{data_dir: {tmp_path / 'var'}}}\nmodels: {{dir: own}}\n")
        code = main(["models", "check", "--config", str(config)])
        return code, capsys.readouterr().out

    def test_it_refuses_what_lost_its_report(self, clinical, own, tmp_path, capsys):
        attach(clinical, a_report(clinical))
        assert isinstance(own.add(clinical), Bundle)
        assert self.check(tmp_path, capsys)[0] == 0
        (tmp_path / "own/bright" / REPORT).unlink()
        code, said = self.check(tmp_path, capsys)
        assert code == 1
        assert "bright: NOT fit to run" in said
        assert f"for clinical use: {REPORT} is missing" in said

    def test_it_tells_of_research(self, make_bundle, own, tmp_path, capsys):
        assert isinstance(own.add(make_bundle()), Bundle)
        code, said = self.check(tmp_path, capsys)
        assert code == 0
        assert f"  for research; {REPORT} is missing" in said
