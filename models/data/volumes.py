"""Brings images and label maps to one grid, and keeps them on disk so that they can be mapped.

What is kept of a volume is a folder: `image.npy` (int16 [x, y, z], the image's own units, HU for
CT), `labels.npy` (uint8 [x, y, z]) and `about.json`. Both arrays are mapped, not read, so that
several loaders share one copy and a set may be larger than memory.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK

from models.data.sources import image_of, labels_of

AIR = -1024.0
"""What lies beyond a CT's edge, in HU; other images have 0 there."""

REVISION = 1


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """One patient's image and labels on one grid.

    `image` is int16 [x, y, z] in its own units, `labels` uint8 [x, y, z] and an index into
    `structures` (0 is what nobody labelled). Axes point right, front and head (RAS);
    `spacing_mm` goes with x, y, z. `provenance` names sources and digests.
    """

    patient: str
    image: np.ndarray
    labels: np.ndarray
    structures: tuple[str, ...]
    spacing_mm: tuple[float, float, float]
    provenance: Mapping[str, Any]


def prepared(
    source: Mapping[str, Any], spacing_mm: tuple[float, float, float], cache: Path
) -> Labelled:
    """Give a patient's volume on the wished grid, out of the cache where it lies there already.

    Args:
        source: `patient`, `image` and `labels` (each as in `sources`), and `names` (label value ->
            structure). Without `labels`, every voxel is of structure 0.
        spacing_mm: of the grid, x, y, z.
        cache: a folder that may be thrown away.

    Raises:
        ValueError: a source cannot be read, or its values are no whole 16-bit numbers.
        OSError: a file cannot be read or written.
    """
    named = json.dumps([dict(source), spacing_mm, REVISION], sort_keys=True, default=str)
    folder = cache / "volumes" / hashlib.sha256(named.encode()).hexdigest()[:16]
    if not (folder / "about.json").is_file():
        _prepare(source, spacing_mm, cache, folder)
    about = json.loads((folder / "about.json").read_text())
    return Labelled(
        patient=about["patient"],
        image=np.load(folder / "image.npy", mmap_mode="r"),
        labels=np.load(folder / "labels.npy", mmap_mode="r"),
        structures=tuple(about["structures"]),
        spacing_mm=tuple(about["spacing_mm"]),
        provenance=about["provenance"],
    )


def resampled(
    image: SimpleITK.Image, spacing_mm: tuple[float, float, float], *, labels: bool
) -> SimpleITK.Image:
    """Resample to RAS axes and a spacing: linearly for images, to the nearest for labels.

    The first voxel's centre stays where it is, as with MONAI's `Spacing`, so that training sees
    what the node's own resampling will give.
    """
    turned = SimpleITK.DICOMOrient(image, "RAS")
    reach = [(n - 1) * s for n, s in zip(turned.GetSize(), turned.GetSpacing(), strict=True)]
    size = [round(r / s) + 1 for r, s in zip(reach, spacing_mm, strict=True)]
    return SimpleITK.Resample(
        turned if labels else SimpleITK.Cast(turned, SimpleITK.sitkFloat32),
        size,
        SimpleITK.Transform(),
        SimpleITK.sitkNearestNeighbor if labels else SimpleITK.sitkLinear,
        turned.GetOrigin(),
        list(spacing_mm),
        turned.GetDirection(),
        0.0 if labels else AIR,
    )


def _prepare(
    source: Mapping[str, Any],
    spacing_mm: tuple[float, float, float],
    cache: Path,
    folder: Path,
) -> None:
    image, image_sha256 = image_of(source["image"], cache / "packages")
    provenance: dict[str, Any] = {
        "patient": source["patient"],
        "credit": source.get("credit", ""),
        "licence": source.get("licence", ""),
        "image_sha256": image_sha256,
    }
    on_grid = resampled(image, spacing_mm, labels=False)
    voxels = np.rint(SimpleITK.GetArrayViewFromImage(on_grid)).transpose(2, 1, 0)
    if voxels.min() < -32768 or voxels.max() > 32767:
        raise ValueError(f"{source['patient']}: the image has values beyond 16 bits")
    labels, structures = np.zeros(voxels.shape, np.uint8), ("",)
    if "labels" in source:
        found, provenance["labels_sha256"] = labels_of(source["labels"], cache / "packages")
        same = SimpleITK.Resample(
            resampled(found, spacing_mm, labels=True),
            on_grid,
            SimpleITK.Transform(),
            SimpleITK.sitkNearestNeighbor,
        )
        values = SimpleITK.GetArrayViewFromImage(same).transpose(2, 1, 0)
        labels, structures = _renumbered(values, source["names"])
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "image.npy", np.ascontiguousarray(voxels.astype(np.int16)))
    np.save(folder / "labels.npy", np.ascontiguousarray(labels))
    about = {
        "patient": source["patient"],
        "structures": structures,
        "spacing_mm": spacing_mm,
        "provenance": provenance,
    }
    half = folder / "half-about.json"
    half.write_text(json.dumps(about, indent=1))
    half.replace(folder / "about.json")


def _renumbered(values: np.ndarray, names: Mapping[Any, str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Turn label values into indices of `structures`; values without a name become 0."""
    known = {int(value): str(name) for value, name in names.items() if int(value)}
    structures = ("", *sorted(set(known.values())))
    table = np.zeros(256, np.uint8)
    for value, name in known.items():
        table[value] = structures.index(name)
    return table[values], structures
