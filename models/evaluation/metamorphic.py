"""Changes an image in a way whose effect on the right answer is known, and looks whether it holds.

No reference is needed: the answer to the changed image is held against the changed answer to the
image itself (metamorphic testing). Of segmentations the worst Dice of a segment counts, of
classifications the largest shift of a probability.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from models.evaluation.images import Image
from models.evaluation.overlap import dice
from models.evaluation.running import Seat
from node.dicom.findings import Findings
from node.rules.failures import Refusal
from node.rules.nouns import Segment

LEFT, RIGHT = "7771000", "24028007"
"""SNOMED CT codes of laterality (PS3.16 CID 244)."""
FEWEST_VOXELS = 64
"""Segments smaller than this in the image itself are not compared: one voxel decides there."""
SHIFT_VOXELS = 3
CROP_PART = 0.12
MARGIN_PART = 0.06
"""Of the cropped field of view, so much along each edge is not compared: context is lost there."""
PROBABILITY = 0.1

Expect: TypeAlias = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Relation:
    """One change: its name, what it is in words, the least Dice that must be kept.

    `changed` is the image to show, `expect` makes the label map that is due out of that of the
    image itself, `compared` is where both are held against each other.
    """

    name: str
    what: str
    tolerance: float
    changed: Image
    expect: Expect
    compared: tuple[slice, ...]


def relations(image: Image, segments: Sequence[Segment]) -> list[Relation]:
    """List the changes of an image; see `what` of each."""
    whole = (slice(None),) * 3
    return [
        _mirrored(image, segments, whole),
        _cropped(image),
        _moved(image),
        Relation(
            "slice order",
            "the same patient with slices stored in the opposite order",
            0.98,
            _turned(image),
            lambda labels: labels[::-1],
            whole,
        ),
    ]


def check(seat: Seat, image: Image, plain: Findings) -> list[dict[str, Any]]:
    """Hold a bundle against every relation.

    Args:
        seat: runs it.
        image: any image that it accepts.
        plain: what it found in the image itself.

    Returns:
        For each relation `name`, `what`, `tolerance`, `value`, `held`, and `worst`, the segment or
        class that shifted most; `held` is None where nothing could be compared.
    """
    manifest = seat.bundle.manifest
    told = []
    for relation in relations(image, manifest.segments):
        found = seat.look(relation.changed)
        head = {"name": relation.name, "what": relation.what}
        if isinstance(found, Refusal):
            told.append({**head, "held": False, "value": None, "worst": found.reason})
        elif found.labels is None or plain.labels is None:
            told.append({**head, **_of_classes(plain.probabilities, found.probabilities)})
        else:
            due = relation.expect(plain.labels)[relation.compared]
            verdict = _of_labels(due, found.labels[relation.compared], manifest.segments)
            held = None if verdict[0] is None else verdict[0] >= relation.tolerance
            value, worst = verdict
            judged = {"tolerance": relation.tolerance, "value": value, "worst": worst}
            told.append({**head, **judged, "held": held})
    return told


def _of_labels(
    due: np.ndarray, found: np.ndarray, segments: Sequence[Segment]
) -> tuple[float | None, str]:
    """Give the worst Dice of a segment, and which one."""
    worst, name = math.inf, ""
    for segment in segments:
        expected = due == segment.label
        if int(expected.sum()) < FEWEST_VOXELS:
            continue
        value = dice(found == segment.label, expected)
        if value < worst:
            worst, name = value, segment.name
    return (round(worst, 6), name) if name else (None, "no segment is large enough")


def _of_classes(plain: Mapping[str, float], found: Mapping[str, float]) -> dict[str, Any]:
    shifts = {name: abs(found[name] - value) for name, value in plain.items()}
    worst = max(shifts, key=lambda name: shifts[name])
    return {
        "tolerance": PROBABILITY,
        "value": round(shifts[worst], 6),
        "worst": worst,
        "held": shifts[worst] <= PROBABILITY,
    }


# ---- the changes -----------------------------------------------------------------------------


def _mirrored(image: Image, segments: Sequence[Segment], whole: tuple[slice, ...]) -> Relation:
    axis = left_right_axis(image)
    table = swapped_labels(segments)
    return Relation(
        "left-right flip",
        "the patient mirrored, names of sides swapped; organs that lie on one side (liver, heart) "
        "are then where no training image has them, so a failure of theirs is a finding, not a bug",
        0.8,
        replace(image, voxels=np.ascontiguousarray(np.flip(image.voxels, axis))),
        lambda labels: table[np.flip(labels, axis)],
        whole,
    )


def left_right_axis(image: Image) -> int:
    """Say along which array axis the patient's left and right lie."""
    return int(
        np.argmax(np.abs(image.affine[0, :3] / np.linalg.norm(image.affine[:3, :3], axis=0)))
    )


def swapped_labels(segments: Sequence[Segment]) -> np.ndarray:
    """Give a table from each label to that of the other side, or itself where there is none.

    Sides are told by the laterality code, else by the words left and right in the name.
    """
    table = np.arange(max((one.label for one in segments), default=0) + 1)
    by_name = {one.name.lower(): one for one in segments}
    by_code = {(one.type.value, _side(one)): one for one in segments if _side(one)}
    for one in segments:
        other = by_name.get(_other_name(one.name.lower()))
        side = _side(one)
        if other is None and side:
            other = by_code.get((one.type.value, LEFT if side == RIGHT else RIGHT))
        if other is not None:
            table[one.label] = other.label
    return table


def _side(segment: Segment) -> str:
    value = segment.laterality.value if segment.laterality else ""
    return value if value in (LEFT, RIGHT) else ""


def _other_name(name: str) -> str:
    def other(found: re.Match[str]) -> str:
        return "right" if found.group() == "left" else "left"

    swapped = re.sub(r"(?<![a-z])(left|right)(?![a-z])", other, name)
    return swapped if swapped != name else ""


def _cropped(image: Image) -> Relation:
    cuts = [int(n * CROP_PART / 2) if n >= 16 else 0 for n in image.voxels.shape]
    box = tuple(slice(cut, n - cut) for cut, n in zip(cuts, image.voxels.shape, strict=True))
    affine = image.affine.copy()
    affine[:3, 3] = (image.affine @ [*cuts, 1.0])[:3]
    kept = image.voxels[box]
    margins = [int(np.ceil(n * MARGIN_PART)) if cut else 0 for n, cut in zip(kept.shape, cuts)]  # noqa: B905
    inner = tuple(slice(m, n - m) for m, n in zip(margins, kept.shape, strict=True))
    return Relation(
        "crop",
        f"a field of view smaller by {CROP_PART:.0%}, compared away from its edges",
        0.9,
        replace(image, voxels=np.ascontiguousarray(kept), affine=affine),
        lambda labels: labels[box],
        inner,
    )


def _moved(image: Image) -> Relation:
    steps = [SHIFT_VOXELS if n >= 8 * SHIFT_VOXELS else 0 for n in image.voxels.shape]
    pads = [(step, 0) for step in steps]
    box = tuple(slice(0, n) for n in image.voxels.shape)
    inner = tuple(
        slice(2 * step, n - step) for step, n in zip(steps, image.voxels.shape, strict=True)
    )
    return Relation(
        "translation",
        f"everything moved by {SHIFT_VOXELS} voxels, edges repeated",
        0.95,
        replace(image, voxels=np.pad(image.voxels, pads, mode="edge")[box]),
        lambda labels: np.pad(labels, pads, mode="edge")[box],
        inner,
    )


def _turned(image: Image) -> Image:
    affine = image.affine.copy()
    affine[:3, 3] = (image.affine @ [len(image.voxels) - 1, 0, 0, 1.0])[:3]
    affine[:3, 0] = -image.affine[:3, 0]
    return replace(image, voxels=np.ascontiguousarray(image.voxels[::-1]), affine=affine)
