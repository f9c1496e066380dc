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
from zipfile import BadZipFile

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


@dataclass(frozen=True, slots=True)
class Case:
    """One golden case: what goes in, and the bounds of what comes out as cases.json has them."""

    name: str
    bounds: Mapping[str, Any]
    volume: GoldenVolume


def read_cases(bundle: Bundle) -> list[Case] | list[str]:
    """Read the golden cases of a bundle, or say everything that is wrong with them."""
    try:
        cases = json.loads((bundle.path / FILE).read_bytes())["cases"]
        volumes = [_volume(bundle.path / "golden" / case["input"]) for case in cases]
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        return [f"{FILE} or an .npz that it names cannot be read ({type(error).__name__})"]
    if not cases:
        return [f"{FILE} has no case"]
    problems = [
        f"{FILE}: cases.{number}: {complaint}"
        for number, (case, volume) in enumerate(zip(cases, volumes, strict=True))
        for complaint in _complaints(case, volume, bundle)
    ]
    if problems:
        return problems
    return [
        Case(str(case["input"]), case, volume) for case, volume in zip(cases, volumes, strict=True)
    ]


def golden_problems(bundle: Bundle, runner: Runner, work_dir: Path) -> list[str]:
    """Run every golden case of a bundle.

    Returns:
        What did not come out as it must, as sentences; nothing when all is well.
    """
    problems: list[str] = []
    for case in read_cases(bundle):
        if isinstance(case, str):
            problems.append(case)
            continue
        found = runner.predict(bundle, case.volume, work_dir, TIMEOUT_SECONDS)
        if isinstance(found, Refusal):
            problems.append(f"{case.name}: {found.reason}")
        else:
            problems.extend(deviations(case, found, bundle))
    return problems


def deviations(case: Case, found: Findings, bundle: Bundle) -> list[str]:
    """Say where what was found is outside the bounds of a case."""
    seen = _deviations(case.bounds, found, case.volume, bundle)
    return [f"{case.name}: {deviation}" for deviation in seen]


def _complaints(case: Mapping[str, Any], volume: GoldenVolume, bundle: Bundle) -> Iterator[str]:
    """Say what makes a case no test: nothing to hold against, or something that never fails."""
    segments = {segment.name for segment in bundle.manifest.segments}
    known = {
        "volumes_ml": segments,
        "minimum_dice": segments,
        "probabilities": {entry.name for entry in bundle.manifest.classes},
    }
    if volume.voxels.ndim != 3 or volume.affine.shape != (4, 4):
        yield "the input must have voxels [slices, rows, columns] and a 4 x 4 affine"
    if not any(case.get(bounds) for bounds in known):
        yield f"needs one of {', '.join(known)}"
    for bounds, names in known.items():
        said = case.get(bounds, {})
        if not isinstance(said, Mapping):
            yield f"{bounds} must map a name to its bounds"
            continue
        yield from (f"{bounds}: the bundle has no {name}" for name in said if name not in names)
        is_bound = _is_number if bounds == "minimum_dice" else _is_range
        yield from (f"{bounds}.{name} is no bound" for name in said if not is_bound(said[name]))
    if bool(case.get("labels")) != bool(case.get("minimum_dice")):
        yield "labels and minimum_dice go together"
    elif case.get("labels"):
        yield from _mask_complaints(bundle.path / "golden" / str(case["labels"]), volume)


def _mask_complaints(path: Path, volume: GoldenVolume) -> Iterator[str]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            shape = arrays["labels"].shape
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        yield "labels names no .npz with an array `labels`"
        return
    if shape != volume.voxels.shape:
        yield f"labels have the shape {shape}, the voxels {volume.voxels.shape}"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_range(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))


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
