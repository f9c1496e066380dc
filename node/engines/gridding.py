"""Says, before there are voxels, where each voxel of the network's grid lies on the scanner's.

A bundle turns the volume (Orientationd) and resamples it at most once (Spacingd or Resized). Both
together move every axis of the volume on its own, so all of it can be written as one `Line` for
slices, rows and columns each; then any slice can be put in its place as soon as it arrives.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from node.engines import spatial
from node.engines.resampling import Line, nearest
from node.engines.spatial import Spread, Stretch

Array: TypeAlias = np.ndarray
Step: TypeAlias = tuple[str, Mapping[str, Any]]

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""DICOM counts millimetres towards left, posterior, head; MONAI towards right, anterior, head."""
RESAMPLING = ("Spacingd", "Resized")
SLICES, ROWS, COLUMNS = 0, 1, 2
DIGITS = 9
"""Decimals of a step in voxels that count; 4000 slices further it is off by 0.000004 voxels."""


@dataclass(frozen=True, slots=True)
class Track:
    """One axis of the scanner's grid, on its way to the network and back.

    `flips` say whether it is turned around before and after it is resampled; `move` resamples it
    (None: it stays as it is), by `mode`.
    """

    size: int
    flips: tuple[bool, bool] = (False, False)
    move: Spread | Stretch | None = None
    mode: str = "bilinear"

    @property
    def new(self) -> int:
        """The number of voxels on the network's grid."""
        return self.size if self.move is None else self.move.new

    @property
    def is_reversed(self) -> bool:
        """Whether the network's axis runs against the scanner's."""
        return self.flips[0] != self.flips[1]

    def turned(self) -> "Track":
        """Turn it around once more."""
        before, after = self.flips
        flips = (not before, after) if self.move is None else (before, not after)
        return replace(self, flips=flips)

    def there(self) -> Line:
        """Say for each voxel of the network's axis where it looks on the scanner's."""
        line = self._same() if self.move is None else self.move.there(self.mode)
        line = line.flipped(self.size) if self.flips[0] else line
        return line.reversed() if self.flips[1] else line

    def back(self, *, nearest: bool) -> Line:
        """Say for each voxel of the scanner's axis where it looks on the network's."""
        mode = "nearest" if nearest else self.mode
        line = self._same() if self.move is None else self.move.back(mode)
        line = line.reversed() if self.flips[0] else line
        return line.flipped(self.new) if self.flips[1] else line

    def _same(self) -> Line:
        return nearest(np.arange(self.size), self.size)


@dataclass(frozen=True, slots=True)
class Gridding:
    """The network's grid: axis k is the scanner's axis order[k], on its track."""

    order: tuple[int, int, int]
    tracks: tuple[Track, Track, Track]

    @property
    def sizes(self) -> tuple[int, int, int]:
        """The size of the network's grid."""
        x, y, z = (self.tracks[source].new for source in self.order)
        return x, y, z

    @property
    def axis(self) -> int:
        """The axis of the network's grid that runs along the slices."""
        return self.order.index(SLICES)

    @property
    def columns_first(self) -> bool:
        """Whether, without the slices' axis, columns come before rows on the network's grid."""
        return self.order.index(COLUMNS) < self.order.index(ROWS)

    def arrivals(self) -> Line:
        """Say where the network's planes look, slices counted from the end where it begins."""
        track = self.tracks[SLICES]
        return track.there().flipped(track.size) if track.is_reversed else track.there()

    def departures(self, *, nearest: bool) -> Line:
        """Say where slices look among the network's planes, counted from the same end."""
        track = self.tracks[SLICES]
        line = track.back(nearest=nearest)
        return line.reversed() if track.is_reversed else line

    def agrees(self, other: "Gridding") -> bool:
        """Say whether a volume with more slices, or fewer, is put in the same places."""
        same = self.order == other.order and self.sizes_in_plane == other.sizes_in_plane
        ours, theirs = self.tracks[SLICES], other.tracks[SLICES]
        return (
            same
            and ours.is_reversed == theirs.is_reversed
            and all(self.tracks[i].there().begins_like(other.tracks[i].there()) for i in (1, 2))
            and self.arrivals().begins_like(other.arrivals())
        )

    @property
    def sizes_in_plane(self) -> tuple[int, int]:
        """The size of the network's grid along rows' and columns' axes."""
        return self.tracks[ROWS].new, self.tracks[COLUMNS].new


def gridding(affine: Array, shape: Sequence[int], steps: Sequence[Step]) -> Gridding:
    """Work out the network's grid.

    Args:
        affine: 4 x 4, from (slice, row, column, 1) to LPS millimetres.
        shape: the number of slices, rows, columns.
        steps: the bundle's Orientationd, Spacingd and Resized; one of the latter two at most.
    """
    affine = LPS_TO_RAS @ affine
    order = [SLICES, ROWS, COLUMNS]
    tracks = [Track(int(size)) for size in shape]
    for name, arguments in steps:
        sizes = [tracks[source].new for source in order]
        if name == "Orientationd":
            turn = spatial.turned(affine, sizes, arguments["axcodes"])
            affine, order = turn.affine, [order[axis] for axis in turn.order]
            for source, flip in zip(order, turn.flips, strict=True):
                tracks[source] = tracks[source].turned() if flip else tracks[source]
            continue
        moves, affine = _moves(name, arguments, affine, sizes)
        for source, move in zip(order, moves, strict=True):
            mode = arguments.get("mode", "bilinear")
            steady = _steady(move) if source == SLICES else move
            tracks[source] = replace(tracks[source], move=steady, mode=mode)
    return Gridding((order[0], order[1], order[2]), (tracks[0], tracks[1], tracks[2]))


def _steady(move: Spread | Stretch | None) -> Spread | Stretch | None:
    """Leave out what is only rounding, so that ten slices and all of them give the same step."""
    if not isinstance(move, Spread):
        return move
    return replace(move, start=round(move.start, DIGITS), step=round(move.step, DIGITS))


def _moves(
    name: str, arguments: Mapping[str, Any], affine: Array, sizes: Sequence[int]
) -> tuple[Sequence[Spread | Stretch | None], Array]:
    if name == "Resized":
        aligned = bool(arguments.get("align_corners"))
        axes = spatial.stretched(sizes, arguments["spatial_size"], align_corners=aligned)
        return axes, spatial.stretched_affine(affine, axes)
    spacing = spatial.spaced(affine, sizes, arguments["pixdim"])
    if spacing is None:
        return (None, None, None), affine
    return spacing.axes, spacing.affine
