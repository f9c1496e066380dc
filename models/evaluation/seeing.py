"""Has the bundle look at every case once, and keeps the figures, not the volumes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from models.evaluation.cases import Case, Plan, pseudonyms
from models.evaluation.images import UNKNOWN, Image, read_image, read_reference
from models.evaluation.overlap import Overlap, overlap
from models.evaluation.running import Seat
from node.bundles.manifest import Manifest
from node.rules.failures import Refusal


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of one case.

    `name` and `patient` are numbers of ours. `refused` says why the node would not have run it;
    then there are no figures. `overlaps` are by segment, `probabilities` and `truths` by class;
    `from_dicom` says whether the node's own gate looked at it.
    """

    name: str
    patient: str
    groups: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""
    from_dicom: bool = False
    overlaps: Mapping[str, Overlap] = field(default_factory=dict)
    probabilities: Mapping[str, float] = field(default_factory=dict)
    truths: Mapping[str, bool] = field(default_factory=dict)
    seconds: float = 0.0


def see_all(seat: Seat, plan: Plan, say: Callable[[str], None] = print) -> list[Seen]:
    """Look at every case in turn.

    Raises:
        UnfitImageError: an image or a reference cannot be read.
    """
    names = pseudonyms(plan.cases)
    found = []
    for number, case in enumerate(plan.cases, start=1):
        name = f"case {number}"
        image = read_image(case.image, seat.bundle.manifest)
        if isinstance(image, Refusal):
            one = Seen(name, names[case.patient], case.groups, refused=image.reason)
        else:
            one = _seen(seat, plan, case, image, (name, names[case.patient]))
        found.append(one)
        say(f"{name}: {one.refused or f'looked at in {one.seconds:.1f} s'}")
    return found


def _seen(seat: Seat, plan: Plan, case: Case, image: Image, named: tuple[str, str]) -> Seen:
    findings = seat.look(image)
    if isinstance(findings, Refusal):
        return Seen(*named, case.groups, findings.reason, image.from_dicom)
    overlaps: Mapping[str, Overlap] = {}
    if findings.labels is not None:
        reference = reference_of(plan, case, image, seat.bundle.manifest)
        names = set(plan.mapping_of(case).values())
        overlaps = overlaps_of(findings.labels, reference, seat.bundle.manifest, image, names)
    return Seen(
        *named,
        case.groups,
        from_dicom=image.from_dicom,
        overlaps=overlaps,
        probabilities=dict(findings.probabilities),
        truths=case.classes,
        seconds=seat.seconds[-1],
    )


def reference_of(plan: Plan, case: Case, image: Image, manifest: Manifest) -> np.ndarray:
    """Give the reference of a case of a segmentation, in the bundle's labels on the image's grid.

    Raises:
        UnfitImageError: it cannot be read.
    """
    assert case.reference is not None  # the list was held against the bundle
    labels = {one.name: one.label for one in manifest.segments}
    return read_reference(case.reference, plan.mapping_of(case), labels, image)


def overlaps_of(
    found: np.ndarray,
    reference: np.ndarray,
    manifest: Manifest,
    image: Image,
    names: set[str],
) -> dict[str, Overlap]:
    """Measure every segment that the reference knows; where it does not reach nothing counts."""
    known = reference != UNKNOWN
    return {
        one.name: overlap((found == one.label) & known, reference == one.label, image.spacing_mm)
        for one in manifest.segments
        if one.name in names
    }
