"""The fourth dimension: a list of duties, each looked up in what is really there, with evidence.

Duties are out of GDPR, HIPAA (45 CFR 164), CLAIM (2024 update) and model cards (Mitchell et al.,
2019), as far as files and records can show them. A duty that no file can show is there all the
same, as one that needs a human. This is no legal advice, and passing all of it proves nothing that
is not in the evidence.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.evaluation.bundle_items import OF_BUNDLE
from models.evaluation.duties import FAIL, HUMAN, NOT_APPLICABLE, PASS, Audit, Duty, Facts
from models.evaluation.operation_items import OF_OPERATION
from models.evaluation.study_items import OF_STUDY
from models.evaluation.turnaround import audit_rows
from node.bundles.manifest import METADATA, Bundle
from node.bundles.shelf import Shelf
from node.config import Config
from node.ledger.opening import Ledger

DUTIES: tuple[Duty, ...] = (*OF_BUNDLE, *OF_STUDY, *OF_OPERATION)
RESULTS = (PASS, FAIL, NOT_APPLICABLE, HUMAN)


@dataclass(frozen=True, slots=True)
class Given:
    """What was handed over beside the bundle: configuration, audit trail, texts of patients."""

    config: Config | None = None
    audit: Audit | None = None
    identifiers: Sequence[str] = field(default_factory=tuple)


def facts_of(bundle: Bundle, report: Mapping[str, Any], given: Given) -> Facts:
    """Gather everything that duties are looked up in."""
    folder = bundle.path
    card = folder / "docs/README.md"
    licence = folder / "LICENSE"
    return Facts(
        bundle=bundle,
        metadata=json.loads((folder / METADATA).read_bytes()),
        card=card.read_text(encoding="utf-8", errors="replace") if card.is_file() else "",
        licence=licence.read_text(encoding="utf-8", errors="replace") if licence.is_file() else "",
        recorded=Shelf(folder.parent).recorded_hash(folder.name),
        report=report,
        config=given.config,
        audit=given.audit,
        identifiers=tuple(given.identifiers),
    )


def compliance(facts: Facts) -> dict[str, Any]:
    """Look every duty up.

    Returns:
        `items`, each with `id`, `under` (where the duty comes from), `duty`, `result` and
        `evidence`; and `counts` of results.
    """
    items = []
    for duty in DUTIES:
        result, evidence = duty.look(facts)
        items.append(
            {
                "id": duty.name,
                "under": list(duty.under),
                "duty": duty.text,
                "result": result,
                "evidence": evidence,
            }
        )
    counts = Counter(str(one["result"]) for one in items)
    return {"items": items, "counts": {name: counts[name] for name in RESULTS}}


def audit_of(ledger: Ledger) -> Audit:
    """Verify an audit trail and keep its texts."""
    verdict = ledger.verify()
    texts = [
        " ".join([str(row["subject"]), json.dumps(row["detail"], ensure_ascii=False)])
        for row in audit_rows(ledger)
    ]
    return Audit(verdict.ok, verdict.rows, verdict.head_hash, verdict.why, tuple(texts))


def identifiers_of(images: Sequence[Path], patients: Sequence[str]) -> list[str]:
    """Gather names and numbers of the patients of all cases, to be looked for where none may be.

    Those of fewer than four characters are left out: they would be found anywhere.
    """
    import pydicom

    found = set(patients)
    for path in images:
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else []
        for file in files[:1]:
            try:
                header = pydicom.dcmread(file, stop_before_pixels=True, force=True)
            except (OSError, ValueError):
                continue
            keys = ("PatientName", "PatientID", "OtherPatientIDs")
            found |= {str(header.get(key, "")) for key in keys}
    return sorted(one for one in found if len(one) >= 4)
