"""How much memory a series may take for the bytes that it has, all its images together.

One image may be nearly empty, and a few bytes long for its size; a whole series of such images is
no series that anybody has taken. So what a single image may have is looked at with the image
(`pixels`), and what all of them may have is counted here, before memory is taken.
"""

from collections.abc import Iterable
from pathlib import Path

from node.dicom import decoding, pixels, services
from node.dicom.scanning import Scan

FLOOR = 1 << 24
"""Samples that a series may always have: twice what one image may."""
_RLE, _OTHERS = 64, 500
"""Samples that a byte holds in a whole series at best; real ones have under ten of them."""
_INFLATED = 1032
"""Bytes that come out of a deflated one at best."""
_FILLED = 32
"""Samples for a byte that there may be with those that lie between images."""


class Budget:
    """What images of one series take, and what their bytes allow them to."""

    def __init__(self) -> None:
        self.samples = 0
        self._allowed: dict[tuple[object, ...], int] = {}
        self._bytes: dict[tuple[object, ...], int] = {}

    def add(self, image: Scan) -> None:
        """Count an image.

        Raises:
            UndecodableError: its size is of none that is read here.
        """
        rows, columns = pixels.shape_of(image)
        self.samples += rows * columns * image.whole("SamplesPerPixel", 1)
        source, size, best = _coded(image)
        self._bytes[source] = size
        self._allowed[source] = size * best

    @property
    def is_exceeded(self) -> bool:
        """Whether there are more samples than so many bytes hold."""
        return self.samples > max(FLOOR, sum(self._allowed.values()))

    def has_room_for(self, samples: int) -> bool:
        """Whether a volume may have so many samples, with those that no image shows."""
        return samples <= max(FLOOR, _FILLED * sum(self._bytes.values()))


def budget_of(images: Iterable[Scan]) -> Budget:
    """Count images.

    Raises:
        UndecodableError: the size of one is of none that is read here.
    """
    made = Budget()
    for image in images:
        made.add(image)
    return made


def _coded(image: Scan) -> tuple[tuple[object, ...], int, int]:
    """Give where the bytes of an image's pixels lie, how many they are, and samples a byte."""
    whole: tuple[Path, int] = (image.path, 0)
    if image.pixels is None:
        return whole, 0, 0
    start, length, _, fragments = image.pixels
    if image.transfer_syntax == services.DEFLATED_LITTLE_ENDIAN:
        return whole, image.size, _INFLATED
    best = _RLE if image.transfer_syntax == decoding.RLE else _OTHERS
    if fragments:
        return (image.path, *fragments), sum(count for _, count in fragments), best
    if length is None:
        return whole, max(0, image.size - start), best
    return (image.path, start), min(length, max(0, image.size - start)), 2
