"""Runs a bundle's golden cases: real input that it carries, and what must come out of it.

golden/cases.json holds a list of cases, each with `input` (an .npz with `voxels` [slices, rows,
columns] and `affine`, index to LPS millimetres) and bounds: `volumes_ml` {segment: [smallest,
largest]}, `labels` (an .npz with the expected `labels`) with `minimum_dice` {segment: value},
`probabilities` {class: [smallest, largest]}.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from node.bundles.manifest import Bundle
from node.bundles.runner import Runner
from node.dicom.findings import Findings
from node.rules.failures import Refusal

FILE = "golden/cases.json"
TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class GoldenVolume:
    """The input of a golden case: voxels [slices, rows, columns], affine to LPS millimetres."""

    voxels: np.ndarray
    affine: np.ndarray


def golden_problems(bundle: Bundle, runner: Runner, work_dir: Path) -> list[str]:
    """Run every golden case of a bundle.

    Returns:
        What did not come out as it must, as sentences; nothing when all is well.
    """
    try:
        cases = json.loads((bundle.path / FILE).read_bytes())["cases"]
        volumes = [_volume(bundle.path / "golden" / case["input"]) for case in cases]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f"{FILE} or what it names cannot be read: {error}"]
    if not cases:
        return [f"{FILE} has no case"]
    problems: list[str] = []
    for case, volume in zip(cases, volumes, strict=True):
        found = runner.predict(bundle, volume, work_dir, TIMEOUT_SECONDS)
        if isinstance(found, Refusal):
            problems.append(f"{case['input']}: {found}")
        else:
            seen = _deviations(case, found, volume, bundle)
            problems.extend(f"{case['input']}: {deviation}" for deviation in seen)
    return problems


def _volume(path: Path) -> GoldenVolume:
    with np.load(path, allow_pickle=False) as arrays:
        return GoldenVolume(arrays["voxels"], arrays["affine"])


def _deviations(
    case: Mapping[str, Any], found: Findings, volume: GoldenVolume, bundle: Bundle
) -> Iterator[str]:
    for name, (low, high) in case.get("probabilities", {}).items():
        value = found.probabilities.get(name, float("nan"))
        if not low <= value <= high:
            yield f"{name} came out as {value:.3f}, not within {low} to {high}"
    if found.labels is not None:
        numbers = {segment.name: segment.label for segment in bundle.manifest.segments}
        yield from _volume_deviations(case, found.labels, volume, numbers)
        yield from _mask_deviations(case, found.labels, bundle.path, numbers)


def _volume_deviations(
    case: Mapping[str, Any], labels: np.ndarray, volume: GoldenVolume, numbers: Mapping[str, int]
) -> Iterator[str]:
    voxel_ml = abs(float(np.linalg.det(volume.affine[:3, :3]))) / 1000.0
    for name, (low, high) in case.get("volumes_ml", {}).items():
        value = float((labels == numbers.get(name, -1)).sum()) * voxel_ml
        if not low <= value <= high:
            yield f"{name} came out as {value:.1f} mL, not within {low} to {high}"


def _mask_deviations(
    case: Mapping[str, Any], labels: np.ndarray, folder: Path, numbers: Mapping[str, int]
) -> Iterator[str]:
    if "labels" not in case:
        return
    with np.load(folder / "golden" / case["labels"], allow_pickle=False) as arrays:
        expected = arrays["labels"]
    for name, least in case["minimum_dice"].items():
        value = dice(labels, expected, numbers.get(name, -1))
        if value < least:
            yield f"{name} overlaps the expected mask with Dice {value:.5f}, below {least}"


def dice(labels: np.ndarray, others: np.ndarray, label: int) -> float:
    """Measure how well one label agrees in two maps: 1 the same, 0 nothing in common."""
    a, b = labels == label, others == label
    total = int(a.sum()) + int(b.sum())
    return 2.0 * int((a & b).sum()) / total if total else 1.0
