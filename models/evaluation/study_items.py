"""Duties that this very evaluation has to meet: intervals, patients, robustness, no names."""

import json
from collections.abc import Iterator
from typing import Any

from models.evaluation.duties import (
    FAIL,
    HUMAN,
    NOT_APPLICABLE,
    PASS,
    Duty,
    Facts,
    Outcome,
    asks,
)

CLAIM = "CLAIM 2024"
FEW = 10


def _intervals(facts: Facts) -> Outcome:
    leaves = list(_leaves(facts.report.get("technical", {})))
    with_interval = [one for one in leaves if one.get("low") is not None]
    if not leaves:
        return FAIL, "nothing was measured"
    if len(with_interval) < len(leaves):
        return FAIL, f"{len(with_interval)} of {len(leaves)} figures have an interval"
    return PASS, f"{len(leaves)} figures, each with a bootstrap interval"


def _leaves(tree: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any JSON
    if isinstance(tree, dict):
        if "value" in tree and "units" in tree:
            yield tree
        else:
            for one in tree.values():
                yield from _leaves(one)


def _patients(facts: Facts) -> Outcome:
    technical = facts.report.get("technical", {})
    cases, patients = technical.get("cases", 0), technical.get("patients", 0)
    evidence = f"{patients} patients, {cases} cases"
    return (PASS, evidence) if patients >= FEW else (FAIL, f"{evidence}: fewer than {FEW}")


def _accounted(facts: Facts) -> Outcome:
    technical = facts.report.get("technical", {})
    refused = technical.get("refused", [])
    return (
        PASS,
        f"{technical.get('scored', 0)} scored, {len(refused)} refused, each with its reason",
    )


def _subgroups(facts: Facts) -> Outcome:
    technical = facts.report.get("technical", {})
    groups = technical.get("groups")
    if groups is None:
        return HUMAN, "classifications are not broken down by groups here"
    if "absent" in groups:
        return FAIL, str(groups["absent"])
    return PASS, f"broken down by {', '.join(groups)}"


def _robust(facts: Facts) -> Outcome:
    robust = facts.report.get("robustness", {})
    rows = robust.get("perturbations")
    if not isinstance(rows, list):
        return FAIL, "no perturbation was tried"
    adversarial = robust.get("adversarial", {})
    attack = adversarial.get("absent", "attacked by ART")
    return PASS, f"{len(rows)} perturbations; {attack}"


def _failures(facts: Facts) -> Outcome:
    technical = facts.report.get("technical", {})
    if "segments" in technical or "classes" in technical:
        return (
            HUMAN,
            "the figures of every case are in report.json; a person has to look at the worst",
        )
    return FAIL, "nothing was measured"


def _calibrated(facts: Facts) -> Outcome:
    classes = facts.report.get("technical", {}).get("classes")
    if classes is None:
        return NOT_APPLICABLE, "it finds regions, not probabilities"
    known = [one["calibration_error"]["value"] for one in classes.values() if "brier" in one]
    return (PASS, f"calibration errors {known}") if known else (FAIL, "not measured")


def _no_names(facts: Facts) -> Outcome:
    if not facts.identifiers:
        return NOT_APPLICABLE, "no case states a name or number of four characters or more"
    text = json.dumps(facts.report, ensure_ascii=False)
    if any(one in text for one in facts.identifiers):
        return FAIL, "a patient's name or number stands in the report"
    return PASS, f"none of {len(facts.identifiers)} names and numbers stands in it"


OF_STUDY = (
    Duty("intervals", (CLAIM,), "Every figure says how sure it is", _intervals),
    Duty("patients", (CLAIM,), "Enough patients, and it is said how many", _patients),
    Duty("accounted_for", (CLAIM,), "Cases that were left out are named, with reasons", _accounted),
    Duty(
        "subgroups",
        (CLAIM, "model card"),
        "Figures are given for sexes, ages and scanners, too",
        _subgroups,
    ),
    Duty("calibration", (CLAIM,), "Probabilities were held against what came true", _calibrated),
    Duty("robustness", (CLAIM,), "Robustness was examined", _robust),
    Duty("failure_analysis", (CLAIM,), "Failures were looked into", _failures),
    Duty(
        "external_data",
        (CLAIM,),
        "It was tested on patients of another hospital than it was trained on",
        asks("the list of cases does not say where its patients come from"),
    ),
    Duty(
        "report_without_names",
        ("HIPAA 164.514", "GDPR Art. 5(1)(c)"),
        "This report names no patient",
        _no_names,
    ),
    Duty(
        "legal_basis",
        ("GDPR Art. 6, 9", "HIPAA 164.508"),
        "There is a legal basis or consent for the data of training and evaluation",
        asks("no file shows it"),
    ),
    Duty(
        "ethics_and_funding",
        (CLAIM,),
        "Ethics approval, registration and funding are stated",
        asks("no file shows it"),
    ),
)
