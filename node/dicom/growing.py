"""Builds a volume while its images are still coming in: each is decoded and placed as it arrives.

Where a slice belongs is guessed from where the first ones lie, so that the block is in order when
the last one has come. A guess that turns out wrong costs a copy at the end, never a wrong volume:
what is a volume is decided in the end, by the same rules as for a series that is read at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from node.dicom import gate, pixels, scanning
from node.dicom.geometry import Planes
from node.dicom.pixels import UndecodableError
from node.dicom.scanning import Scan
from node.dicom.volume import FromFiles, Volume, planes_of, volume_of
from node.dicom.voxels import Block
from node.rules.failures import Refusal
from node.rules.nouns import InputRequirement

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

    def __len__(self) -> int:
        return len(self._images)

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
        if image is not None and not gate.is_localizer(image) and not gate.is_picture(image):
            self._slots.add(image, content)

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
        self._slot_of: dict[int, int] = {}  # by identity: a scan is never copied here
        self._first: _First | None = None
        self._step: float | None = None

    def add(self, image: Scan, content: bytes | None) -> None:
        """Decode an image into the slot where it probably belongs; leave it out if it cannot be."""
        try:
            pixels.look(image)
            if self._block is None:
                rows, columns = pixels.shape_of(image)
                slots = min(_RESERVED_SLOTS, max(1, _RESERVED_BYTES // (2 * rows * columns)))
                self._block = Block(slots, (rows, columns))
            slot = self._free(self._guess(image, len(self._block.array)))
            if slot is not None:
                self._block.put(slot, image, content)
                self._slot_of[id(image)] = slot
        except UndecodableError:
            return  # if it belongs to the volume, this is found out again and told

    def block(self, images: Sequence[Scan]) -> tuple[Block, list[int]] | Refusal:
        """Give the block; if an image did not find a place in it, another one.

        Raises:
            OSError: a file cannot be read.
        """
        block, slots = self._block, [self._slot_of.get(id(image), -1) for image in images]
        if block is not None and -1 not in slots:
            return block, slots
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
