"""Makes a bundle of what others trained: a result folder of nnU-Net v2, or a bare weight file.

What such things do not say has to be said by who brings them: which modality, how training images
lay, and one image to hold the outcome against. The golden case is what the imported network itself
finds in that image: it says that nothing changed since, not that it is right.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK

from node.bundles import nnunet
from node.bundles.manifest import INFERENCE, METADATA, Bundle, file_hash
from node.bundles.nnunet import Results, UnfitResultsError
from node.bundles.runner import Located, Runner
from node.bundles.starting import child_variables
from node.bundles.weights import SUFFIXES, UnfitWeightsError, engine_for
from node.dicom.findings import Findings, voxel_counts
from node.dicom.volume import read_volume
from node.rules.failures import Fault, Refusal
from node.rules.nouns import Choose, InputRequirement

CONVERT_SECONDS = 1800.0
LOOK_SECONDS = 3600.0
MODALITIES = ("CT", "MR", "PT")
SAME = 0.995
"""Dice that the imported network must keep with itself."""
_ANY = InputRequirement(MODALITIES, spacing_mm=(0.01, 100.0), choose=Choose.ONLY, tilted=True)
_CARD = """# {name}

Imported: {title}.

Intended use: research. Nobody has said yet where it came from, whom it was trained on, how well it
does, and where it fails; whoever puts it to use writes that here.

{told}

The golden case is what this network found in one image when it was imported.
"""
_OF_NNUNET = """Done as nnU-Net does it, but for three things: images are interpolated linearly, not
by cubic splines; mirrored images are not looked at; one fold is used, not the mean of all. Every
segment is coded as tissue (85756007, SCT): write what it is into configs/metadata.json. The axes of
the training images were said to be {orientation}; mirrored labels mean that they were not."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be imported, and what has to be said of it.

    `case` is an image (anything that SimpleITK reads) or a folder with one DICOM series, `configs`
    a folder with metadata.json and inference.json for a bare weight file. For nnU-Net:
    `orientation` says where array axes (slices, rows, columns) of the training images point, three
    letters as SPL; `modality` is a DICOM modality, `fold` which one to take.
    """

    source: Path
    name: str
    case: Path
    modality: str = ""
    orientation: str = ""
    fold: str = ""
    configs: Path | None = None
    licence: Path | None = None


@dataclass(frozen=True, slots=True)
class _Image:
    """The golden case's input."""

    voxels: np.ndarray
    affine: np.ndarray


def is_foreign(source: Path) -> bool:
    """Say whether something is no bundle, but can be made one."""
    return source.is_file() or nnunet.is_results(source)


def bring(order: Order, work: Path, threads: int) -> Path | Refusal:
    """Make a bundle of it; what it finds in the golden case is still to be written.

    Args:
        order: what, and what is said of it.
        work: a folder; the bundle is made in it.
        threads: CPU threads for converting.
    """
    folder = work / order.name
    try:
        image = _image(order.case)
        for part in ("configs", "docs", "golden", "models"):
            (folder / part).mkdir(parents=True)
        if order.source.is_dir():
            metadata, inference, told = _of_results(order, folder, threads)
        else:
            metadata, inference, told = _of_weights(order, folder, threads)
    except (UnfitResultsError, UnfitWeightsError, OSError) as error:
        return Refusal(f"{order.source.name}: {error}", Fault.MODEL, "Correct that and try again")
    weights = sorted((folder / "models").iterdir())
    metadata["dicom"]["weights"] = {f"models/{path.name}": file_hash(path) for path in weights}
    (folder / METADATA).write_text(json.dumps(metadata, indent=2) + "\n")
    (folder / INFERENCE).write_text(json.dumps(inference, indent=2) + "\n")
    (folder / "docs/README.md").write_text(told)
    if order.licence is not None:
        shutil.copyfile(order.licence, folder / "LICENSE")
    else:
        (folder / "LICENSE").write_text("None was given: ask the owner of the weights.\n")
    np.savez_compressed(folder / "golden/image.npz", voxels=image.voxels, affine=image.affine)
    return folder


def write_case(bundle: Bundle, runner: Runner, work: Path) -> Refusal | None:
    """Write down what a new bundle finds in its golden image, to be held against ever after."""
    golden = bundle.path / "golden"
    with np.load(golden / "image.npz", allow_pickle=False) as arrays:
        image = _Image(arrays["voxels"], arrays["affine"])
    found = runner.predict(bundle, image, work, LOOK_SECONDS)
    if isinstance(found, Refusal):
        return found
    case: dict[str, Any] = {"input": "image.npz", **_bounds(bundle, found, image)}
    if found.labels is not None:
        np.savez_compressed(golden / "labels.npz", labels=found.labels)
        case["labels"] = "labels.npz"
    (golden / "cases.json").write_text(json.dumps({"cases": [case]}, indent=2) + "\n")
    return None


def _bounds(bundle: Bundle, found: Findings, image: Located) -> dict[str, Any]:
    if found.labels is None:
        near = {k: [max(0.0, v - 0.01), min(1.0, v + 0.01)] for k, v in found.probabilities.items()}
        return {"probabilities": near}
    millilitres = abs(float(np.linalg.det(image.affine[:3, :3]))) / 1000.0
    counts = voxel_counts(found.labels, max(one.label for one in bundle.manifest.segments))
    volumes = {s.name: counts[s.label] * millilitres for s in bundle.manifest.segments}
    return {
        "volumes_ml": {name: [0.98 * ml - 0.01, 1.02 * ml + 0.01] for name, ml in volumes.items()},
        "minimum_dice": dict.fromkeys(volumes, SAME),
    }


# ---- nnU-Net ---------------------------------------------------------------------------------


def _of_results(
    order: Order, folder: Path, threads: int
) -> tuple[dict[str, Any], dict[str, Any], str]:
    results = nnunet.read_results(order.source, order.fold)
    orientation = "SAR" if results.to_ras else order.orientation.upper()
    if sorted("LRPAIS".find(axis) // 2 for axis in orientation) != [0, 1, 2]:
        raise UnfitResultsError(
            "its plans do not say how the training images lay, and a guess may swap left and "
            "right; say --orientation: SPL if their arrays lay as DICOM's do, SAR for images "
            "that were stored as RAS"
        )
    modality = order.modality or ("CT" if results.channel.upper() == "CT" else "")
    if modality not in MODALITIES:
        raise UnfitResultsError(f"say --modality: one of {', '.join(MODALITIES)}")
    _convert(_request(results, folder / "models/model.onnx"), threads)
    metadata = {
        "name": order.name,
        "version": "1",
        "description": f"nnU-Net v2: {results.title}",
        "network_data_format": {
            "inputs": {"image": {"num_channels": 1, "spatial_shape": list(results.patch)}}
        },
        "dicom": {
            "accept": {"Modality": [modality], "BodyPartExamined": []},
            "orientation": "".join(orientation[axis] for axis in results.axes),
            "segments": nnunet.segments(results),
            "intended_use": "research",
        },
    }
    told = _OF_NNUNET.format(orientation=orientation)
    card = _CARD.format(name=order.name, title=f"nnU-Net v2, {results.title}", told=told)
    return metadata, nnunet.configured(results, orientation), card


def _request(results: Results, target: Path) -> dict[str, Any]:
    return {
        "what": "nnunet",
        "checkpoint": str(results.checkpoint),
        "architecture": results.architecture,
        "channels": 1,
        "classes": results.outputs,
        "patch": list(results.patch),
        "target": str(target),
    }


# ---- a bare weight file ----------------------------------------------------------------------


def _of_weights(
    order: Order, folder: Path, threads: int
) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Take a weight file as it is; one that is a checkpoint is made a state dict."""
    if order.configs is None:
        raise UnfitWeightsError(
            "a weight file says nothing of what it is for; say --configs FOLDER with metadata.json "
            "and inference.json (models/README.md)"
        )
    if order.source.suffix not in SUFFIXES or order.source.suffix in (".xml", ".bin"):
        raise UnfitWeightsError("import .onnx, .ts, .pt or .pth")
    metadata, inference = (
        _object(order.configs / name) for name in ("metadata.json", "inference.json")
    )
    if not isinstance(metadata.get("dicom"), dict):
        raise UnfitWeightsError('its metadata.json has no "dicom" block')
    try:
        engine_for(order.source)
        shutil.copyfile(order.source, folder / "models" / f"model{order.source.suffix}")
    except UnfitWeightsError:
        target = folder / "models/model.pt"
        asked = {"what": "state", "checkpoint": str(order.source), "target": str(target)}
        _convert(asked, threads)
        engine_for(target)
    card = _CARD.format(name=order.name, title=order.source.name, told="")
    return metadata, inference, card


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise UnfitWeightsError(f"{path.name} is not JSON") from error
    if not isinstance(found, dict):
        raise UnfitWeightsError(f"{path.name} must hold an object")
    return found


def _convert(request: Mapping[str, Any], threads: int) -> None:
    """Have another process open the checkpoint: it is a pickle, and we never open one.

    Raises:
        UnfitWeightsError: it cannot be converted.
    """
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "node.engines.importing"],
            input=json.dumps(request) + "\n",
            env=child_variables(threads, {}),
            capture_output=True,
            text=True,
            timeout=CONVERT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UnfitWeightsError("converting it took too long") from error
    if ran.returncode:
        last = (ran.stderr.strip().splitlines() or ["it said nothing"])[-1][:300]
        raise UnfitWeightsError(f"converting it failed: {last}")
    answer = json.loads(ran.stdout.splitlines()[-1])
    if "cannot" in answer:
        raise UnfitWeightsError(answer["cannot"])


# ---- the golden image ------------------------------------------------------------------------


def _image(case: Path) -> _Image:
    """Read the image as [slices, rows, columns] with its affine to LPS millimetres.

    Raises:
        UnfitWeightsError: it cannot be read.
    """
    if case.is_dir():
        volume = read_volume([path for path in sorted(case.rglob("*")) if path.is_file()], _ANY)
        if isinstance(volume, Refusal):
            raise UnfitWeightsError(f"the case: {volume}")
        return _Image(np.asarray(volume.voxels), np.asarray(volume.affine))
    try:
        image = SimpleITK.ReadImage(str(case))
    except RuntimeError as error:
        raise UnfitWeightsError(f"the case {case.name} is no image that can be read") from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise UnfitWeightsError(f"the case {case.name} is no volume of grey values")
    direction = np.array(image.GetDirection()).reshape(3, 3)
    affine = np.eye(4)
    affine[:3, :3] = (direction * image.GetSpacing())[:, ::-1]  # to (slice, row, column)
    affine[:3, 3] = image.GetOrigin()
    voxels = SimpleITK.GetArrayFromImage(image)
    whole = np.array_equal(voxels, np.rint(voxels)) and np.abs(voxels).max() < 2**15
    return _Image(voxels.astype(np.int16 if whole else np.float32), affine)
