"""Builds a volume while its images are still coming in: each is decoded and placed as it arrives.

Where a slice belongs is guessed from where the first ones lie, so that the block is in order when
the last one has come. A guess that turns out wrong costs a copy at the end, never a wrong volume:
what is a volume is decided in the end, by the same rules as for a series that is read at once.
"""

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from node.dicom import gate, multiframe, pixels, scanning
from node.dicom.budget import Budget
from node.dicom.elements import MalformedError
from node.dicom.geometry import Planes
from node.dicom.pixels import UndecodableError
from node.dicom.reading import UNREADABLE
from node.dicom.scanning import Scan
from node.dicom.volume import FromFiles, Volume, planes_of, volume_of
from node.dicom.voxels import Block
from node.rules.failures import Refusal
from node.rules.nouns import InputRequirement


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """Where the slices of a growing volume will lie, by the first ones that came.

    `affine` (4 x 4) maps (slot, row, column, 1) to LPS millimetres, `shape` is (rows, columns) and
    `slots` how many there are. Slots are counted along the normal; `first` and `last` are those at
    which the series begins and ends, as far as that is known.
    """

    shape: tuple[int, int]
    slots: int
    affine: np.ndarray
    first: int | None = None
    last: int | None = None


_OFTEN_ASKED = (
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"),
    "ImagePositionPatient",
)
"""What results ask of every image."""
_RESERVED_BYTES, _RESERVED_SLOTS = 1 << 30, 4096
"""What a block that may grow reserves; memory is taken only as slices come."""


class GrowingVolume:
    """A volume to which slices are added in any order.

    `finish` gives what `read_volume` gives for the same files, whatever the order.
    """

    def __init__(self, requirement: InputRequirement) -> None:
        self._requirement = requirement
        self._images: dict[Path, Scan | None] = {}
        self._slots = _Slots()
        self._headers: deque[Scan] = deque()

    def __len__(self) -> int:
        return len(self._images)

    @property
    def held_bytes(self) -> int:
        """How much memory the slices take that were decoded."""
        return self._slots.held_bytes

    def place(self, path: Path, content: bytes | None = None) -> None:
        """Add an image.

        Args:
            path: its file, which must stay until the volume is finished.
            content: the bytes of the file, where they are in memory already.

        Raises:
            OSError: the file cannot be read.
        """
        if path in self._images:
            return
        image = self._images[path] = scanning.scan(path, content)
        if image is not None:
            self._headers.append(image)
        if image is not None and not (
            gate.is_localizer(image) or gate.is_picture(image) or multiframe.is_many(image)
        ):
            self._slots.add(image, content)

    def read_ahead(self, count: int) -> None:
        """Make data sets of so many headers more, for the results that will be made of them.

        It can be left out: each is made when it is first looked at, half a millisecond each.
        """
        for _ in range(min(count, len(self._headers))):
            with suppress(MalformedError, *UNREADABLE):  # told when it is needed
                header = self._headers.popleft().dataset()
                for keyword in _OFTEN_ASKED:
                    header.get(keyword)

    def lattice(self, count: int | None = None) -> Lattice | None:
        """Say where slices lie; None as long as too few are there to tell.

        `count` is how many there will be, if somebody said so.
        """
        return self._slots.lattice(count)

    @property
    def arrived(self) -> Sequence[int]:
        """The slots that were filled, in the order in which the slices came."""
        return self._slots.arrived

    def slice(self, slot: int) -> np.ndarray:
        """Give the values in a slot, [rows, columns]; they are not to be changed."""
        return self._slots.slice(slot)

    @property
    def used(self) -> Sequence[int]:
        """The slots that became the last volume, in its order; none if it was read anew."""
        return self._slots.used

    def finish(self) -> Volume | Refusal:
        """Give the volume of all images that were added, or say why they are none.

        Raises:
            OSError: a file cannot be read.
        """
        images = [self._images[path] for path in sorted(self._images)]
        return volume_of(images, self._requirement, self._slots)


class _Slots:
    """Slices in a block of which nobody knows yet how large it will be."""

    def __init__(self) -> None:
        self._block: Block | None = None
        self._budget = Budget()
        self._slot_of: dict[int, int] = {}  # by identity: a scan is never copied here
        self._first: _First | None = None
        self._step: float | None = None
        self._is_measured = False
        self.arrived: list[int] = []
        self.used: list[int] = []

    def slice(self, slot: int) -> np.ndarray:
        assert self._block is not None  # noqa: S101 - asked for slots that were filled
        return self._block.array[slot]

    def lattice(self, count: int | None) -> Lattice | None:
        block, begin = self._block, self._first
        if block is None or begin is None or not self._step or not self._is_measured:
            return None
        slots, shape = len(block.array), pixels.shape_of(next(iter(block.filled.values())))
        way = 1 if self._step > 0 else -1
        one = slots // 2 + way * round(1 - begin.number)
        other = None if count is None else one + way * (count - 1)
        first, last = (one, other) if way > 0 else (other, one)
        return Lattice(shape, slots, self._affine(slots // 2), first, last)

    def _affine(self, middle: int) -> np.ndarray:
        assert self._first is not None  # noqa: S101 - asked for after the first image only
        assert self._step is not None  # noqa: S101
        planes = self._first.planes
        rows, columns = planes.spacings[0]
        affine = np.eye(4)
        affine[:3, 0] = self._normal * abs(self._step)
        affine[:3, 1] = planes.down[0] / np.linalg.norm(planes.down[0]) * rows
        affine[:3, 2] = planes.across[0] / np.linalg.norm(planes.across[0]) * columns
        affine[:3, 3] = planes.positions[0] - middle * affine[:3, 0]
        return affine

    @property
    def held_bytes(self) -> int:
        block = self._block
        return len(block.filled) * block.array[0].nbytes if block is not None else 0

    def add(self, image: Scan, content: bytes | None) -> None:
        """Decode an image into the slot where it probably belongs; leave it out if it cannot be."""
        try:
            pixels.look(image)
            self._budget.add(image)
            if self._budget.is_exceeded:
                return  # it is refused in the end, unless it turns out not to be of the volume
            if self._block is None:
                rows, columns = pixels.shape_of(image)
                slots = min(_RESERVED_SLOTS, max(1, _RESERVED_BYTES // (2 * rows * columns)))
                self._block = Block(slots, (rows, columns))
            slot = self._free(self._guess(image, len(self._block.array)))
            if slot is not None:
                self._block.put(slot, image, content)
                self._slot_of[id(image)] = slot
                self.arrived.append(slot)
        except UndecodableError:
            return  # if it belongs to the volume, this is found out again and told

    def block(self, images: Sequence[Scan]) -> tuple[Block, list[int]] | Refusal:
        """Give the block; if an image did not find a place in it, another one.

        Raises:
            OSError: a file cannot be read.
        """
        block, slots = self._block, [self._slot_of.get(id(image), -1) for image in images]
        if block is not None and -1 not in slots:
            self.used = slots
            return block, slots
        self.used = []
        self._block = None
        return FromFiles().block(images)

    def _guess(self, image: Scan, slots: int) -> int | None:
        """Guess by the distance along the normal where a slice will be."""
        planes = planes_of([image])
        if isinstance(planes, str):
            return None
        number = image.number("InstanceNumber") or 0.0
        if self._first is None:
            self._first = _First(planes, number)
            self._step = image.number("SpacingBetweenSlices") or image.number("SliceThickness")
            return slots // 2
        distance = float((planes.positions[0] - self._first.planes.positions[0]) @ self._normal)
        if len(self._slot_of) == 1 and number != self._first.number and distance:
            self._step = distance / (number - self._first.number)
            self._is_measured = True
        if not self._step:
            return None
        steps = distance / abs(self._step)
        return slots // 2 + round(steps) if abs(steps) < slots else None

    @property
    def _normal(self) -> np.ndarray:
        assert self._first is not None  # noqa: S101 - asked for after the first image only
        return self._first.planes.normal

    def _free(self, wished: int | None) -> int | None:
        """Give the slot that is wished for, or else the last one that is free."""
        block = self._block
        assert block is not None  # noqa: S101 - made by the caller
        slots = len(block.array)
        if wished is not None and 0 <= wished < slots and wished not in block.filled:
            return wished
        return next((slot for slot in range(slots - 1, -1, -1) if slot not in block.filled), None)


@dataclass(frozen=True, slots=True)
class _First:
    """Where the first image lies that came, and its number."""

    planes: Planes
    number: float
