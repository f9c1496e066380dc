"""Writes the report and puts it into the bundle that it is about."""

import json
import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from models.evaluation.page import page
from node.bundles.evaluated import FORM, REPORT, what_runs
from node.bundles.manifest import Bundle

FILES = ("report.json", "report.html")
LIBRARIES = (
    "radnode",
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "monai",
    "SimpleITK",
    "openvino",
    "dcurves",
    "adversarial-robustness-toolbox",
    "matplotlib",
)
BEGIN, END = "<!-- evaluation: begin -->", "<!-- evaluation: end -->"
LINK = """{begin}
## Evaluation
Evaluated on {made}: [report](evaluation/report.html), [figures](evaluation/report.json). It holds
for the files whose sha256 it names; after any change of weights or configuration it has to be made
again.
{end}
"""


def head(bundle: Bundle, made: str) -> dict[str, Any]:
    """Give the part of a report that says which bundle it is of, and with what it was made.

    Args:
        bundle: the one that was run.
        made: the date that was passed in, ISO 8601.
    """
    who = bundle.manifest.identity
    return {
        "form": FORM,
        "made": made,
        "bundle": {
            "name": who.name,
            "version": who.version,
            "intended_use": who.intended_use,
            "sha256": bundle.sha256,
            "files": what_runs(bundle.path),
        },
        "versions": {name: found for name in LIBRARIES if (found := _version(name))},
    }


def write(report: Mapping[str, Any], out: Path) -> None:
    """Write report.json and report.html to a folder, made if need be.

    Raises:
        OSError: it cannot be written.
        ValueError: a figure is no number.
    """
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    (out / "report.json").write_text(text + "\n", encoding="utf-8")
    (out / "report.html").write_text(page(report), encoding="utf-8")


def attach(out: Path, folder: Path) -> None:
    """Copy a report into its bundle and link it from the card; doing it again changes nothing.

    Args:
        out: where the report lies.
        folder: the bundle. Its own digest changes by this; what the report is bound to does not.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: the report is of other files than lie in the bundle.
    """
    report = json.loads((out / "report.json").read_bytes())
    if report["bundle"]["files"] != what_runs(folder):
        raise ValueError("the report was made for other files than those of this bundle")
    target = (folder / REPORT).parent
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(out / name, target / name)
    card = folder / "docs/README.md"
    text = card.read_text(encoding="utf-8")
    if BEGIN in text and END in text:
        text = text[: text.index(BEGIN)] + text[text.index(END) + len(END) :].lstrip("\n")
    link = LINK.format(begin=BEGIN, end=END, made=report["made"])
    card.write_text(f"{text.rstrip()}\n\n{link}", encoding="utf-8")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
