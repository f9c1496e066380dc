"""Reads a result folder of nnU-Net v2 as data: what it was trained on, and what it does to images.

A folder such as nnUNetTrainer__nnUNetPlans__3d_fullres holds plans.json, dataset.json and a
checkpoint for each fold. What is in the two JSON files is said in nnU-Net's own documentation
(plans_files.md, dataset_format.md); the checkpoint is converted by `node.engines.importing`.
"""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TISSUE = {"value": "85756007", "scheme": "SCT", "meaning": "Tissue"}
"""What every segment is coded as, until somebody who knows says more."""
READER_TO_RAS = "NibabelIOWithReorient"
NORMALIZATIONS = ("CTNormalization", "ZScoreNormalization", "NoNormalization")
_SHADES = (
    *((230, 25, 75), (60, 180, 75), (255, 225, 25), (0, 130, 200), (245, 130, 48)),
    *((145, 30, 180), (70, 240, 240), (240, 50, 230), (210, 245, 60), (250, 190, 212)),
)


class UnfitResultsError(ValueError):
    """The folder cannot be imported; the text says what of it and what to do."""


@dataclass(frozen=True, slots=True)
class Results:
    """One fold of a trained configuration.

    `labels` goes from names to numbers without background, `outputs` counts the network's
    channels. `patch` and `spacing_mm` go with the axes of the network, which are the array axes
    (slices, rows, columns) of the training images in the order `axes`.
    """

    checkpoint: Path
    title: str
    labels: Mapping[str, int]
    channel: str
    outputs: int
    architecture: Mapping[str, Any]
    patch: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    axes: tuple[int, int, int]
    normalization: str
    nonzero: bool
    intensities: Mapping[str, float]
    to_ras: bool


def is_results(path: Path) -> bool:
    """Say whether a folder is one of nnU-Net's."""
    return (path / "plans.json").is_file() and (path / "dataset.json").is_file()


def read_results(folder: Path, fold: str = "") -> Results:
    """Read the folder of a trained configuration.

    Args:
        folder: named TRAINER__PLANS__CONFIGURATION, as nnU-Net does.
        fold: which to take; "" for the first that is there.

    Raises:
        UnfitResultsError: it is not what it should be, or does what cannot be done here.
    """
    plans, dataset = _json(folder / "plans.json"), _json(folder / "dataset.json")
    named = folder.resolve().name.split("__")
    try:
        said = _configuration(plans, named[-1])
        return _results(plans, dataset, said, _checkpoint(folder, fold), " ".join(named))
    except (KeyError, TypeError, IndexError) as error:
        raise UnfitResultsError(f"plans.json or dataset.json lacks {error}") from error


def _results(
    plans: Mapping[str, Any],
    dataset: Mapping[str, Any],
    said: Mapping[str, Any],
    checkpoint: Path,
    title: str,
) -> Results:
    channels = dataset.get("channel_names") or dataset["modality"]
    if len(channels) != 1:
        raise UnfitResultsError(f"it sees {len(channels)} images at once; here a model sees one")
    patch, spacing = said["patch_size"], said["spacing"]
    if len(patch) != 3:
        raise UnfitResultsError("it sees single slices; take a 3d configuration")
    if said.get("previous_stage"):
        raise UnfitResultsError("it refines what another one found (a cascade); take 3d_fullres")
    if "architecture" not in said:
        raise UnfitResultsError(
            "its plans are of an nnU-Net before 2.5; migrate them with a newer one"
        )
    (normalization,) = said["normalization_schemes"]
    if normalization not in NORMALIZATIONS:
        raise UnfitResultsError(f"{normalization} is not done here")
    labels = _labels(dataset["labels"])
    return Results(
        checkpoint=checkpoint,
        title=f"{dataset.get('name') or plans['dataset_name']}, {title}, {checkpoint.parent.name}",
        labels=labels,
        channel=str(next(iter(channels.values()))),
        outputs=1 + len(labels),
        architecture=said["architecture"],
        patch=_three(patch),
        spacing_mm=_three(spacing),
        axes=_three(plans["transpose_forward"]),
        normalization=normalization,
        nonzero=bool(said["use_mask_for_norm"][0]),
        intensities=plans["foreground_intensity_properties_per_channel"]["0"],
        to_ras=plans.get("image_reader_writer") == READER_TO_RAS,
    )


def configured(results: Results, orientation: str) -> dict[str, Any]:
    """Give the configs/inference.json that does what nnU-Net does, as near as it can be done.

    nnU-Net interpolates images by cubic splines, here it is linear; it also looks at mirrored
    images, which is left out.

    Args:
        results: of `read_results`.
        orientation: where the array axes of the training images point, as three letters.
    """
    axes = "".join(orientation[axis] for axis in results.axes)
    patch = list(results.patch)
    before: list[dict[str, Any]] = [
        {"_target_": "LoadImaged", "keys": "image"},
        {"_target_": "EnsureChannelFirstd", "keys": "image"},
        {"_target_": "Orientationd", "keys": "image", "axcodes": axes},
        *_normalised(results),
        {"_target_": "Spacingd", "keys": "image", "pixdim": list(results.spacing_mm)},
    ]
    after = [
        {
            "_target_": "Invertd",
            "keys": "pred",
            "transform": "@preprocessing",
            "orig_keys": "image",
            "nearest_interp": False,
        },
        {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
    ]
    return {
        "preprocessing": {"_target_": "Compose", "transforms": before},
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": patch,
            "sw_batch_size": 1,
            "overlap": 0.5,
            "mode": "gaussian",
            "sigma_scale": 0.125,
        },
        "postprocessing": {"_target_": "Compose", "transforms": after},
    }


def segments(results: Results) -> list[dict[str, Any]]:
    """Give the segments for the "dicom" block, coded as tissue."""
    return [
        {
            "label": number,
            "name": _plain(name),
            "category": TISSUE,
            "type": TISSUE,
            "rgb": list(_SHADES[at % len(_SHADES)]),
        }
        for at, (name, number) in enumerate(results.labels.items())
    ]


def _normalised(results: Results) -> list[dict[str, Any]]:
    step = {"_target_": "NormalizeIntensityd", "keys": "image"}
    if results.normalization == "NoNormalization":
        return []
    if results.normalization == "ZScoreNormalization":
        return [{**step, "nonzero": results.nonzero}]
    known = results.intensities
    low, high = known["percentile_00_5"], known["percentile_99_5"]
    window = {"a_min": low, "a_max": high, "b_min": low, "b_max": high, "clip": True}
    return [
        {"_target_": "ScaleIntensityRanged", "keys": "image", **window},
        {**step, "subtrahend": known["mean"], "divisor": max(known["std"], 1e-8)},
    ]


def _configuration(plans: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Give a configuration with what it inherits."""
    known = plans["configurations"]
    if name not in known:
        raise UnfitResultsError(
            f"its plans have no configuration {name}; the folder must bear the name that nnU-Net "
            "gave it (TRAINER__PLANS__CONFIGURATION)"
        )
    said = dict(known[name])
    parent = said.pop("inherits_from", None)
    return {**_configuration(plans, parent), **said} if parent else said


def _checkpoint(folder: Path, fold: str) -> Path:
    folds = sorted(path.parent for path in folder.glob("fold_*/checkpoint_final.pth"))
    found = [one for one in folds if not fold or one.name == f"fold_{fold}"]
    if not found:
        there = ", ".join(one.name.removeprefix("fold_") for one in folds) or "none"
        raise UnfitResultsError(f"no checkpoint_final.pth of that fold; there is {there}")
    return found[0] / "checkpoint_final.pth"


def _labels(said: Mapping[str, Any]) -> dict[str, int]:
    """Give the labels without background, in the order of their numbers."""
    if any(isinstance(number, (list, tuple)) for number in said.values()):
        raise UnfitResultsError("its labels overlap (regions), and a label map cannot hold that")
    numbers = {str(n): int(v) for n, v in said.items() if n != "ignore" and int(v) != 0}
    found = dict(sorted(numbers.items(), key=lambda one: one[1]))
    if list(found.values()) != list(range(1, 1 + len(found))):
        raise UnfitResultsError("its labels are not numbered one after the other")
    return found


def _plain(name: str) -> str:
    said = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return " ".join(said.replace("_", " ").replace("\\", " ").split())[:64] or "unnamed"


def _three(values: Sequence[Any]) -> tuple[Any, Any, Any]:
    one, two, three = values
    return one, two, three


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UnfitResultsError(f"{path.name} cannot be read ({type(error).__name__})") from error
    if not isinstance(found, dict):
        raise UnfitResultsError(f"{path.name} must hold an object")
    return found
