"""Builds a volume from the images of a series, or says in words why it cannot be built."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pixel_array

from node.dicom import gate, geometry
from node.dicom.geometry import Plane, Stack
from node.dicom.reading import UNREADABLE, number_of, padding_of, plane_of, text_of
from node.rules.failures import Refusal
from node.rules.nouns import InputRequirement

AIR_HU = -1024
"""What padding around a CT image becomes."""
_INT16 = np.iinfo(np.int16)


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """A series as one block of voxels.

    `voxels` is [slices, rows, columns], int16 where the modality's units are whole and fit, else
    float32 (HU for CT). `affine` is 4x4 float64 and maps (slice, row, column, 1) to LPS
    millimetres; `spacing_mm` goes with [slices, rows, columns]. `sources` are the headers without
    pixels and `paths` their files, in slice order. `repairs` says in plain words what was set
    right on the way.
    """

    voxels: np.ndarray
    affine: np.ndarray
    spacing_mm: tuple[float, float, float]
    sources: tuple[Dataset, ...]
    paths: tuple[Path, ...]
    repairs: tuple[str, ...] = ()

    @property
    def voxel_ml(self) -> float:
        """The volume of one voxel in millilitres."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0


@dataclass(frozen=True, slots=True, eq=False)
class _Slice:
    path: Path
    header: Dataset
    plane: Plane | None = None


def read_volume(paths: Sequence[Path], requirement: InputRequirement) -> Volume | Refusal:
    """Read the images of one series into a volume that a model may see.

    The order of `paths` does not matter.

    Raises:
        OSError: a file cannot be read.
    """
    if not paths:
        return Refusal("there are no images")
    slices = _read_headers(paths)
    if isinstance(slices, Refusal):
        return slices
    kept = [one for one in slices if not gate.is_localizer(one.header)] or slices
    refusal = gate.not_one_patient(slices) or gate.not_one_volume(kept, requirement)
    if refusal is not None:
        return refusal
    aside = len(slices) - len(kept)
    repairs = [f"{aside} localizer image{'s' if aside > 1 else ''} set aside"] if aside else []
    return _assemble(kept, requirement, repairs)


def _read_headers(paths: Sequence[Path]) -> list[_Slice] | Refusal:
    slices = []
    for path in sorted(paths):
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
        except UNREADABLE:
            return Refusal(
                f"one of the {len(paths)} files is not a readable DICOM image",
                advice="Have the series sent again",
            )
        slices.append(_Slice(path, header))
    return slices


def _assemble(
    slices: Sequence[_Slice], requirement: InputRequirement, repairs: list[str]
) -> Volume | Refusal:
    placed = _placed(slices)
    if isinstance(placed, Refusal):
        return placed
    distinct = _without_repeats(placed, repairs)
    if isinstance(distinct, Refusal):
        return distinct
    if len(distinct) < requirement.minimum_slices:
        return Refusal(
            f"the series has {len(distinct)} slices; "
            f"the model needs at least {requirement.minimum_slices}",
            advice="Have the whole series sent",
        )
    stack = geometry.stack([_plane(one) for one in distinct], _thickness(distinct[0].header))
    if isinstance(stack, Refusal):
        return stack
    refusal = _out_of_range(stack, requirement)
    if refusal is not None:
        return refusal
    return _filled([distinct[index] for index in stack.order], stack, repairs)


def _plane(one: _Slice) -> Plane:
    assert one.plane is not None  # noqa: S101 - placed slices only
    return one.plane


def _thickness(header: Dataset) -> float:
    """Give a slice's extent along its normal in mm, for a volume of one slice."""
    found = number_of(header, "SpacingBetweenSlices") or number_of(header, "SliceThickness")
    return abs(found) if found else 1.0


def _placed(slices: Sequence[_Slice]) -> list[_Slice] | Refusal:
    """Find out where each slice lies; all must have a place, and be parallel."""
    placed = []
    for one in slices:
        plane = plane_of(one.header)
        if isinstance(plane, str):
            return Refusal(f"the place of a slice is not known: {plane}", advice=_RESEND)
        placed.append(replace(one, plane=plane))
    problem = geometry.orientation_problem([_plane(one) for one in placed])
    if problem:
        return Refusal(problem, advice="Have each orientation sent as a series of its own")
    return placed


_RESEND = "Have the series sent by a system that keeps image positions"


def _without_repeats(slices: Sequence[_Slice], repairs: list[str]) -> list[_Slice] | Refusal:
    """Keep one of images that are the same at the same place; refuse different ones there."""
    distances = geometry.along_normal([_plane(one) for one in slices])
    by_place = sorted(range(len(slices)), key=lambda i: (distances[i], _uid(slices[i])))
    kept: list[_Slice] = []
    crowded: list[_Slice] = []
    last = -np.inf
    for index in by_place:
        one = slices[index]
        if distances[index] - last >= geometry.SPACING_TOLERANCE_MM:
            kept.append(one)
            last = distances[index]
        elif not _same_image(kept[-1], one):
            crowded += [kept[-1], one]
    if crowded:
        places = len({id(one) for one in crowded[::2]})
        return gate.crowded([one.header for one in crowded], places)
    if len({_uid(one) for one in kept}) < len(kept):
        return Refusal("images at different places bear the same SOPInstanceUID", advice=_RESEND)
    repeats = len(slices) - len(kept)
    if repeats:
        repairs.append(f"{repeats} repeated image{'s' if repeats > 1 else ''} left out")
    return kept


def _uid(one: _Slice) -> str:
    return text_of(one.header, "SOPInstanceUID")


def _same_image(one: _Slice, other: _Slice) -> bool:
    first, second = _stored(one.path), _stored(other.path)
    if first is None or second is None:
        return False
    same_place = np.abs(_plane(one).position - _plane(other).position).max()
    return bool(same_place < geometry.SPACING_TOLERANCE_MM) and np.array_equal(first, second)


def _out_of_range(stack: Stack, requirement: InputRequirement) -> Refusal | None:
    low, high = requirement.spacing_mm
    if all(low <= spacing <= high for spacing in stack.spacing_mm):
        return None
    said = " x ".join(f"{spacing:.2f}" for spacing in stack.spacing_mm)
    return Refusal(
        f"voxels are {said} mm (slices, rows, columns); "
        f"the model reads {low:g} to {high:g} mm along each axis",
        advice="Route another reconstruction of the study to this model",
    )


def _stored(path: Path) -> np.ndarray | None:
    """Give the pixels as stored, rows x columns; None when they cannot be decoded."""
    try:
        pixels = pixel_array(pydicom.dcmread(path), raw=True)
    except UNREADABLE:
        return None
    return pixels if pixels.ndim == 2 else None


def _filled(slices: Sequence[_Slice], stack: Stack, repairs: list[str]) -> Volume | Refusal:
    stored = []
    for number, one in enumerate(slices, 1):
        pixels = _stored(one.path)
        if pixels is None:
            syntax = one.header.file_meta.get("TransferSyntaxUID", "")
            return Refusal(
                f"the pixels of slice {number} of {len(slices)} cannot be decoded "
                f"({getattr(syntax, 'name', syntax) or 'no transfer syntax'})",
                advice="Have the series sent uncompressed",
            )
        stored.append(pixels)
    headers = [one.header for one in slices]
    voxels = _rescaled(stored, headers)
    repairs += _fill_padding(voxels, stored, headers)
    return Volume(
        voxels,
        stack.affine,
        stack.spacing_mm,
        tuple(headers),
        tuple(one.path for one in slices),
        tuple(repairs),
    )


def _rescaled(stored: Sequence[np.ndarray], headers: Sequence[Dataset]) -> np.ndarray:
    """Apply each slice's own slope and intercept (PS3.3 C.11.1.1.2)."""
    lines = [_line(header) for header in headers]
    whole = all(slope == 1 and intercept == int(intercept) for slope, intercept in lines)
    fits = whole and all(
        _INT16.min <= int(pixels.min()) + intercept and int(pixels.max()) + intercept <= _INT16.max
        for pixels, (_, intercept) in zip(stored, lines, strict=True)
    )
    voxels = np.empty((len(stored), *stored[0].shape), np.int16 if fits else np.float32)
    for index, (pixels, (slope, intercept)) in enumerate(zip(stored, lines, strict=True)):
        if fits:
            voxels[index] = pixels.astype(np.int32) + int(intercept)
        else:
            voxels[index] = pixels.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    return voxels


def _line(header: Dataset) -> tuple[float, float]:
    slope = number_of(header, "RescaleSlope")
    return (slope or 1.0), (number_of(header, "RescaleIntercept") or 0.0)


def _fill_padding(
    voxels: np.ndarray, stored: Sequence[np.ndarray], headers: Sequence[Dataset]
) -> list[str]:
    """Make padding around CT images air: it is no measurement, and resampling would smear it."""
    count = 0
    for index, (pixels, header) in enumerate(zip(stored, headers, strict=True)):
        padding = padding_of(header)
        if padding is None or text_of(header, "Modality") != "CT":
            continue
        padded = (pixels >= padding[0]) & (pixels <= padding[1])
        voxels[index][padded] = AIR_HU
        count += int(padded.sum())
    return [f"{count} voxels of padding set to {AIR_HU} HU"] if count else []
