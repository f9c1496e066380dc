"""Duties that the bundle itself has to meet: licence, card, codes, hashes, no patient inside."""

import re
from zipfile import BadZipFile

import numpy as np

from models.evaluation.duties import FAIL, HUMAN, PASS, Duty, Facts, Outcome, said_in_card

HASH = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
TELLING = 400
"""Characters; a file that is shorter than this is a placeholder or a pointer, not a card."""
MODEL_CARD, CLAIM = "model card", "CLAIM 2024"
HARMLESS_ARRAYS = {"voxels", "affine", "labels"}


def _licence(facts: Facts) -> Outcome:
    text = facts.licence.strip()
    if not text:
        return FAIL, "there is no LICENSE, or it is empty"
    if re.search(r"none was given|unknown", text, re.IGNORECASE):
        return FAIL, f"LICENSE: {text[:120]}"
    return PASS, f"LICENSE: {text.splitlines()[0][:120]}"


def _intended_use(facts: Facts) -> Outcome:
    use = facts.bundle.manifest.identity.intended_use
    if not re.search(r"intended use", facts.card, re.IGNORECASE):
        return FAIL, f"metadata.json says {use}; docs/README.md does not speak of intended use"
    return PASS, f"metadata.json: {use}; docs/README.md speaks of it"


def _status(facts: Facts) -> Outcome:
    use = facts.bundle.manifest.identity.intended_use
    if use == "research":
        return PASS, "research: every result says so"
    return HUMAN, "clinical: who is responsible must hold the approval (MDR, FDA) beside this"


def _provenance(facts: Facts) -> Outcome:
    source = str(facts.metadata.get("data_source", ""))
    match = re.search(
        r"^[^#\n].*\b(trained on|training (data|cases|patients?)|data source)\b.*$",
        facts.card,
        re.IGNORECASE | re.MULTILINE,
    )
    if match is None and (not source or "README" in source):
        return FAIL, "neither docs/README.md nor data_source says what it was trained on"
    return PASS, (match.group().strip() if match else f"data_source: {source}")[:160]


def _hashes(facts: Facts) -> Outcome:
    own = set(facts.bundle.manifest.weights.values())
    texts = {"docs/README.md": facts.card}
    for path in sorted((facts.bundle.path / "docs").rglob("*")):
        told = path.suffix in (".json", ".csv", ".txt", ".md", ".yaml")
        name = path.relative_to(facts.bundle.path).as_posix()
        is_ours = name in texts or "evaluation" in path.parts
        if path.is_file() and told and not is_ours:
            texts[name] = path.read_text(encoding="utf-8", errors="replace")
    found = {name: len(set(HASH.findall(text)) - own) for name, text in texts.items()}
    known = {name: count for name, count in found.items() if count}
    if not known:
        return FAIL, "no file in docs/ states a sha256 of what it was trained on or made of"
    return PASS, "; ".join(f"{name} states {count} sha256" for name, count in known.items())


def _codes(facts: Facts) -> Outcome:
    manifest = facts.bundle.manifest
    codes = {one.name: one.type for one in manifest.segments}
    codes |= {one.name: one.finding for one in manifest.classes}
    strange = [f"{name} ({code.scheme})" for name, code in codes.items() if code.scheme != "SCT"]
    if strange:
        return FAIL, f"not in SNOMED CT: {', '.join(strange)}"
    return PASS, f"{len(codes)} of {len(codes)} coded in SNOMED CT"


def _card_length(facts: Facts) -> Outcome:
    length = len(facts.card.strip())
    result = PASS if length >= TELLING else FAIL
    return result, f"docs/README.md has {length} characters"


def _authors(facts: Facts) -> Outcome:
    authors = str(facts.metadata.get("authors", "")).strip()
    return (PASS, f"authors: {authors[:120]}") if authors else (FAIL, "metadata.json: no authors")


def _on_shelf(facts: Facts) -> Outcome:
    if not facts.recorded:
        return FAIL, "no shelf beside it has it on record; `radnode models add` does it"
    if facts.recorded != facts.bundle.sha256:
        return FAIL, f"recorded as {facts.recorded[:12]}, but is {facts.bundle.sha256[:12]}"
    return PASS, f"shelf.json has it as {facts.recorded}"


def _golden(facts: Facts) -> Outcome:
    cases = facts.bundle.path / "golden/cases.json"
    return (PASS, "golden/cases.json") if cases.is_file() else (FAIL, "no golden/cases.json")


def _no_patient(facts: Facts) -> Outcome:
    """Look for headers in what the bundle carries; what a picture shows nobody can compute."""
    images = [p.name for p in facts.bundle.path.rglob("*") if p.suffix in (".dcm", ".DCM")]
    if images:
        return FAIL, f"it carries DICOM files: {', '.join(images[:3])}"
    for path in sorted((facts.bundle.path / "golden").glob("*.npz")):
        try:
            with np.load(path, allow_pickle=False) as arrays:
                strange = set(arrays.files) - HARMLESS_ARRAYS
        except (OSError, ValueError, BadZipFile):
            return HUMAN, f"golden/{path.name} cannot be read"
        if strange:
            return HUMAN, f"golden/{path.name} also holds {', '.join(sorted(strange))}"
    return PASS, "no DICOM file; golden cases hold voxels and geometry only, no header"


def _preprocessing(facts: Facts) -> Outcome:
    manifest = facts.bundle.manifest
    if manifest.by_monai:
        return HUMAN, "MONAI runs it by expressions and code that are not read here"
    steps = [one.name for one in manifest.recipe.preprocessing]
    return PASS, f"inference.json: {', '.join(steps) or 'none'}"


def _software(facts: Facts) -> Outcome:
    keys = ("monai_version", "pytorch_version", "numpy_version")
    stated = [f"{key} {facts.metadata[key]}" for key in keys if facts.metadata.get(key)]
    lacking = [key for key in keys if not facts.metadata.get(key)]
    if lacking:
        return FAIL, f"metadata.json lacks {', '.join(lacking)}"
    return PASS, "; ".join(stated)


OF_BUNDLE = (
    Duty("licence", (MODEL_CARD,), "A licence lies beside the weights", _licence),
    Duty("card", (MODEL_CARD,), "There is a model card that deserves the name", _card_length),
    Duty("authors", (MODEL_CARD,), "It is said who made it", _authors),
    Duty(
        "intended_use",
        (MODEL_CARD, CLAIM, "GDPR Art. 13(2)(f)"),
        "Intended use is stated, in the card and for machines",
        _intended_use,
    ),
    Duty("status", (MODEL_CARD,), "Research or clinical: the status is plain", _status),
    Duty(
        "training_data",
        (MODEL_CARD, CLAIM, "GDPR Art. 5(2)"),
        "It is said what it was trained on",
        _provenance,
    ),
    Duty(
        "training_hashes",
        (MODEL_CARD, "GDPR Art. 5(2)"),
        "What it was trained on or made of is named by hashes",
        _hashes,
    ),
    Duty(
        "partitions",
        (CLAIM,),
        "How data were split, and that no patient is on both sides",
        said_in_card(r"split|held[- ]out|by patient|one patient|single patient|folds", "a split"),
    ),
    Duty(
        "reference_standard",
        (CLAIM,),
        "Where the reference comes from and who made it",
        said_in_card(r"reference|ground truth|annotat|labelled by|label map", "a reference"),
    ),
    Duty(
        "limits",
        (MODEL_CARD, CLAIM),
        "Limits and known failures are stated",
        said_in_card(r"limit|fails?\b|not established|does not hold", "limits"),
    ),
    Duty("preprocessing", (CLAIM,), "Preprocessing is described", _preprocessing),
    Duty("software", (CLAIM,), "Software and its versions are stated", _software),
    Duty("coded", (MODEL_CARD,), "All that it finds is coded in SNOMED CT", _codes),
    Duty(
        "hash_on_shelf",
        ("HIPAA 164.312(c)(1)", "GDPR Art. 32"),
        "What runs is what was checked: its hash is on record",
        _on_shelf,
    ),
    Duty("golden", (MODEL_CARD,), "A golden case shows that it still does what it did", _golden),
    Duty(
        "no_patient_inside",
        ("GDPR Art. 5(1)(c)", "HIPAA 164.514"),
        "The bundle carries no patient's data",
        _no_patient,
    ),
)
