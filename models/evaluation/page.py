"""Makes the page that a clinician reads and prints out of the figures of a report; one file."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from models.evaluation import metamorphic, plots
from models.evaluation.page_parts import absent, cell, figure, table, verdict

CSS = """
:root { color: #1b2733; background: #fff; font: 15px/1.5 system-ui, 'Segoe UI', sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { margin-top: 2.5rem; border-top: 2px solid #1f5f99;
padding-top: .6rem; font-size: 1.25rem; } h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; }
table { border-collapse: collapse; width: 100%; font-size: .85rem; margin: .5rem 0; }
th, td { text-align: left; padding: .25rem .5rem; border-bottom: 1px solid #dde3e9;
vertical-align: top; }
td.n { font-variant-numeric: tabular-nums; white-space: nowrap; }
.sub { color: #5b6975; font-size: .85rem; } .absent { color: #5b6975; font-style: italic; }
.warn { background: #fff5e0; border-left: 4px solid #d28a00; padding: .5rem .8rem; }
.pass { color: #1c6b3a; font-weight: 600; } .fail { color: #b3372f; font-weight: 600; }
.human { color: #8a6100; font-weight: 600; } .na { color: #5b6975; }
svg { max-width: 100%; height: auto; } code { font-size: .85em; overflow-wrap: anywhere; }
@media print { body { margin: 0; max-width: none; } h2 { break-before: page; } h2.first {
break-before: auto; } tr, svg, .warn { break-inside: avoid; } }
"""


def page(report: Mapping[str, Any]) -> str:
    """Give report.html, a whole page without anything to load.

    Args:
        report: what report.json holds.
    """
    bundle = report["bundle"]
    title = f"{bundle['name']} {bundle['version']}: evaluation"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p class='sub'>{escape(report['made'])} · for {escape(bundle['intended_use'])} use · "
        f"bundle <code>{escape(bundle['sha256'])}</code></p>",
        _summary(report),
        _technical(report["technical"]),
        _clinical(report["clinical"]),
        _robustness(report["robustness"]),
        _compliance(report["compliance"]),
        _provenance(report),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{CSS}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _summary(report: Mapping[str, Any]) -> str:
    technical, counts = report["technical"], report["compliance"]["counts"]
    said = [
        f"{technical['scored']} of {technical['cases']} cases of {technical['patients']} "
        f"patient{'s' if technical['patients'] != 1 else ''} were scored."
    ]
    if "mean_dice" in technical:
        said.append(f"Mean Dice over all segments: {figure(technical['mean_dice'])}.")
    for name, one in technical.get("classes", {}).items():
        if "auc" in one:
            said.append(f"{escape(name)}: AUC {figure(one['auc'])}.")
    checks = report["robustness"].get("metamorphic", [])
    if isinstance(checks, list):
        held = sum(one["held"] is True for one in checks)
        said.append(f"{held} of {len(checks)} metamorphic checks held.")
    said.append(
        f"Compliance: {counts['pass']} pass, {counts['fail']} fail, "
        f"{counts['needs a human']} need a human, {counts['not applicable']} not applicable."
    )
    warning = "".join(f"<p class='warn'>{escape(one)}</p>" for one in report["warnings"])
    return f"<p>{' '.join(said)}</p>{warning}"


# ---- one dimension each ----------------------------------------------------------------------


def _technical(told: Mapping[str, Any]) -> str:
    parts = [
        "<h2 class='first'>1. Technical</h2>",
        f"<p class='sub'>Intervals: {escape(told['intervals'])}. "
        f"{told['through_the_dicom_gate']} of {told['scored']} cases came as DICOM and passed the "
        f"node's own gate. Median time of a case: {cell(told['seconds_per_case'])} s.</p>",
    ]
    refused = [[one["case"], one["why"]] for one in told["refused"]]
    if refused:
        parts += ["<h3>Refused</h3>", table(["case", "why"], refused)]
    segments = told.get("segments", {})
    if segments:
        heads = ["segment", "Dice", f"surface Dice {told['surface_tolerance_mm']:g} mm"]
        heads += ["HD95, mm", "volume error, mL", "volume error, %"]
        keys = ("dice", "surface_dice", "hd95_mm", "error_ml", "error_percent")
        rows = [
            [name, *(figure(one.get(key, one)) for key in keys)] for name, one in segments.items()
        ]
        parts.append(table(heads, rows))
        dices = {name: one["dice"] for name, one in segments.items() if "dice" in one}
        parts.append(plots.forest("Dice by segment", dices, "Dice"))
        parts.append(_groups(told["groups"]))
    parts.append(_classes(told.get("classes", {})))
    parts += [f"<p class='sub'>* {escape(note)}</p>" for note in sorted(set(_notes(told)))]
    return "\n".join(parts)


def _notes(told: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Give what the asterisks mean, for a page that is printed."""
    if isinstance(told, Mapping):
        if told.get("note") and "units" in told:
            yield str(told["note"])
        for one in told.values():
            yield from _notes(one)


def _groups(groups: Mapping[str, Any]) -> str:
    if "absent" in groups:
        return f"<h3>Groups</h3>{absent(groups)}"
    rows = [
        [attribute, value, figure(one), cell(one.get("units"))]
        for attribute, values in groups.items()
        for value, one in values.items()
    ]
    return f"<h3>Groups</h3>{table(['attribute', 'value', 'mean Dice', 'units'], rows)}"


def _classes(classes: Mapping[str, Any]) -> str:
    if not classes:
        return ""
    keys = ("auc", "sensitivity", "specificity", "calibration_error", "brier")
    heads = ["class", "cases (positive)", "AUC", "sensitivity", "specificity", "ECE", "Brier"]
    rows = []
    for name, one in classes.items():
        count = f"{one['cases']} ({one['positive']})" if "cases" in one else absent(one)
        rows.append([name, count, *(figure(one.get(key, one)) for key in keys)])
    return table(heads, rows) + plots.reliability(classes)


def _clinical(told: Mapping[str, Any]) -> str:
    parts = ["<h2>2. Clinical</h2>", "<h3>Volume agreement (Bland-Altman)</h3>"]
    volumes = told["volume_agreement_ml"]
    if "absent" in volumes:
        parts.append(absent(volumes))
    else:
        heads = ["segment", "bias, mL", "lower limit", "upper limit", "pairs", "note"]
        keys = ("bias", "lower", "upper", "pairs")
        rows = [
            [name, *(cell(one.get(key)) for key in keys), one.get("absent", one.get("note", ""))]
            for name, one in volumes.items()
        ]
        parts += [table(heads, rows), plots.agreement(volumes)]
    parts += ["<h3>Operating point</h3>", _points(told["operating_point"])]
    curves = told["decision_curve"]
    parts += ["<h3>Decision curve</h3>", plots.decision(curves) or absent(_first(curves))]
    parts += ["<h3>Turnaround</h3>", _turnaround(told["turnaround"])]
    return "\n".join(parts)


def _first(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give why it is absent, said of all or of the first class."""
    nested = [one for one in told.values() if isinstance(one, Mapping)]
    return told if "absent" in told or not nested else nested[0]


def _points(points: Mapping[str, Any]) -> str:
    if "absent" in points:
        return absent(points)
    heads = ["class", "threshold", "cost", "sensitivity", "specificity", "bundle's threshold"]
    keys = ("threshold", "cost", "sensitivity", "specificity", "bundle_threshold", "bundle_cost")
    rows = []
    for name, one in points.items():
        if "absent" in one:
            rows.append([name, one["absent"], *[""] * 5])
        else:
            rows.append([name, *(cell(one[key]) for key in keys)])
    return table([*heads, "its cost"], rows)


def _turnaround(told: Mapping[str, Any]) -> str:
    if "absent" in told:
        return absent(told)
    rows = [
        [name.replace("_", " "), cell(one.get("median_s")), str(one.get("quartiles_s", "absent"))]
        for name, one in told.items()
        if isinstance(one, Mapping)
    ]
    return table(["step", "median, s", "quartiles, s"], rows) + f"<p>{escape(told['note'])}</p>"


def _robustness(told: Mapping[str, Any]) -> str:
    parts = ["<h2>3. Robustness</h2>", "<h3>Perturbations</h3>"]
    rows = told["perturbations"]
    if isinstance(rows, Mapping):
        parts.append(absent(rows))
    else:
        parts += [plots.perturbed(rows), _perturbations(rows)]
    checks = told["metamorphic"]
    parts.append("<h3>Metamorphic checks</h3>")
    if isinstance(checks, Mapping):
        parts.append(absent(checks))
    else:
        by_dice = any(one.get("tolerance", 0) > metamorphic.PROBABILITY for one in checks)
        measure = "worst Dice kept" if by_dice else "largest shift of a probability"
        heads = ["check", "what", measure, "tolerance", "worst", "held"]
        keys = ("value", "tolerance", "worst")
        rows = [
            [one["name"], one["what"], *(cell(one.get(k)) for k in keys), verdict(one["held"])]
            for one in checks
        ]
        parts.append(table(heads, rows))
    parts += ["<h3>Adversarial attacks</h3>", _adversarial(told["adversarial"])]
    return "\n".join(parts)


def _perturbations(rows: Sequence[Mapping[str, Any]]) -> str:
    heads = ["family", "what", "Dice to unperturbed", "worst segment", "Dice to reference"]
    if any("decisions_kept" in one for one in rows):
        heads[2:] = ["decisions kept", "largest shift", ""]
    told = []
    for one in rows:
        own, real = one.get("dice_to_unperturbed", {}), one.get("dice_to_reference", {})
        kept = own.get("mean", one.get("decisions_kept"))
        shift = one.get("largest_shift")
        worst = cell(own.get("worst")) if shift is None else cell(shift)
        refused = "; ".join(one.get("refused", []))
        value = f"refused: {refused}" if refused and kept is None else cell(kept)
        last = cell(real.get("mean")) if shift is None else ""
        told.append([one["family"], one["what"], value, worst, last])
    return table(heads, told)


def _adversarial(told: Mapping[str, Any]) -> str:
    if "absent" in told:
        return absent(told)
    rows = [["", one] for one in told.get("attacks", [])]
    rows += [[name, one] for name, many in told.get("classes", {}).items() for one in many]
    keys = ("attack", "part_of_range", "eps", "largest_change", "clean", "robust", "dice")
    shown = [
        [name, *(cell(one.get(key)) for key in (*keys, "voxels_kept", "withstood"))]
        for name, one in rows
    ]
    heads = ["class", "attack", "part of range", "eps (input units)", "largest change"]
    heads += ["clean accuracy", "robust accuracy", "Dice", "voxels kept", "withstood"]
    note = f"<p class='sub'>{escape(told['of'])}; L-infinity; the twin's scores are off by "
    return f"{note}{told['twin_differs_by']:.1e} of their range.</p>{table(heads, shown)}"


def _compliance(told: Mapping[str, Any]) -> str:
    rows = [
        [one["duty"], ", ".join(one["under"]), verdict(one["result"]), one["evidence"]]
        for one in told["items"]
    ]
    note = "<p class='sub'>Looked up in files and records; no legal advice.</p>"
    heads = ["duty", "under", "result", "evidence"]
    return f"<h2>4. Compliance</h2>{note}{table(heads, rows)}"


def _provenance(report: Mapping[str, Any]) -> str:
    rows = [
        ["weights and configuration", f"{k}: {v}"] for k, v in report["bundle"]["files"].items()
    ]
    rows += [["run by", f"{k}: {v}"] for k, v in report["run_by"].items()]
    rows += [["version", f"{k} {v}"] for k, v in report["versions"].items()]
    rows += [["seed", str(report["seed"])], ["cases", report["cases_sha256"]]]
    return f"<h2>How this was made</h2>{table(['what', 'which'], rows)}"
