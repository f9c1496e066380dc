"""Puts slices into a block of voxels as they come: decoded in place, in the modality's units.

Whole units that fit stay 16-bit numbers, and are turned into them where they were read, without a
copy; the first slice that does not fit makes the block one of 32-bit floating point numbers.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from node.dicom import pixels
from node.dicom.elements import MalformedError
from node.dicom.lookup import look_up
from node.dicom.pixels import UndecodableError
from node.dicom.reading import UNREADABLE
from node.dicom.scaling import line_of
from node.dicom.scanning import Scan

AIR_HU = -1024
"""What padding around a CT image becomes."""
_INT16 = np.iinfo(np.int16)
_PHYSICAL = ("CT", "PT")
"""Modalities whose values measure something, however they are shown."""


class Block:
    """The voxels of a volume while its slices come in, [slots, rows, columns].

    Memory is taken for the slots that are filled, not for those that are only reserved.
    """

    def __init__(self, slots: int, shape: tuple[int, int]) -> None:
        self.array: np.ndarray = np.empty((slots, *shape), np.int16)
        self.filled: dict[int, Scan] = {}
        self._facts: dict[int, Counter[str]] = {}

    def put(self, slot: int, image: Scan, content: bytes | None = None) -> None:
        """Decode one slice into a slot.

        Raises:
            OSError: its file cannot be read.
            UndecodableError: its pixels cannot be decoded, or are of another size.
        """
        if pixels.shape_of(image) != self.array.shape[1:]:
            raise UndecodableError("the slice is of another size")
        facts: Counter[str] = Counter()
        place = self.array[slot] if self.array.dtype == np.int16 else None
        stored = pixels.stored(image, content, place)
        padded = padding_in(stored, image) if image.text("Modality") == "CT" else None
        self._write(slot, stored, image, facts)
        if padded is not None:
            self.array[slot][padded] = AIR_HU
            facts["padding"] = int(np.count_nonzero(padded))
        self.filled[slot] = image
        self._facts[slot] = facts

    def gathered(self, slots: Sequence[int | None]) -> np.ndarray:
        """Give the voxels of these slots in this order: those that lie so are not copied.

        None is a slice that is missing between two others: it is filled in proportion.
        """
        known = [slot for slot in slots if slot is not None]
        first = known[0]
        if list(slots) == list(range(first, first + len(slots))):
            return self.array[first : first + len(slots)]
        voxels = np.empty((len(slots), *self.array.shape[1:]), self.array.dtype)
        for place, slot in enumerate(slots):
            if slot is not None:
                voxels[place] = self.array[slot]
        there = [place for place, slot in enumerate(slots) if slot is not None]
        for before, after in pairwise(there):
            for place in range(before + 1, after):
                _between(voxels, before, place, after)
        return voxels

    def repairs(self, slots: list[int]) -> list[str]:
        """Say what was set right in these slots, and what is to be known of them."""
        total: Counter[str] = sum((self._facts[slot] for slot in slots), Counter())
        said = []
        if total["inverted"]:
            said.append("low values are shown bright (MONOCHROME1): turned round")
        if total["physical"]:
            said.append("low values are shown bright (MONOCHROME1): measured values kept")
        if total["table"]:
            said.append("the modality lookup table was applied")
        if total["padding"]:
            said.append(f"{total['padding']} voxels of padding set to {AIR_HU} HU")
        return said

    def _write(self, slot: int, stored: np.ndarray, image: Scan, facts: Counter[str]) -> None:
        if image.has("ModalityLUTSequence"):
            facts["table"] = 1
            self._as_float(slot, _looked_up(stored, image), (1.0, 0.0))
            return
        line = _line(image)
        if image.text("PhotometricInterpretation") == "MONOCHROME1":
            facts["physical" if image.text("Modality") in _PHYSICAL else "inverted"] = 1
            if facts["inverted"]:
                stored, line = _turned(stored, image, line)
        if self.array.dtype == np.int16 and _fits(stored, image, line):
            place = self.array[slot].view(np.uint16)
            if not np.may_share_memory(place, stored):
                np.copyto(place, stored, casting="unsafe")
            if line[1]:  # sums modulo 2**16 come out right, since they fit
                place += np.uint16(int(line[1]) % (1 << 16))
        else:
            self._as_float(slot, stored, line)

    def _as_float(self, slot: int, stored: np.ndarray, line: tuple[float, float]) -> None:
        if self.array.dtype == np.int16:
            if np.may_share_memory(self.array, stored):
                stored = stored.copy()
            block = np.empty(self.array.shape, np.float32)
            for known in self.filled:
                block[known] = self.array[known]
            self.array = block
        place = self.array[slot]
        np.multiply(stored, np.float32(line[0]), out=place, dtype=np.float32, casting="unsafe")
        place += np.float32(line[1])


def _between(voxels: np.ndarray, before: int, place: int, after: int) -> None:
    part = (place - before) / (after - before)
    filled = (1 - part) * voxels[before].astype(np.float64) + part * voxels[after]
    voxels[place] = np.rint(filled) if voxels.dtype == np.int16 else filled


def padding_in(stored: np.ndarray, image: Scan) -> np.ndarray | None:
    """Give where stored values are padding and no measurement; None where none are.

    PixelPaddingValue and PixelPaddingRangeLimit (PS3.3 C.7.5.1.1.2) are signed or not as the
    pixels are, whatever their own value representation says.
    """
    one = _stored_value(image, "PixelPaddingValue")
    if one is None:
        return None
    other = _stored_value(image, "PixelPaddingRangeLimit")
    if other is None or other == one:
        padded = stored == one
    else:
        padded = (stored >= min(one, other)) & (stored <= max(one, other))
    return padded if padded.any() else None


def _stored_value(image: Scan, keyword: str) -> int | None:
    raw = image.written_whole(keyword)
    if len(raw) < 2:
        return None
    value = int.from_bytes(raw[:2], "little" if image.little else "big")
    bits = image.whole("BitsAllocated", 16)
    value %= 1 << bits
    signed = image.whole("PixelRepresentation", 0) == 1
    return value - (1 << bits) if signed and value >= 1 << (bits - 1) else value


def _line(image: Scan) -> tuple[float, float]:
    try:
        return line_of(image)
    except MalformedError as error:
        raise UndecodableError(str(error)) from error


def _range(image: Scan) -> tuple[int, int]:
    """Give the lowest and the highest value that the bits of an image can store."""
    bits = image.whole("BitsStored", 16)
    if image.whole("PixelRepresentation", 0) == 1:
        return -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return 0, (1 << bits) - 1


def _fits(stored: np.ndarray, image: Scan, line: tuple[float, float]) -> bool:
    slope, intercept = line
    if slope != 1 or intercept != int(intercept):
        return False
    low, high = _range(image)
    native = image.pixels is not None and image.pixels.length is not None
    if not native or low + intercept < _INT16.min or high + intercept > _INT16.max:
        low, high = int(stored.min()), int(stored.max())  # what it holds, not what it can hold
    return bool(_INT16.min <= low + intercept and high + intercept <= _INT16.max)


def _turned(
    stored: np.ndarray, image: Scan, line: tuple[float, float]
) -> tuple[np.ndarray, tuple[float, float]]:
    """Turn values round within what their bits can hold, so that high values are bright."""
    low, high = _range(image)
    return (low + high) - stored.astype(np.int32), line


def _looked_up(stored: np.ndarray, image: Scan) -> np.ndarray:
    try:
        item = image.item("ModalityLUTSequence")
        table = item["LUTDescriptor"].value, item["LUTData"].value
        return look_up(stored, *table, little=image.little)[0]
    except UNREADABLE as error:
        raise UndecodableError("the modality lookup table cannot be read") from error


def rescaled(stored: np.ndarray, image: Scan) -> np.ndarray:
    """Bring stored values to the modality's units, as float32."""
    if image.has("ModalityLUTSequence"):
        return _looked_up(stored, image)
    slope, intercept = _line(image)
    return stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)
