"""Writes the card of a model that was trained here: what it is, from what, where it fails."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.data.anatomy import Anatomy


def card(
    config: Mapping[str, Any],
    about: Mapping[str, Any],
    anatomy: Anatomy,
    record: Mapping[str, Any],
    onnx: Path,
) -> str:
    """Give docs/README.md of a bundle.

    Args:
        config: of the training.
        about: what a person wrote (`<name>.bundle.yaml`).
        anatomy: what is found.
        record: training.json, or empty where it is not known.
        onnx: the weights as they are shelved.
    """
    parts = [
        f"# {config['name']} {about['version']}\n\n{about['description']}.",
        f"**Use.** {about['intended_use']}.",
        "## Where it fails\n\n" + "\n".join(f"* {limit}" for limit in about["limits"]),
        _found(anatomy),
        _trained(config, record),
        _samples(record),
        f"## Weights\n\n`models/model.onnx`, {onnx.stat().st_size / 1e6:.1f} MB, sha256\n"
        f"`{hashlib.sha256(onnx.read_bytes()).hexdigest()}`. Exported by\n"
        "`models/export/trained.py`, which holds ONNX Runtime against PyTorch on one cube.",
        f"{about['copyright']}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _found(anatomy: Anatomy) -> str:
    rows = [
        f"| {label} | {one.name} | {one.code} (SCT, {one.meaning}) |"
        for label, one in enumerate(anatomy.segments, start=1)
    ]
    return "\n".join(["## What it finds\n", "| label | segment | code |", "|---|---|---|", *rows])


def _trained(config: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    options = config["data"]["options"]
    lines = [
        "## How it was trained\n",
        "```",
        f"python -m models train models/configs/{config['name']}.yaml",
        f"python -m models shelve models/configs/{config['name']}.yaml",
        "```",
        f"Network `{config['network']['name']}` {_sizes(config)}, cubes of",
        f"{options['patch']} voxels of {options['spacing_mm']} mm, "
        f"HU {options['window']} as 0 to 1, seed {config['seed']}.",
    ]
    if record:
        minutes, memory = record["seconds"] / 60, record["peak_memory_mb"]["host"]
        machine = record["machine"]
        made_with = ", ".join(f"{name} {v}" for name, v in machine["libraries"].items())
        lines += [
            f"{record['steps']} steps took {minutes:.0f} minutes with {machine['threads']} "
            f"thread(s) on {machine['device']} and {memory:.0f} MB of memory.",
            f"Python {machine['python']}, {made_with}.",
        ]
        if record["history"]:
            found = _dice(record["history"][-1]["validation"])
            lines.append(f"Dice on unchanged cubes of the training patient: {found}.")
    return "\n".join(lines)


def _sizes(config: Mapping[str, Any]) -> str:
    return f"with channels {config['network']['options'].get('channels', 'as by default')}"


def _dice(validation: Mapping[str, Any]) -> str:
    of = {k.partition("/")[2]: v for k, v in validation.items() if k.startswith("dice/")}
    return ", ".join(f"{name} {value:.3f}" for name, value in of.items() if value is not None)


def _samples(record: Mapping[str, Any]) -> str:
    provenance = record.get("data", {})
    rows = [
        f"| {one['patient']} | {one.get('credit', '')} | {one.get('licence', '')} | "
        f"`{one['image_sha256']}` | `{one.get('labels_sha256', '-')}` |"
        for one in provenance.get("volumes", [])
    ]
    if not rows:
        return ""
    head = ["## Samples\n", "| patient | origin | licence | image sha256 | labels sha256 |"]
    remark = f"\n{provenance['remark']}." if provenance.get("remark") else ""
    return "\n".join([*head, "|---|---|---|---|---|", *rows, remark]).rstrip()
