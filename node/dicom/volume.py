"""Builds a volume from the images of a series, or says in words why it cannot be built.

Theory of operation. `scanning` reads each header once, `gate` and `geometry` decide from the
headers alone whether the images are one volume, and only then are pixels decoded, each slice
straight to its place in the block (`pixels`, `voxels`). `growing` does the same while the images
are still coming in. Whatever is set right on the way is said in `Volume.repairs`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from pydicom.dataset import Dataset

from node.dicom import (
    gate,
    geometry,
    identity,
    multiframe,
    pictures,
    pixels,
    scaling,
    scanning,
    splitting,
)
from node.dicom.budget import budget_of
from node.dicom.geometry import Allowances, Planes, Stack
from node.dicom.headers import Headers
from node.dicom.metadata import Metadata, metadata_of
from node.dicom.pixels import UndecodableError
from node.dicom.scanning import Scan
from node.dicom.voxels import AIR_HU, Block
from node.rules.failures import Refusal
from node.rules.nouns import InputRequirement

__all__ = ["AIR_HU", "FromFiles", "Volume", "read_volume", "volume_of"]

VOXELS_AT_MOST = 1 << 31


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """A series as one block of voxels.

    `voxels` is [slices, rows, columns], int16 where the modality's units are whole and fit, else
    float32 (HU for CT). `affine` is 4x4 float64 and maps (slice, row, column, 1) to LPS
    millimetres; `spacing_mm` goes with [slices, rows, columns]. `sources` are the headers without
    pixels and `paths` their files, in slice order. `repairs` says in plain words what was set
    right on the way.

    A picture (CR, DX, MG, US, XA, RF, NM) is a volume of one slice that is not `placed`: its affine
    has the right scale, but no place in the patient. All but NM are as they are displayed, in
    float32 from 0 (black) to 1 (white). A cine is one, too, of a slice for each frame: the first
    axis is time. `filled` are slices that no image shows: they lie between
    those of their neighbours, and their source is the neighbour before them. `tiled` says that all
    slices are in one picture, so that nothing can be drawn over them.
    """

    voxels: np.ndarray
    affine: np.ndarray
    spacing_mm: tuple[float, float, float]
    sources: Sequence[Dataset]
    paths: tuple[Path, ...]
    repairs: tuple[str, ...] = ()
    metadata: Metadata = field(default_factory=Metadata)
    filled: tuple[int, ...] = ()
    placed: bool = True
    tiled: bool = False

    @property
    def voxel_ml(self) -> float:
        """The volume of one voxel in millilitres."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0


class Supply(Protocol):
    """Where decoded slices come from."""

    def block(self, images: Sequence[Scan]) -> tuple[Block, list[int]] | Refusal:
        """Give a block that holds the images, and in which slot each of them is."""
        ...


class FromFiles:
    """Slices decoded from their files, in slice order, into a block that is just large enough."""

    def block(self, images: Sequence[Scan]) -> tuple[Block, list[int]] | Refusal:
        """Decode the images.

        Raises:
            OSError: a file cannot be read.
        """
        number = 0
        try:
            for number, image in enumerate(images):  # noqa: B007 - before memory is taken
                pixels.look(image)
            block = Block(len(images), pixels.shape_of(images[0]))
            for number, image in enumerate(images):
                block.put(number, image)
        except UndecodableError:
            syntax = scanning.syntax_name(images[number])
            return Refusal(
                f"the pixels of slice {number + 1} of {len(images)} cannot be decoded ({syntax})",
                advice="Have the series sent uncompressed",
            )
        return block, list(range(len(images)))


def read_volume(paths: Sequence[Path], requirement: InputRequirement) -> Volume | Refusal:
    """Read the images of one series into a volume that a model may see.

    The order of `paths` does not matter.

    Raises:
        OSError: a file cannot be read.
    """
    images = [scanning.scan(path) for path in sorted(paths)]
    return volume_of(images, requirement, FromFiles())


def volume_of(
    images: Sequence[Scan | None], requirement: InputRequirement, supply: Supply
) -> Volume | Refusal:
    """Make a volume of images that were scanned; None stands for one that is no image.

    Raises:
        OSError: a file cannot be read.
    """
    known = _readable(images)
    if isinstance(known, Refusal):
        return known
    single = identity.not_one_patient(known) or multiframe.apart(known)
    if isinstance(single, Refusal):
        return single
    kept = [image for image in single if not gate.is_localizer(image)] or single
    refusal = gate.not_one_series(kept, requirement)
    if refusal is not None:
        return refusal
    aside = len(single) - len(kept)
    repairs = [f"{aside} localizer image{'s' if aside > 1 else ''} set aside"] if aside else []
    if identity.spelt_in_several_ways(known):
        repairs.append("the images bear different names under one patient identifier")
    if gate.is_picture(kept[0]):
        return _picture(kept, requirement, repairs)
    chosen, said = splitting.pick(kept, requirement.choose)
    repairs += [said] if said else []
    return gate.not_one_volume(chosen) or _assemble(chosen, requirement, supply, repairs)


def _readable(images: Sequence[Scan | None]) -> list[Scan] | Refusal:
    """Refuse files that are no images, and images without pixels among others that have some."""
    if not images:
        return Refusal("there are no images")
    known = [image for image in images if image is not None]
    if len(known) < len(images):
        return Refusal(
            f"one of the {len(images)} files is not a readable DICOM image",
            advice="Have the series sent again",
        )
    without = sum(image.pixels is None for image in known)
    if 0 < without < len(known):
        return Refusal(
            f"{without} of the {len(known)} files {'has' if without == 1 else 'have'} no pixels",
            advice="Have the series sent again",
        )
    return known


def _picture(
    images: Sequence[Scan], requirement: InputRequirement, repairs: list[str]
) -> Volume | Refusal:
    picture = pictures.read(images, requirement)
    if isinstance(picture, Refusal):
        return picture
    rows, columns = picture.spacing_mm[1:]
    refusal = _out_of_range({"rows": rows, "columns": columns}, requirement)
    if refusal is not None and picture.measured:
        return refusal
    affine = np.array([[0, 0, columns, 0], [0, rows, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
    return Volume(
        picture.shown,
        affine,
        picture.spacing_mm,
        Headers(picture.images),
        tuple(image.path for image in picture.images),
        (*repairs, *picture.repairs),
        metadata_of(picture.images[0].dataset()),
        placed=False,
    )


def _assemble(
    images: Sequence[Scan], requirement: InputRequirement, supply: Supply, repairs: list[str]
) -> Volume | Refusal:
    planes = planes_of(images)
    if isinstance(planes, str):
        return Refusal(f"the place of a slice is not known: {planes}", advice=_RESEND)
    problem = geometry.orientation_problem(planes)
    if problem:
        return Refusal(problem, advice="Have each orientation sent as a series of its own")
    kept = _without_repeats(images, planes)
    if isinstance(kept, Refusal):
        return kept
    repeats = len(images) - len(kept)
    if repeats:
        repairs.append(f"{repeats} repeated image{'s' if repeats > 1 else ''} left out")
    if len(kept) < requirement.minimum_slices:
        return Refusal(
            f"the series has {len(kept)} slices; "
            f"the model needs at least {requirement.minimum_slices}",
            advice="Have the whole series sent",
        )
    distinct = [images[index] for index in kept]
    widest = requirement.spacing_mm[1] if requirement.variable_spacing else 0.0
    allowed = Allowances(requirement.missing_slices, requirement.tilted, widest)
    thickness = _thickness(distinct[0])
    stack = geometry.stack(planes.at(kept), thickness or 1.0, allowed)
    if isinstance(stack, Refusal):
        return stack
    spacings = dict(zip(("slices", "rows", "columns"), stack.spacing_mm, strict=True))
    if len(distinct) == 1 and not thickness:
        repairs.append("the slice does not say how thick it is: one millimetre supposed")
    repairs += scaling.repairs(distinct)
    refusal = _out_of_range(spacings, requirement) or _too_large(stack, distinct)
    return refusal or _filled(distinct, stack, supply, repairs)


def planes_of(images: Sequence[Scan]) -> Planes | str:
    """Give where slices lie, or say which attribute is missing or no number (PS3.3 C.7.6.2)."""
    found = []
    for keyword, count in (
        ("ImagePositionPatient", 3),
        ("ImageOrientationPatient", 6),
        ("PixelSpacing", 2),
    ):
        numbers = [image.numbers(keyword) for image in images]
        if any(one is None or len(one) != count for one in numbers):
            return f"{keyword} is missing, or is not {count} numbers"
        found.append(np.array(numbers, np.float64))
    positions, cosines, spacings = found
    if np.any(spacings <= 0):
        return "PixelSpacing is not positive"
    return Planes(positions, cosines[:, :3], cosines[:, 3:], spacings)


def _thickness(image: Scan) -> float | None:
    """Give a slice's extent along its normal in mm, for a volume of one slice."""
    found = image.number("SpacingBetweenSlices") or image.number("SliceThickness")
    return abs(found) if found else None


_RESEND = "Have the series sent by a system that keeps image positions"


def _without_repeats(images: Sequence[Scan], planes: Planes) -> list[int] | Refusal:
    """Keep one of images that are the same at the same place; refuse different ones there."""
    distances = geometry.along_normal(planes)
    order = sorted(
        range(len(images)), key=lambda i: (distances[i], _uid(images[i]), images[i].frame)
    )
    kept: list[int] = []
    crowded: list[int] = []
    last = -np.inf
    for index in order:
        if distances[index] - last >= geometry.SPACING_TOLERANCE_MM:
            kept.append(index)
            last = distances[index]
        elif not _same_image(images, planes, kept[-1], index):
            crowded += [kept[-1], index]
    if crowded:
        return gate.crowded([images[index] for index in crowded], len(set(crowded[::2])))
    if len({(_uid(images[index]), images[index].frame) for index in kept}) < len(kept):
        return Refusal("images at different places bear the same SOPInstanceUID", advice=_RESEND)
    return kept


def _uid(image: Scan) -> str:
    return image.text("SOPInstanceUID")


def _same_image(images: Sequence[Scan], planes: Planes, one: int, other: int) -> bool:
    apart = np.abs(planes.positions[one] - planes.positions[other]).max()
    if apart >= geometry.SPACING_TOLERANCE_MM or not scaling.same(images[one], images[other]):
        return False
    try:
        return np.array_equal(pixels.stored(images[one]), pixels.stored(images[other]))
    except UndecodableError:
        return False


def _out_of_range(spacings: Mapping[str, float], requirement: InputRequirement) -> Refusal | None:
    low, high = requirement.spacing_mm
    if all(low <= spacing <= high for spacing in spacings.values()):
        return None
    said = " x ".join(f"{spacing:.2f}" for spacing in spacings.values())
    return Refusal(
        f"voxels are {said} mm ({', '.join(spacings)}); "
        f"the model reads {low:g} to {high:g} mm along each axis",
        advice="Route another reconstruction of the study to this model",
    )


def _too_large(stack: Stack, images: Sequence[Scan]) -> Refusal | None:
    """Refuse what would take more memory than its bytes can fill."""
    voxels = len(stack.order) * images[0].whole("Rows", 0) * images[0].whole("Columns", 0)
    if voxels > VOXELS_AT_MOST:
        return Refusal(f"the volume would have {voxels / 1e9:.0f} thousand million voxels")
    try:
        budget = budget_of(images)
    except UndecodableError:
        return None  # told with its place in the series, when it is looked at
    if budget.is_exceeded or (None in stack.order and not budget.has_room_for(voxels)):
        return Refusal(
            f"the volume would have {voxels / 1e6:.0f} million voxels, "
            "more than the bytes of its images can hold",
            advice="Have the series sent again by the scanner",
        )
    return None


def _filled(
    images: Sequence[Scan], stack: Stack, supply: Supply, repairs: list[str]
) -> Volume | Refusal:
    ordered = [images[index] for index in stack.order if index is not None]
    found = supply.block(ordered)
    if isinstance(found, Refusal):
        return found
    block, slots = found
    coming = iter(slots)
    wanted = [None if index is None else next(coming) for index in stack.order]
    gaps = tuple(place for place, slot in enumerate(wanted) if slot is None)
    repairs += block.repairs(slots)
    if stack.variable:
        repairs.append(
            f"resampled to {stack.spacing_mm[0]:.2f} mm: sections are spaced differently, "
            f"{len(gaps)} slices lie between those of the series"
        )
    elif gaps:
        said = "s were" if len(gaps) > 1 else " was"
        repairs.append(f"{len(gaps)} missing slice{said} filled from the neighbours")
    if stack.tilt_degrees:
        lean = f"the stack leans by {stack.tilt_degrees:.1f} degrees"
        repairs.append(f"{lean}: read upright, results on the planes as taken")
    sources = _with_stand_ins(ordered, stack, gaps)
    return Volume(
        block.gathered(wanted),
        stack.affine,
        stack.spacing_mm,
        Headers(sources),
        tuple(image.path for image in sources),
        tuple(repairs),
        metadata_of(ordered[0].dataset()),
        filled=gaps,
        tiled=ordered[0].tile is not None,
    )


def _with_stand_ins(ordered: list[Scan], stack: Stack, gaps: tuple[int, ...]) -> list[Scan]:
    """Have a filled slice bear the header of the image before it, but its own place."""
    sources = list(ordered)
    for place in gaps:
        position = (stack.affine @ [place, 0, 0, 1])[:3]
        sources.insert(place, sources[place - 1].moved(position))
    return sources
