"""One frame of an image that has many: it is read like an image of its own, where it lies.

Only its own bytes are ever read of the file, so a volume takes no more memory when its slices come
in one object than when each comes in its own.
"""

import os
from collections.abc import Iterable, Mapping
from itertools import pairwise

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.valuerep import format_number_as_ds

from node.dicom import decoding, pixels
from node.dicom.elements import MalformedError
from node.dicom.scanning import Pixels, Scan

_POSITION = 0x00200032
_WHOLE_ONLY = ("NumberOfFrames", "PerFrameFunctionalGroupsSequence")
_HEAD = 8
_ITEM, _SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_BEGINNINGS = (b"\xff\xd8", b"\xff\x4f\xff\x51")
"""How codestreams of JPEG and JPEG-LS, and of JPEG 2000, begin."""


class Frame(Scan):
    """A frame: what its object says of all frames, what it says of this one, and its pixels.

    `dataset` gives the header that the frame would have as an image of its own; its
    ReferencedFrameNumber says which frame of SOPInstanceUID it is, counted from 1.
    """

    __slots__ = ("_said", "_whole")

    def __init__(self, whole: Scan, number: int, said: Mapping[int, bytes], lying: Pixels) -> None:
        """Take one frame out of an object.

        Args:
            whole: the object; its header need not have functional groups.
            number: of the frame, from 1.
            said: what only this frame says, by tag, as it is written in the object's encoding.
            lying: where its pixels are.
        """
        raw = {**whole.raw, **said}
        super().__init__(whole.path, whole.transfer_syntax, raw, whole.head, whole.size)
        self.frame = number
        self.pixels = lying
        self._whole = whole
        self._said = said

    def dataset(self) -> Dataset:
        """Give the header of the frame, made when it is first asked for.

        Raises:
            MalformedError: the object's header cannot be read.
        """
        if self._dataset is None:
            made = Dataset()
            made.update(self._whole.dataset())
            for keyword in _WHOLE_ONLY:
                if keyword in made:
                    del made[keyword]
            for number, value in self._said.items():
                made[number] = _element(number, value, little=self.little)
            made.ReferencedFrameNumber = self.frame
            self._dataset = made
        return self._dataset

    def moved(self, position: Iterable[float]) -> Scan:
        """Give a copy with the same header but another place, for a slice that no frame shows."""
        there = "\\".join(format_number_as_ds(float(mm)) for mm in position).encode()
        assert self.pixels is not None  # noqa: S101 - every frame has some
        return Frame(self._whole, self.frame, {**self._said, _POSITION: there}, self.pixels)


def _element(number: int, value: bytes, *, little: bool) -> RawDataElement:
    tag = Tag(number)
    implicit = False
    return RawDataElement(tag, dictionary_VR(tag), len(value), value, 0, implicit, little)


def pixels_of_frames(image: Scan, count: int) -> list[Pixels]:
    """Find out where the pixels of each frame lie.

    Raises:
        MalformedError: there are fewer than so many frames, or nobody can tell where they begin.
        UndecodableError: the object's size or kind of pixels is of none that is read here.
        OSError: the file cannot be read.
    """
    if image.pixels is None:
        raise MalformedError("it has no pixels")
    start, length, words, _ = image.pixels
    if length is None:
        return [Pixels(start, None, words, parts) for parts in _fragments(image, start, count)]
    size = pixels.frame_bytes(image)
    if min(length, image.size - start) < size * count:
        raise MalformedError("it has fewer pixels than its frames need")
    if words and not image.little and size % 2 and pixels.type_of(image).itemsize == 1:
        raise MalformedError("its frames share words of two bytes")
    return [Pixels(start + number * size, size, words) for number in range(count)]


_Fragments = tuple[tuple[int, int], ...]


def _fragments(image: Scan, start: int, count: int) -> list[_Fragments]:
    """Share the fragments out among the frames (PS3.5 A.4).

    A fragment a frame is what nearly everybody writes, and what RLE has to have; else the offset
    table tells, or how the fragments begin.
    """
    descriptor = os.open(image.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        (table_at, table_size), *found = _all_fragments(descriptor, start, image.size)
        table = os.pread(descriptor, min(table_size, 4 * count), table_at)
        if len(found) == count:
            return [(one,) for one in found]
        if image.transfer_syntax == decoding.RLE or len(found) < count:
            raise MalformedError("it has another number of frames than it says")
        first = found[0][0] - _HEAD
        offsets = [int.from_bytes(table[at : at + 4], "little") for at in range(0, len(table), 4)]
        begins = {first + offset for offset in offsets}
        if len(begins) != count:
            begins = {at - _HEAD for at, _ in found if _begins(descriptor, at)}
    finally:
        os.close(descriptor)
    places = [number for number, (at, _) in enumerate(found) if at - _HEAD in begins]
    if len(places) != count or places[0] != 0:
        raise MalformedError("nobody can tell where its frames begin")
    return [tuple(found[one:other]) for one, other in pairwise([*places, len(found)])]


def _begins(descriptor: int, at: int) -> bool:
    return os.pread(descriptor, 4, at).startswith(_BEGINNINGS)


def _all_fragments(descriptor: int, position: int, size: int) -> list[tuple[int, int]]:
    """Give where each item of compressed pixels lies, the offset table first, and its length."""
    found = []
    while True:
        head = os.pread(descriptor, _HEAD, position)
        if len(head) < _HEAD:
            raise MalformedError("its compressed pixels do not end")
        if head[:4] == _SEQUENCE_END:
            break
        length = int.from_bytes(head[4:], "little")
        position += _HEAD
        if head[:4] != _ITEM or position + length > size:
            raise MalformedError("its compressed pixels are not cut into fragments")
        found.append((position, length))
        position += length
    if not found:
        raise MalformedError("its compressed pixels have no offset table")
    return found
