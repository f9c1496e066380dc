"""Keeps what an experiment found: one JSON file each, with settings, data and machine."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from models.experiments.comparing import Comparison

LIBRARIES = ("torch", "monai", "numpy", "scipy", "timm", "openvino", "onnxruntime")


@dataclass(frozen=True, slots=True)
class Given:
    """What a run is told beside its settings: seeds, folders, threads, whether it is quick."""

    seeds: int
    cache: Path
    work: Path
    threads: int
    quick: bool = False

    def say(self, text: str) -> None:
        """Tell whoever waits how far it is."""
        print(text, flush=True)


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm: its name, and its figure for each seed."""

    name: str
    per_seed: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A figure of all arms: what it is, in which unit."""

    what: str
    unit: str
    arms: tuple[Arm, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What an experiment found.

    `comparisons` begin with the one that the claim is about. `setup` says in sentences what was
    done, `limits` what could not be shown and why.
    """

    title: str
    claimed: str
    tables: tuple[Table, ...]
    comparisons: tuple[Comparison, ...]
    setup: tuple[str, ...]
    limits: tuple[str, ...]
    data: Mapping[str, Any] = field(default_factory=dict)


def table(what: str, unit: str, arms: Mapping[str, Sequence[float]]) -> Table:
    """Make a table of figures by arm."""
    rows = (Arm(name, tuple(round(float(v), 5) for v in values)) for name, values in arms.items())
    return Table(what, unit, tuple(rows))


def plain(
    name: str, found: Found, settings: Mapping[str, Any], given: Given, seconds: float
) -> dict[str, Any]:
    """Give everything for JSON."""
    return {
        "experiment": name,
        "command": f"python -m models experiment {name}" + (" --quick" if given.quick else ""),
        "title": found.title,
        "claimed": found.claimed,
        "quick": given.quick,
        "seeds": given.seeds,
        "verdict": found.comparisons[0].verdict,
        "comparisons": [one.as_plain() for one in found.comparisons],
        "tables": [
            {
                "what": one.what,
                "unit": one.unit,
                "arms": {arm.name: list(arm.per_seed) for arm in one.arms},
            }
            for one in found.tables
        ],
        "setup": list(found.setup),
        "limits": list(found.limits),
        "settings": dict(settings),
        "data": dict(found.data),
        "machine": {
            "threads": given.threads,
            "processor": _processor(),
            "python": platform.python_version(),
            "libraries": {library: version(library) for library in LIBRARIES},
            "gpu": torch.cuda.is_available(),
        },
        "seconds": round(seconds),
    }


def keep(folder: Path, told: Mapping[str, Any]) -> Path:
    """Write a result into a folder, and give the file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{told['experiment']}.json"
    half = file.with_suffix(".half")
    half.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    half.replace(file)
    return file


def kept(folder: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """Read the results that lie in a folder, in the order of `names`."""
    files = [folder / f"{name}.json" for name in names]
    return [json.loads(file.read_text()) for file in files if file.is_file()]


def _processor() -> str:
    """Give the name of the processor, or at least its kind."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
