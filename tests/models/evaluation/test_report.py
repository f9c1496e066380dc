"""From a list of cases to a page that opens, to a bundle that may be used in clinic."""

import json
import re
from datetime import date

import numpy as np
import pytest
import yaml

from bench import real_input
from models.evaluation import verb
from models.evaluation.cases import UnfitCasesError, read_plan
from models.evaluation.report import attach
from node.bundles.evaluated import REPORT
from node.bundles.manifest import Bundle
from node.bundles.shelf import Shelf
from tests.bundles.classifiers import halves
from tests.bundles.making import WINDOWED, bright
from tests.models.evaluation.making import a_bundle, cases, image, manifest_of, write
from tests.models.evaluation.test_attacking import Bright, twin
from tests.viewer import browser

AXIAL = np.eye(4)[[2, 1, 0, 3]]
"""Slices go upwards, columns to the left."""


def evaluate(folder, listed, out, *more):
    """Run the command."""
    told = [str(folder), "--cases", str(listed), "--out", str(out), "--date", "2026-01-02"]
    assert verb.main([*told, "--threads", "1", *more]) == 0
    return json.loads((out / "report.json").read_text())


@pytest.fixture(scope="module")
def clinical(tmp_path_factory):
    """A bundle for clinical use, with what its evaluation says; nothing is attached yet."""
    folder = tmp_path_factory.mktemp("clinical")
    bundle = a_bundle(folder / "bright", use="clinical")
    listed = cases(folder / "cases")
    return bundle, folder / "out", evaluate(bundle, listed, folder / "out", "--robust-cases", "1")


class TestOfASegmentation:
    def test_it_has_all_four_dimensions(self, clinical):
        report = clinical[2]
        segment = report["technical"]["segments"]["Bright"]
        assert segment["dice"]["value"] == 1.0
        assert segment["hd95_mm"]["value"] == 0.0
        assert segment["dice"]["by"] == "patient"
        assert "only 3 patients" in segment["dice"]["note"]
        assert report["clinical"]["volume_agreement_ml"]["Bright"]["bias"] == 0.0
        assert "regions" in report["clinical"]["operating_point"]["absent"]
        assert "absent" in report["clinical"]["turnaround"]
        families = {one["family"] for one in report["robustness"]["perturbations"]}
        assert families == {"noise", "blur", "spacing", "kernel", "missing slices", "scanner"}
        assert all(one["held"] for one in report["robustness"]["metamorphic"])
        assert "not attackable: no gradient" in report["robustness"]["adversarial"]["absent"]
        assert len(report["compliance"]["items"]) > 30

    def test_perturbed_outcomes_are_held_against_both(self, clinical):
        rows = clinical[2]["robustness"]["perturbations"]
        mild = next(one for one in rows if one["what"].startswith("white noise, sd 10"))
        assert mild["dice_to_unperturbed"]["mean"] == 1.0
        assert mild["dice_to_reference"]["segments"] == {"Bright": 1.0}
        coarse = next(one for one in rows if one["what"] == "spacing times 2.0")
        assert 0.6 < coarse["dice_to_reference"]["mean"] < 1.0

    def test_it_says_what_it_is_of_and_how_it_was_made(self, clinical):
        bundle, _, report = clinical
        assert report["made"] == "2026-01-02"
        weights = json.loads((bundle / "configs/metadata.json").read_text())["dicom"]["weights"]
        assert weights.items() <= report["bundle"]["files"].items()
        assert {"configs/metadata.json", "configs/inference.json"} <= set(report["bundle"]["files"])
        assert len(report["bundle"]["sha256"]) == 64
        assert {"numpy", "monai", "torch"} <= set(report["versions"])
        assert report["seed"] == 0
        assert report["run_by"]["engine"].startswith("OpenVINO")

    def test_no_patient_stands_in_it(self, clinical):
        _, out, report = clinical
        assert "Wang" not in (out / "report.json").read_text() + (out / "report.html").read_text()
        items = {one["id"]: one["result"] for one in report["compliance"]["items"]}
        assert items["report_without_names"] == "pass"

    def test_the_page_loads_nothing(self, clinical):
        page = (clinical[1] / "report.html").read_text()
        assert page.count("<svg") >= 3
        assert not re.search(r"<(script|link|iframe|img)\b", page)
        assert not re.search(r"(src|href)=['\"]https?:", page)

    def test_the_page_opens_in_chromium(self, clinical, tmp_path):
        if browser.find() is None:
            pytest.skip("Chromium is not here; `make test` installs it where it may")
        with browser.Browser(tmp_path) as page:
            page.open((clinical[1] / "report.html").resolve().as_uri())
            loaded = "document.readyState == 'complete' && document.querySelector('h1').innerText"
            title = page.wait_for(loaded, "heading")
            assert title == "bright 1.0: evaluation"
            heads = page.run("[...document.querySelectorAll('h2')].map(x => x.innerText)")
            assert heads[:4] == ["1. Technical", "2. Clinical", "3. Robustness", "4. Compliance"]
            drawn = (
                "[...document.querySelectorAll('svg')].map(x => x.getBoundingClientRect().width)"
            )
            widths = page.run(drawn)
            assert len(widths) >= 3
            assert min(widths) > 200
            assert max(widths) <= page.run("document.body.clientWidth")
            assert page.console == []

    def test_attached_it_makes_the_bundle_fit_for_the_clinic(self, clinical, tmp_path):
        bundle, out, _ = clinical
        shelf = Shelf(tmp_path / "shelf")
        assert "for clinical use" in shelf.add(bundle).reason
        attach(out, bundle)
        once = (bundle / "docs/README.md").read_text()
        attach(out, bundle)
        assert (bundle / "docs/README.md").read_text() == once
        assert "](evaluation/report.html)" in once
        assert once.startswith("A bundle for a test.")
        assert isinstance(shelf.add(bundle), Bundle)
        (bundle / REPORT).unlink()
        assert "is missing" in shelf.add(bundle).reason

    def test_a_report_is_not_attached_to_another_bundle(self, clinical, tmp_path):
        with pytest.raises(ValueError, match="other files"):
            attach(clinical[1], a_bundle(tmp_path / "another"))


def test_a_quick_run_with_attach_is_not_enough_for_the_clinic(tmp_path):
    bundle = a_bundle(tmp_path / "bright", use="clinical")
    listed = cases(tmp_path / "cases", count=1)
    report = evaluate(bundle, listed, tmp_path / "out", "--quick", "--attach")
    assert report["quick"]
    assert report["technical"]["segments"]["Bright"]["dice"]["low"] is None
    assert "quick run" in Shelf(tmp_path / "shelf").add(bundle).reason


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What is said of a network that compares the first slices with the last, and its page."""
    folder = tmp_path_factory.mktemp("classes")
    bundle = halves(folder / "halves", dimensions=3, modality="MR")
    listed = []
    for number, difference in enumerate([3, 2, 1, -1, -2, 0]):
        voxels = np.zeros((8, 6, 4), np.float32)
        voxels[:4] = difference
        write(folder / f"{number}.nii.gz", voxels, AXIAL)
        truth = {"First half": number in (0, 1, 2, 3)}
        listed.append({"image": f"{number}.nii.gz", "patient": f"p{number}", "classes": truth})
    path = folder / "cases.yaml"
    said = {"cases": listed, "costs": {"miss": 5, "false_alarm": 1}, "prevalence": 0.2}
    path.write_text(yaml.safe_dump(said))
    return evaluate(bundle, path, folder / "out", "--quick"), folder / "out"


class TestOfAClassification:
    def test_figures_of_a_class(self, report):
        found = report[0]["technical"]["classes"]["First half"]
        assert found["positive"] == 4
        assert found["auc"]["value"] == 7 / 8  # one of eight pairs stands the wrong way round
        assert found["sensitivity"]["value"] == 0.75
        assert found["specificity"]["value"] == 0.5
        assert set(found) >= {"sensitivity", "specificity", "calibration_error", "brier"}
        assert "absent" in report[0]["technical"]["classes"]["Second half"]

    def test_what_acting_on_it_means(self, report):
        point = report[0]["clinical"]["operating_point"]["First half"]
        assert (point["prevalence"], point["prevalence_is"]) == (0.2, "stated")
        assert len(report[0]["clinical"]["decision_curve"]["First half"]["model"]) == 99

    def test_robustness_counts_decisions(self, report):
        rows = report[0]["robustness"]["perturbations"]
        assert all(0 <= one["decisions_kept"] <= 1 for one in rows)
        held = {one["name"]: one["held"] for one in report[0]["robustness"]["metamorphic"]}
        assert held["left-right flip"] is True
        assert held["slice order"] is False  # nothing turns the volume before it is looked at

    def test_the_page_is_there_too(self, report):
        assert "reliability" in (report[1] / "report.html").read_text()


class TestCases:
    @pytest.fixture
    def manifest(self, bundle_folder):
        return manifest_of(bundle_folder)

    def complaint(self, tmp_path, manifest, **changes):
        path = cases(tmp_path / "cases", count=1)
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))
        with pytest.raises(UnfitCasesError) as error:
            read_plan(path, manifest)
        return str(error.value)

    def test_a_name_that_the_bundle_does_not_have(self, tmp_path, manifest):
        said = self.complaint(tmp_path, manifest, segments={7: "Dark"})
        assert "the bundle has no segment Dark" in said

    def test_a_file_that_is_not_there(self, tmp_path, manifest):
        one = {"image": "no.nii.gz", "patient": "p", "reference": "truth0.nii.gz"}
        assert "there is no no.nii.gz" in self.complaint(tmp_path, manifest, cases=[one])

    def test_a_key_that_nobody_knows(self, tmp_path, manifest):
        assert "colour" in self.complaint(tmp_path, manifest, colour="red")

    def test_a_segmentation_needs_a_reference(self, tmp_path, manifest):
        one = {"image": "image0.nii.gz", "patient": "p"}
        assert "needs a reference" in self.complaint(tmp_path, manifest, cases=[one])

    def test_a_case_that_the_node_refuses_is_counted(self, bundle_folder, tmp_path):
        listed = cases(tmp_path / "cases", count=2)
        empty = tmp_path / "cases/series"
        empty.mkdir()
        said = yaml.safe_load(listed.read_text())
        said["cases"][0]["image"] = "series"
        listed.write_text(yaml.safe_dump(said))
        report = evaluate(bundle_folder, listed, tmp_path / "out", "--quick")
        technical = report["technical"]
        assert (technical["cases"], technical["scored"]) == (2, 1)
        assert technical["refused"][0]["case"] == "case 1"

    def test_trouble_is_told_in_a_line(self, bundle_folder, tmp_path, capsys):
        told = [str(bundle_folder), "--cases", str(tmp_path / "no.yaml"), "--out", str(tmp_path)]
        assert verb.main(told) == 1
        assert "not evaluated: no.yaml cannot be read" in capsys.readouterr().err


def test_a_reference_on_another_grid_is_laid_onto_the_image(bundle_folder, tmp_path):
    from models.evaluation.images import UNKNOWN, read_reference

    one = image(radius=8, spacing=(1.0, 1.0, 1.0))
    truth = (one.voxels > 50).astype("uint8")
    affine = one.affine.copy()
    affine[:3, 3] = [4.0, 0.0, 0.0]  # it begins four slices later
    path = write(tmp_path / "truth.nii.gz", truth[4:], affine)
    found = read_reference(path, {1: "Bright"}, {"Bright": 1}, one)
    assert found.shape == one.voxels.shape
    assert int((found == UNKNOWN).sum()) in (0, 4 * 28 * 32)


def test_a_dicom_series_passes_the_gate_and_meets_its_reference(bundle_folder, tmp_path):
    given = image(radius=7, spacing=(2.0, 1.5, 1.0), centre=(9, 11, 20))
    path = write(tmp_path / "image.nii.gz", given.voxels * 10, given.affine)
    truth = (given.voxels > 50).astype(np.uint8)
    write(tmp_path / "truth.nii.gz", truth, given.affine)
    real_input.write_series(path, tmp_path / "series", "MR", "coronal")
    one = {"image": "series", "reference": "truth.nii.gz", "patient": "p"}
    listed = tmp_path / "cases.yaml"
    listed.write_text(yaml.safe_dump({"segments": {1: "Bright"}, "cases": [one]}))
    found = evaluate(bundle_folder, listed, tmp_path / "out", "--quick")
    technical = found["technical"]
    assert technical["refused"] == []
    assert technical["through_the_dicom_gate"] == 1
    assert technical["segments"]["Bright"]["dice"]["value"] == 1.0
    assert not any("DICOM" in one for one in found["warnings"])
    looked = next(i for i in found["compliance"]["items"] if i["id"] == "report_without_names")
    assert looked["result"] == "pass"


def options(*more):
    parser = verb.argparse.ArgumentParser(exit_on_error=False)
    verb.add_arguments(parser)
    return parser.parse_args(["b", "--cases", "c", "--out", "o", *more])


def test_date_costs_and_prevalence_are_passed_in():
    said = options("--date", "2026-01-02", "--costs", "10:1", "--prevalence", "0.05")
    assert said.date == date(2026, 1, 2)
    assert (said.costs.miss, said.costs.false_alarm) == (10, 1)
    assert said.prevalence == 0.05


@pytest.mark.parametrize("wrong", [("--costs", "10"), ("--costs", "-1:1"), ("--prevalence", "5")])
def test_what_is_no_cost_and_no_part_is_refused(wrong):
    with pytest.raises(verb.argparse.ArgumentError):
        options(*wrong)


def test_a_segmentation_that_slides_is_attacked_window_by_window(tmp_path):
    folder = bright(tmp_path / "bright", WINDOWED)
    given = image(radius=8, spacing=(1.5, 1.5, 1.5))
    path = write(tmp_path / "image.nii.gz", given.voxels * 10, given.affine)
    truth = (given.voxels > 50).astype(np.uint8)
    write(tmp_path / "truth.nii.gz", truth, given.affine)
    one = {"image": path.name, "reference": "truth.nii.gz", "patient": "p"}
    listed = tmp_path / "cases.yaml"
    listed.write_text(yaml.safe_dump({"segments": {1: "Bright"}, "cases": [one]}))
    own = twin(tmp_path / "twin.ts", Bright(), (1, 1, 16, 16, 16))
    found = evaluate(folder, listed, tmp_path / "out", "--quick", "--twin", str(own))
    told = found["robustness"]["adversarial"]
    assert told["of"] == "1 windows of one case, each 16 x 16 x 16"
    assert [row["attack"] for row in told["attacks"]] == ["random", "FGSM", "PGD"]
    assert all(row["withstood"] == 1.0 for row in told["attacks"])
    assert all(0 < row["largest_change"] <= row["eps"] + 1e-5 for row in told["attacks"])
    assert "voxels kept" in (tmp_path / "out/report.html").read_text()
