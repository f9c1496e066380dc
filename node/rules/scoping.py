"""Is a volume one that a model is for? By what can be measured of it, and said plainly if not.

The bundle says what it reads, a route may be stricter, never laxer. What is judged: the plane in
which slices were taken, how far the volume reaches along each axis of the patient (a truncated
field of view), and whether the grey values look like those of the modality that the header names.
Which part of the body the pixels show is judged by what the model finds of it, a brain of three
litres being none, and, where the header says head, by whether planes are as large as a trunk's
(`dicom.region`). Beyond that, only what the header says of it is looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from node.rules.nouns import InputRequirement, Segment
from node.rules.wishes import RouteInputs

CHECKED = ("CT", "MR")
"""Modalities that are told from each other by their grey values."""
SURE = 0.8
"""So large a share of votes for the other modality is a contradiction."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How a volume lies in the patient: its plane, and its size along the patient's axes in mm.

    `plane` is axial, coronal or sagittal, whichever the slices are nearest to; `mm` goes from
    "LR", "AP" and "HF" to lengths.
    """

    plane: str
    mm: Mapping[str, float]


def requirement(bundle: InputRequirement, inputs: RouteInputs) -> InputRequirement:
    """Give what is read for a route: what the bundle allows and the route does not forbid."""
    missing = bundle.missing_slices
    if inputs.missing_slices is not None:
        missing = min(missing, inputs.missing_slices)
    return replace(
        bundle,
        tilted=bundle.tilted and inputs.tilted,
        variable_spacing=bundle.variable_spacing and inputs.variable_spacing,
        missing_slices=missing,
    )


def out_of_scope(bundle: InputRequirement, extent: Extent) -> list[str]:
    """Say in words what about a volume is not as the bundle wants it; nothing if all is."""
    found = []
    if bundle.planes and extent.plane not in bundle.planes:
        wanted = " or ".join(bundle.planes)
        found.append(f"its slices are {extent.plane}, and the model is for {wanted} ones")
    for axis, (low, high) in bundle.extent_mm.items():
        length = extent.mm[axis]
        if not low <= length <= high:
            found.append(
                f"it reaches over {length:.0f} mm from {_ENDS[axis]}, "
                f"and the model is for {low:g} to {high:g} mm"
            )
    return found


_ENDS = {"LR": "left to right", "AP": "front to back", "HF": "head to feet"}


HEADS = ("BRAIN", "HEAD", "SKULL")
"""Body parts (PS3.16 Annex L) that no trunk can be taken for."""


def another_region(declared: str, shown: str, section_cm2: float) -> list[str]:
    """Say that a volume whose header says head shows a trunk; nothing if not, or nobody can tell.

    Args:
        declared: the Body Part Examined.
        shown: CHEST or ABDOMEN, "" where nobody can tell.
        section_cm2: the size of a plane across the body.
    """
    if declared.upper() not in HEADS or not shown:
        return []
    return [
        f"its header says {declared.upper()}, and its planes show a body of "
        f"{section_cm2:.0f} cm2 across, as {shown} does and no head"
    ]


def implausible(segments: Sequence[Segment], volumes_ml: Mapping[str, float]) -> list[str]:
    """Say in words of which segments more or less was found than there is in anybody.

    Where the images show another part of the body than their header says, this is how it shows.

    Args:
        segments: of the model.
        volumes_ml: what was found, by the segments' names, in millilitres.
    """
    found = []
    for segment in segments:
        if segment.expected_ml is None:
            continue
        low, high = segment.expected_ml
        there = volumes_ml[segment.name]
        if not low <= there <= high:
            found.append(
                f"{there:.0f} mL of {segment.name} were found, "
                f"and {low:g} to {high:g} mL are plausible"
            )
    return found


def contradiction(modality: str, share_for_mr: float) -> str:
    """Say that grey values contradict the header, or "" when they do not, or nobody can tell.

    `share_for_mr` is the share of the votes of `modality_check` for MR, 0 to 1.
    """
    if modality not in CHECKED:
        return ""
    other = "MR" if modality == "CT" else "CT"
    against = share_for_mr if modality == "CT" else 1 - share_for_mr
    if against < SURE:
        return ""
    return f"its header says {modality}, and its grey values look like {other}"
