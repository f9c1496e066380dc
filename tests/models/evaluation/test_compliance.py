"""Each duty that files can show turns when its evidence is taken away, and says which evidence."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.evaluation.compliance import DUTIES, Given, compliance, facts_of, identifiers_of
from models.evaluation.duties import FAIL, HUMAN, NOT_APPLICABLE, PASS, Audit
from models.evaluation.running import open_bundle
from node.bundles.shelf import Shelf
from node.config import Config
from tests.models.evaluation.making import a_bundle, with_metadata

CARD = """# bright

**Intended use: research.** Finds what is bright, and nothing else, in images of a phantom.

It was trained on 12 volumes of one patient, split into crops; volume sha256
`{hash}`. The reference is a label map that a threshold made, drawn by nobody and looked
at by one person, who found it good. See the folder golden for a case of it.

## Limits
It fails on everything that is not a phantom: no patient, no other scanner, no contrast medium.
"""
INTERVAL = {"value": 0.9, "low": 0.8, "high": 0.95, "units": 12}
REPORT = {
    "technical": {
        "cases": 12,
        "patients": 12,
        "scored": 12,
        "refused": [],
        "segments": {"Bright": {"dice": INTERVAL}},
        "groups": {"sex": {"F": INTERVAL}},
    },
    "robustness": {"perturbations": [{}], "adversarial": {"absent": "no gradient"}},
}
GOOD_AUDIT = Audit(True, 2, "ab" * 32, "", ("series 1.2.3 {}", 'job 9 {"reason": "quiet"}'))
SAFE = {
    "peers": [
        {
            "name": "ct",
            "ae_title": "CT",
            "host": "192.0.2.7",
            "may": ["store"],
            "certificate": "CN=ct",
        },
        {"name": "pacs", "ae_title": "PACS", "host": "192.0.2.8", "port": 104, "tls": True},
    ]
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A bundle of which everything can be said that a duty asks for, on a shelf of its own."""
    made = a_bundle(tmp_path_factory.mktemp("made") / "bright")
    (made / "docs/README.md").write_text(CARD.format(hash="5" * 64))
    (made / "LICENSE").write_text("MIT License\n")
    versions = dict.fromkeys(("monai_version", "pytorch_version", "numpy_version"), "1")
    with_metadata(made, lambda said: said.update(authors="Somebody", **versions))
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    shelf.add(made)
    return shelf._dir / "bright"


@pytest.fixture
def facts(folder):
    given = Given(Config.model_validate(SAFE), GOOD_AUDIT, ("Wang^Xiaoming", "P-4711"))
    return facts_of(open_bundle(folder), REPORT, given)


def result(facts, name):
    duty = next(one for one in DUTIES if one.name == name)
    return duty.look(facts)


def config(**changes):
    """Give a configuration whose second peer is changed."""
    return Config.model_validate({"peers": [SAFE["peers"][0], {**SAFE["peers"][1], **changes}]})


def test_with_all_evidence_nothing_fails(facts):
    found = compliance(facts)
    assert [one["id"] for one in found["items"] if one["result"] == FAIL] == []
    assert found["counts"][PASS] >= 25
    assert sum(found["counts"].values()) == len(DUTIES)
    assert all(one["evidence"] and one["under"] for one in found["items"])


def test_what_no_file_shows_needs_a_human(facts):
    human = {one["id"] for one in compliance(facts)["items"] if one["result"] == HUMAN}
    assert {"legal_basis", "impact_assessment", "external_data", "human_in_the_loop"} <= human


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("licence", {"licence": ""}),
        ("licence", {"licence": "None was given: ask the owner of the weights."}),
        ("authors", {"metadata": {}}),
        ("software", {"metadata": {"monai_version": "1"}}),
        ("card", {"card": "# bright"}),
        ("intended_use", {"card": "# bright"}),
        ("training_data", {"card": "# bright", "metadata": {}}),
        ("partitions", {"card": "# bright"}),
        ("reference_standard", {"card": "# bright"}),
        ("limits", {"card": "# bright"}),
        ("training_hashes", {"card": "no digest"}),
        ("hash_on_shelf", {"recorded": ""}),
        ("hash_on_shelf", {"recorded": "0" * 64}),
        ("intervals", {"report": {}}),
        ("patients", {"report": {"technical": {"patients": 3, "cases": 30}}}),
        ("subgroups", {"report": {"technical": {"groups": {"absent": "none stated"}}}}),
        ("robustness", {"report": {"robustness": {}}}),
        ("report_without_names", {"report": {"technical": {"case": "of P-4711"}}}),
        ("audit_chain", {"audit": replace(GOOD_AUDIT, ok=False, why="row 2 is missing")}),
        ("no_patient_in_audit", {"audit": replace(GOOD_AUDIT, texts=("from P-4711",))}),
        ("no_patient_in_audit", {"audit": replace(GOOD_AUDIT, texts=("Li^Na",))}),
        ("no_patient_in_audit", {"audit": replace(GOOD_AUDIT, texts=('{"PatientName": 1}',))}),
    ],
)
def test_a_duty_turns_when_its_evidence_is_gone(facts, name, changes):
    assert result(facts, name)[0] == PASS
    assert result(replace(facts, **changes), name)[0] == FAIL


def test_figures_without_intervals_are_counted(facts):
    alone = {"value": 0.9, "low": None, "units": 1}
    report = {"technical": {"segments": {"Bright": {"dice": alone, "hd95_mm": INTERVAL}}}}
    assert result(replace(facts, report=report), "intervals") == (
        FAIL,
        "1 of 2 figures have an interval",
    )


class TestConfiguration:
    def look(self, facts, name, **changes):
        return result(replace(facts, config=config(**changes)), name)[0]

    def test_a_peer_elsewhere_without_tls_fails(self, facts):
        assert result(facts, "tls")[0] == PASS
        assert self.look(facts, "tls", tls=False) == FAIL
        assert self.look(facts, "tls", tls=False, host="127.0.0.1") == PASS

    def test_a_caller_that_is_known_by_address_only_fails(self, facts):
        assert result(facts, "callers")[0] == PASS
        assert self.look(facts, "callers", may=["store"]) == FAIL

    def test_peers_on_this_machine_need_none(self, facts):
        here = Config.model_validate({"peers": [{"name": "a", "ae_title": "A", "host": "::1"}]})
        assert result(replace(facts, config=here), "tls")[0] == NOT_APPLICABLE

    def test_results_that_a_crash_may_take_fail(self, facts):
        loose = Config.model_validate({"node": {"durable": "none"}})
        assert result(replace(facts, config=loose), "durable")[0] == FAIL

    @pytest.mark.parametrize("name", ["tls", "callers", "retention", "durable"])
    def test_without_a_configuration_a_human_has_to_look(self, facts, name):
        assert result(replace(facts, config=None), name)[0] == HUMAN

    @pytest.mark.parametrize("name", ["audit_chain", "no_patient_in_audit"])
    def test_without_an_audit_trail_too(self, facts, name):
        assert result(replace(facts, audit=None), name)[0] == HUMAN


class TestInsideTheBundle:
    @pytest.fixture
    def made(self, tmp_path):
        return a_bundle(tmp_path / "bright")

    def look(self, folder: Path, name):
        return result(facts_of(open_bundle(folder), {}, Given()), name)[0]

    def test_a_dicom_file_inside_fails(self, made):
        assert self.look(made, "no_patient_inside") == PASS
        (made / "golden/one.dcm").write_bytes(b"")
        assert self.look(made, "no_patient_inside") == FAIL

    def test_an_array_that_nobody_expects_is_for_a_human(self, made):
        np.savez(made / "golden/more.npz", voxels=np.zeros(1), header=np.zeros(1))
        assert self.look(made, "no_patient_inside") == HUMAN

    def test_the_weights_own_hash_is_no_provenance(self, made):
        bundle = open_bundle(made)
        own = next(iter(bundle.manifest.weights.values()))
        (made / "docs/README.md").write_text(f"weights: {own}\n")
        assert self.look(made, "training_hashes") == FAIL
        (made / "docs/data.csv").write_text(f"volume,{'7' * 64}\n")
        assert self.look(made, "training_hashes") == PASS

    def test_another_scheme_than_snomed_fails(self, made):
        def change(said):
            thing = {"value": "1", "scheme": "99LOCAL", "meaning": "Thing"}
            said["dicom"]["segments"][0]["type"] = thing

        assert self.look(made, "coded") == PASS
        assert self.look(with_metadata(made, change), "coded") == FAIL

    def test_clinical_status_is_for_a_human(self, tmp_path):
        assert self.look(a_bundle(tmp_path / "other", use="clinical"), "status") == HUMAN


def test_names_are_gathered_from_headers_and_lists(tmp_path):
    from pydicom.dataset import Dataset, FileMetaDataset

    made = Dataset()
    made.PatientName, made.PatientID = "Wang^Xiaoming", "P-4711"
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    (tmp_path / "series").mkdir()
    made.save_as(tmp_path / "series/one.dcm", enforce_file_format=False)
    found = identifiers_of([tmp_path / "series"], ["p1", "Li-0815"])
    assert found == ["Li-0815", "P-4711", "Wang^Xiaoming"]
