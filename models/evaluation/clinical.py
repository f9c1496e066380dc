"""The second dimension: what would acting on the model mean for patients and for the department?"""

from collections.abc import Sequence
from typing import Any

from models.evaluation.agreement import bland_altman
from models.evaluation.cases import Plan
from models.evaluation.deciding import decision_curve, operating_point
from models.evaluation.seeing import Seen
from models.evaluation.technical import pairs
from node.bundles.manifest import Manifest


def clinical(
    seen: Sequence[Seen], plan: Plan, manifest: Manifest, times: dict[str, Any]
) -> dict[str, Any]:
    """Give every clinical figure.

    Args:
        seen: all cases.
        plan: says costs and prevalence.
        manifest: of the bundle.
        times: of `turnaround.turnaround`, or {"absent": why}.
    """
    scored = [one for one in seen if not one.refused]
    told: dict[str, Any] = {"turnaround": times}
    if manifest.segments:
        told["volume_agreement_ml"] = {
            one.name: _volumes(one.name, scored) for one in manifest.segments
        }
        why = "the bundle finds regions, not classes: there is no threshold to choose"
        told["operating_point"] = {"absent": why}
        told["decision_curve"] = {"absent": why}
        return told
    told["volume_agreement_ml"] = {"absent": "the bundle measures no volumes"}
    told["operating_point"], told["decision_curve"] = {}, {}
    for one in manifest.classes:
        probabilities, truths, _ = pairs(one.name, scored)
        part = plan.prevalence_of(one.name)
        told["operating_point"][one.name] = operating_point(
            probabilities, truths, one.threshold, plan.costs_of(one.name), part
        )
        told["decision_curve"][one.name] = decision_curve(probabilities, truths, part)
    return told


def _volumes(name: str, scored: Sequence[Seen]) -> dict[str, Any]:
    overlaps = [one.overlaps[name] for one in scored if name in one.overlaps]
    told = bland_altman([one.found_ml for one in overlaps], [one.reference_ml for one in overlaps])
    patients = len({one.patient for one in scored if name in one.overlaps})
    if patients < len(overlaps):
        told["note"] = f"{len(overlaps)} cases of {patients} patients: limits are too narrow"
    return told
