"""Prepares volumes before anything is trained: reads, resamples, keeps, and says what they are.

    python -m models data models/configs/sources/chest_ct.yaml --spacing 1.5

Training does the same by itself when it begins; this verb is for looking at sources first: which
structures are there, how many millilitres of each, and the digests that the model card will name.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import yaml

from models.data.volumes import Labelled, prepared


def main(arguments: list[str]) -> int:
    """Prepare every source of a list; give the exit code."""
    options = argparse.ArgumentParser(prog="python -m models data", description=__doc__)
    options.add_argument("sources", type=Path)
    options.add_argument("--spacing", type=float, default=3.0, help="millimetres")
    options.add_argument("--cache", type=Path, default=Path("var/training"))
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args(arguments)
    try:
        listed = yaml.safe_load(chosen.sources.read_text())
        found = [prepared(one, (chosen.spacing,) * 3, chosen.cache) for one in listed]
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"{chosen.sources}: {error}\n")
        return 1
    for volume in found:
        told = described(volume)
        print(json.dumps(told) if chosen.json else _words(told))
    return 0


def described(volume: Labelled) -> dict[str, object]:
    """Give what a volume is: grid, values, structures with their millilitres, provenance."""
    voxel_ml = float(np.prod(volume.spacing_mm)) / 1000
    counts = np.bincount(np.asarray(volume.labels).ravel(), minlength=len(volume.structures))
    millilitres = {
        name: round(float(count) * voxel_ml, 1)
        for name, count in zip(volume.structures, counts, strict=False)
        if name and count
    }
    return {
        "patient": volume.patient,
        "shape": list(volume.image.shape),
        "spacing_mm": list(volume.spacing_mm),
        "values": [int(volume.image.min()), int(volume.image.max())],
        "structures_ml": millilitres,
        "provenance": dict(volume.provenance),
    }


def _words(told: dict[str, object]) -> str:
    structures = told["structures_ml"]
    assert isinstance(structures, dict)
    listed = "\n".join(f"  {name}: {ml} mL" for name, ml in structures.items())
    return (
        f"{told['patient']}: {told['shape']} voxels of {told['spacing_mm']} mm, "
        f"values {told['values']}, {len(structures)} structures\n{listed}".rstrip()
    )
