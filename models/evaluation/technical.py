"""The first dimension: is what the model finds right, and how sure is that figure?"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from models.evaluation import scoring
from models.evaluation.intervals import Draws, interval, mean_interval
from models.evaluation.overlap import TOLERANCE_MM, Overlap
from models.evaluation.seeing import Seen
from node.bundles.manifest import Manifest

FIGURES = ("dice", "surface_dice", "hd95_mm", "error_ml", "error_percent")


def technical(seen: Sequence[Seen], manifest: Manifest, draws: Draws) -> dict[str, Any]:
    """Give every technical figure; see `intervals.interval` for what each of them holds."""
    scored = [one for one in seen if not one.refused]
    told: dict[str, Any] = {
        "cases": len(seen),
        "patients": len({one.patient for one in seen}),
        "scored": len(scored),
        "refused": [{"case": one.name, "why": one.refused} for one in seen if one.refused],
        "through_the_dicom_gate": sum(one.from_dicom for one in scored),
        "surface_tolerance_mm": TOLERANCE_MM,
        "intervals": f"95 %, percentile bootstrap, {draws.count} draws, seed {draws.seed}",
        "seconds_per_case": round(float(np.median([one.seconds for one in scored])), 3)
        if scored
        else None,
    }
    if manifest.segments:
        told["segments"] = {
            one.name: _segment(one.name, scored, draws) for one in manifest.segments
        }
        told["mean_dice"] = mean_interval(*_macro(scored), draws)
        told["groups"] = _groups(scored, draws)
    if manifest.classes:
        told["classes"] = {
            one.name: _class(*pairs(one.name, scored), one.threshold, draws)
            for one in manifest.classes
        }
    return told


# ---- segmentations ---------------------------------------------------------------------------


def _segment(name: str, scored: Sequence[Seen], draws: Draws) -> dict[str, Any]:
    having = [one for one in scored if name in one.overlaps]
    if not having:
        return {"absent": "no reference of it"}
    patients = [one.patient for one in having]
    overlaps = [one.overlaps[name] for one in having]
    told: dict[str, Any] = {
        figure: mean_interval([getattr(one, figure) for one in overlaps], patients, draws)
        for figure in FIGURES
    }
    told["undefined_distances"] = sum(
        math.isnan(one.hd95_mm) and not math.isnan(one.dice) for one in overlaps
    )
    told["in_neither"] = sum(math.isnan(one.dice) for one in overlaps)
    told["cases"] = [
        {"case": one.name, "patient": one.patient, **one.overlaps[name].as_plain()}
        for one in having
    ]
    return told


def mean_dice(overlaps: Mapping[str, Overlap]) -> float:
    """Give the mean Dice of all segments of one case that are there, NaN when none is."""
    known = [one.dice for one in overlaps.values() if not math.isnan(one.dice)]
    return float(np.mean(known)) if known else math.nan


def _macro(scored: Sequence[Seen]) -> tuple[list[float], list[str]]:
    return [mean_dice(one.overlaps) for one in scored], [one.patient for one in scored]


def _groups(scored: Sequence[Seen], draws: Draws) -> dict[str, Any]:
    """Give the mean Dice for each value of each attribute that the list states."""
    attributes = sorted({key for one in scored for key in one.groups})
    told: dict[str, Any] = {}
    for attribute in attributes:
        values = sorted({one.groups[attribute] for one in scored if attribute in one.groups})
        told[attribute] = {
            value: mean_interval(
                *_macro([one for one in scored if one.groups.get(attribute) == value]), draws
            )
            for value in values
        }
    return told or {"absent": "the list of cases states no attributes of patients or scanners"}


# ---- classifications -------------------------------------------------------------------------


def pairs(name: str, seen: Sequence[Seen]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Give probabilities [cases], truths [cases] and patients of the cases that know a class."""
    having = [one for one in seen if not one.refused and name in one.truths]
    return (
        np.array([one.probabilities[name] for one in having], dtype=float),
        np.array([one.truths[name] for one in having], dtype=bool),
        [one.patient for one in having],
    )


def _class(
    probabilities: np.ndarray,
    truths: np.ndarray,
    patients: Sequence[str],
    threshold: float,
    draws: Draws,
) -> dict[str, Any]:
    if not patients:
        return {"absent": "no case says whether it is there"}
    figures = {
        "auc": scoring.auc,
        "sensitivity": partial(scoring.sensitivity, threshold=threshold),
        "specificity": partial(scoring.specificity, threshold=threshold),
        "calibration_error": scoring.expected_calibration_error,
        "brier": scoring.brier,
    }
    told: dict[str, Any] = {
        name: interval(
            lambda drawn, of=of: of(probabilities[drawn], truths[drawn]),  # type: ignore[misc]
            patients,
            draws,
        )
        for name, of in figures.items()
    }
    return {
        **told,
        "threshold": threshold,
        "cases": len(truths),
        "positive": int(truths.sum()),
        "reliability": scoring.reliability(probabilities, truths),
        "roc": scoring.roc_points(probabilities, truths),
    }
