"""The third dimension: does it hold when the image, the scanner or an attacker is not kind?"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.evaluation import attacking, metamorphic, perturbing
from models.evaluation.cases import Case, Plan
from models.evaluation.images import UNKNOWN, Image, onto, read_image
from models.evaluation.overlap import dice
from models.evaluation.perturbing import Perturbation
from models.evaluation.running import Seat
from models.evaluation.seeing import reference_of
from models.evaluation.twins import Network, NoTwinError, open_network
from node.dicom.findings import Findings
from node.rules.failures import Refusal


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done: so many cases, all strengths or one, so many patches, and the seed."""

    cases: int = 2
    all_strengths: bool = True
    patches: int = 2
    seed: int = 0

    @property
    def parts(self) -> Sequence[float]:
        """Strengths of attacks."""
        return attacking.PARTS if self.all_strengths else attacking.PARTS[1:2]


@dataclass(frozen=True, slots=True)
class Subject:
    """One case that is spoiled: its image, what was found in it, its reference if it has one."""

    case: Case
    image: Image
    plain: Findings
    reference: np.ndarray | None


def robustness(
    seat: Seat,
    plan: Plan,
    effort: Effort,
    twin: Path | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Give every figure of robustness.

    Raises:
        UnfitImageError: an image or a reference cannot be read.
    """
    subjects: list[Subject] = []
    for case in plan.cases:
        if len(subjects) < effort.cases and (one := _subject(seat, plan, case)) is not None:
            subjects.append(one)
    if not subjects:
        why = {"absent": "no case was accepted"}
        return {"perturbations": why, "metamorphic": why, "adversarial": why}
    say(f"robustness: {len(subjects)} of {len(plan.cases)} cases are spoiled in turn")
    return {
        "cases": len(subjects),
        "perturbations": _perturbed(seat, subjects, effort, say),
        "metamorphic": _metamorphic(seat, subjects),
        "adversarial": adversarial(seat, subjects, effort, twin),
    }


def _subject(seat: Seat, plan: Plan, case: Case) -> Subject | None:
    image = read_image(case.image, seat.bundle.manifest)
    if isinstance(image, Refusal):
        return None
    plain = seat.look(image)
    if isinstance(plain, Refusal):
        return None
    reference = None
    if plain.labels is not None:
        reference = reference_of(plan, case, image, seat.bundle.manifest)
    return Subject(case, image, plain, reference)


# ---- perturbations ---------------------------------------------------------------------------


def _perturbed(
    seat: Seat, subjects: Sequence[Subject], effort: Effort, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for number, subject in enumerate(subjects):
        ways = perturbing.series(subject.image)
        ways = ways if effort.all_strengths else perturbing.strongest(ways)
        for way in ways:
            rng = np.random.default_rng([effort.seed, number])
            outcome = _spoiled(seat, subject, way, rng)
            rows.setdefault((way.family, way.what), []).append(outcome)
        say(f"robustness: {len(ways)} perturbations of {number + 1} of {len(subjects)} cases")
    return [{"family": f, "what": w, **_together(many)} for (f, w), many in rows.items()]


def _spoiled(
    seat: Seat, subject: Subject, way: Perturbation, rng: np.random.Generator
) -> dict[str, Any]:
    changed = way.spoil(subject.image, rng)
    found = seat.look(changed)
    if isinstance(found, Refusal):
        return {"refused": found.reason}
    if found.labels is None or subject.plain.labels is None or subject.reference is None:
        return _shifts(seat, subject, found)
    labels = onto(found.labels, changed.affine, subject.image)
    known = set(_names(seat, subject))
    segments = [one for one in seat.bundle.manifest.segments if one.name in known]
    reach = subject.reference != UNKNOWN
    own, real = {}, {}
    for one in segments:
        mask = labels == one.label
        own[one.name] = dice(mask, subject.plain.labels == one.label)
        real[one.name] = dice(mask & reach, subject.reference == one.label)
    return {"to_unperturbed": own, "to_reference": real}


def _names(seat: Seat, subject: Subject) -> list[str]:
    assert subject.reference is not None  # of a segmentation
    here = set(np.unique(subject.reference).tolist())
    return [one.name for one in seat.bundle.manifest.segments if one.label in here]


def _shifts(seat: Seat, subject: Subject, found: Findings) -> dict[str, Any]:
    shift, changed = 0.0, 0
    for one in seat.bundle.manifest.classes:
        before, after = subject.plain.probabilities[one.name], found.probabilities[one.name]
        shift = max(shift, abs(after - before))
        changed += (before >= one.threshold) != (after >= one.threshold)
    return {"shift": shift, "changed": changed > 0}


def _together(outcomes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Put the outcomes of several cases together."""
    told: dict[str, Any] = {"cases": len(outcomes)}
    refused = [one["refused"] for one in outcomes if "refused" in one]
    if refused:
        told["refused"] = refused
    for key in ("to_unperturbed", "to_reference"):
        each = [one[key] for one in outcomes if key in one]
        if each:
            told[f"dice_{key}"] = _means(each)
    shifted = [one for one in outcomes if "shift" in one]
    if shifted:
        told["largest_shift"] = round(max(one["shift"] for one in shifted), 6)
        told["decisions_kept"] = round(sum(not one["changed"] for one in shifted) / len(shifted), 6)
    return told


def _means(each: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Give mean, worst segment and every segment's mean of Dice; NaN does not count."""
    names = dict.fromkeys(name for one in each for name in one)
    found = {}
    for name in names:
        known = [one[name] for one in each if name in one and not math.isnan(one[name])]
        if known:
            found[name] = round(float(np.mean(known)), 6)
    if not found:
        return {"absent": "nothing to compare"}
    worst = min(found, key=lambda name: found[name])
    mean = round(float(np.mean(list(found.values()))), 6)
    return {"mean": mean, "worst": found[worst], "worst_is": worst, "segments": found}


# ---- metamorphic checks ----------------------------------------------------------------------


def _metamorphic(seat: Seat, subjects: Sequence[Subject]) -> list[dict[str, Any]]:
    told: dict[str, dict[str, Any]] = {}
    for subject in subjects:
        for one in metamorphic.check(seat, subject.image, subject.plain):
            known = told.get(one["name"])
            if known is None or _is_worse(one, known):
                told[one["name"]] = one
    return list(told.values())


def _is_worse(one: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Say whether an outcome replaces another: a failure does, then what could be compared."""
    rank = {False: 0, True: 1, None: 2}
    return rank[one["held"]] < rank[known["held"]]


# ---- attacks ---------------------------------------------------------------------------------


def adversarial(
    seat: Seat, subjects: Sequence[Subject], effort: Effort, twin: Path | None
) -> dict[str, Any]:
    """Attack the network, or say why nobody here can."""
    try:
        network = open_network(seat.bundle, twin, seat.threads)
        if seat.bundle.manifest.segments:
            return _attack_segmentation(network, subjects, effort)
        return _attack_classification(network, subjects, effort)
    except NoTwinError as error:
        return {"absent": str(error)}


def _attack_segmentation(
    network: Network, subjects: Sequence[Subject], effort: Effort
) -> dict[str, Any]:
    image = network.input_of(subjects[0].image)
    inferer = network.bundle.manifest.recipe.inferer
    size: Sequence[int] = image.shape[1:]
    if inferer.name == "SlidingWindowInferer":
        size = list(inferer.arguments["roi_size"])  # type: ignore[call-overload]
        size = [s if s > 0 else n for s, n in zip(size, image.shape[1:], strict=True)]
    patches = attacking.richest(network, image, size, effort.patches)
    apart = network.check(patches[:1])
    return {
        "of": f"{len(patches)} windows of one case, each {' x '.join(map(str, size))}",
        "twin_differs_by": round(apart, 8),
        "kept_dice": attacking.KEPT_DICE,
        "attacks": attacking.attack_patches(network, patches, effort.parts, effort.seed),
    }


def _attack_classification(
    network: Network, subjects: Sequence[Subject], effort: Effort
) -> dict[str, Any]:
    each = [network.input_of(one.image) for one in subjects]
    if len({one.shape for one in each}) > 1:
        raise NoTwinError("not attackable: its inputs are of several sizes")
    inputs = np.stack(each)
    apart = network.check(inputs[:1])
    told: dict[str, Any] = {
        "of": f"{len(subjects)} cases; first network and plain view only",
        "twin_differs_by": round(apart, 8),
        "classes": {},
    }
    for entry in network.bundle.manifest.classes:
        rows = [n for n, one in enumerate(subjects) if entry.name in one.case.classes]
        if rows:
            truths = np.array([subjects[n].case.classes[entry.name] for n in rows])
            told["classes"][entry.name] = attacking.attack_class(
                network, entry, inputs[rows], truths, effort.parts, effort.seed
            )
    return told
