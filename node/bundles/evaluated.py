"""Tells whether a bundle bears an evaluation report, and whether it is of this very bundle.

The workshop's `python -m models evaluate` writes docs/evaluation/report.json. It names every file
that decides what the model does, with its sha256: weights, both configuration files, statistics,
code if there is any. What only tells (docs/, golden/, the licence) is not among them, so that the
report can be put into the bundle that it is about.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from node.bundles.manifest import Manifest, file_hash

REPORT = "docs/evaluation/report.json"
FORM = "radnode-evaluation/1"
DIMENSIONS = ("technical", "clinical", "robustness", "compliance")
TELLING = ("docs", "golden", "LICENSE")
"""What of a bundle describes it and does not change what it does."""
ADVICE = "`python -m models evaluate BUNDLE --cases CASES.yaml --out DIR --attach` makes it"


def what_runs(folder: Path) -> dict[str, str]:
    """Give path and sha256 of every file of a bundle that decides what it does.

    Raises:
        OSError: a file cannot be read.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        is_byte_code = path.suffix == ".pyc" or "__pycache__" in name.parts
        if path.is_file() and name.parts[0] not in TELLING and not is_byte_code:
            found[name.as_posix()] = file_hash(path)
    return found


def evaluation_problems(folder: Path, manifest: Manifest) -> list[str]:
    """Say what keeps a bundle that is meant for clinical use from it; nothing for research."""
    if manifest.identity.intended_use != "clinical":
        return []
    return [f"for clinical use: {what}; {ADVICE}" for what in _complaints(folder)]


def evaluation_note(folder: Path, manifest: Manifest) -> str:
    """Say what a person should know of the evaluation of a bundle that may run without; or ""."""
    if manifest.identity.intended_use == "clinical":
        return ""
    complaints = list(_complaints(folder))
    return f"for research; {'; '.join(complaints)}" if complaints else ""


def _complaints(folder: Path) -> Iterator[str]:
    path = folder / REPORT
    if not path.is_file():
        yield f"{REPORT} is missing"
        return
    try:
        report = json.loads(path.read_bytes())
    except (OSError, ValueError):
        report = None
    if not isinstance(report, dict) or report.get("form") != FORM:
        yield f"{REPORT} is no evaluation report that is understood here ({FORM})"
        return
    yield from _incomplete(report)
    yield from _strangers(report, what_runs(folder))


def _incomplete(report: Mapping[str, Any]) -> Iterator[str]:
    lacking = [name for name in DIMENSIONS if not isinstance(report.get(name), dict)]
    if lacking:
        yield f"{REPORT} has nothing on {', '.join(lacking)}"
    if report.get("quick"):
        yield f"{REPORT} is of a quick run, which leaves things out"
    if not report.get("cases_scored"):
        yield f"{REPORT} scored no case"


def _strangers(report: Mapping[str, Any], present: Mapping[str, str]) -> Iterator[str]:
    """Say which files are not those that were evaluated."""
    bundle = report.get("bundle")
    stated = bundle.get("files") if isinstance(bundle, dict) else None
    stated = stated if isinstance(stated, dict) else {}
    differ = sorted(name for name in {*stated, *present} if stated.get(name) != present.get(name))
    if differ:
        yield f"{REPORT} was made for another {differ[0]}"
