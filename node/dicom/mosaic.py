"""Takes Siemens mosaics apart: the slices of one volume, tiled into a single image.

The header places the mosaic as if it were one large slice around the middle of the first one. How
many tiles there are, and in which direction the slices follow one another, is said only in a
private element, "CSA Image Header Info" (0029,xx10) of "SIEMENS CSA HEADER". So a mosaic whose
private elements were taken out cannot be read: nobody could tell which way its slices go.

Source of the layout: the description of mosaics and of the CSA header in the documentation of
nibabel (nipy.org/nibabel/dicom), which was found out by comparing, since Siemens published none.
"""

import struct
from collections.abc import Iterable, Mapping
from math import ceil, sqrt

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.valuerep import format_number_as_ds

from node.dicom import items, pixels
from node.dicom.elements import MalformedError
from node.dicom.items import Part
from node.dicom.scanning import Scan

_GROUP, _CREATORS, _IMAGE_INFO = 41, range(16, 256), 16
_CREATOR = b"SIEMENS CSA HEADER"
_SECOND_KIND = b"SV10"
_CHECK = 77
_NAME, _VALUE_BYTES = 64, 1 << 12
_MOST_VALUES = 1 << 10
_COUNT, _NORMAL, _FIRST = "NumberOfImagesInMosaic", "SliceNormalVector", "ProtocolSliceNumber"


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword  # noqa: S101 - our own tables
    return tag


_POSITION, _ROWS, _COLUMNS = _tag("ImagePositionPatient"), _tag("Rows"), _tag("Columns")


def is_mosaic(image: Scan) -> bool:
    """Say whether an image is a mosaic."""
    return not image.frame and "MOSAIC" in image.values("ImageType")


class Mosaic:
    """A mosaic whose pixels are decoded once for all of its tiles."""

    def __init__(self, image: Scan) -> None:
        self.image = image
        self._stored: np.ndarray | None = None

    def stored(self) -> np.ndarray:
        """Give the stored values of all of it, [rows, columns].

        Raises:
            UndecodableError: they cannot be decoded.
            OSError: the file cannot be read.
        """
        if self._stored is None:
            self._stored = pixels.stored(self.image)
        return self._stored


class Tile(Scan):
    """A slice in a mosaic: `dataset` gives the header that it would have as an image of its own.

    `frame` counts the tiles from 1; a result cannot say so, and refers to the mosaic as a whole.
    """

    __slots__ = ("_mosaic", "_origin")

    def __init__(
        self, mosaic: Mosaic, number: int, said: Mapping[int, bytes], origin: tuple[int, int]
    ) -> None:
        """Take a slice out of a mosaic.

        Args:
            mosaic: which.
            number: of the slice, from 1.
            said: what is another for it than for the mosaic, by tag, in the object's encoding.
            origin: row and column of its first pixel in the mosaic.
        """
        whole = mosaic.image
        super().__init__(
            whole.path, whole.transfer_syntax, {**whole.raw, **said}, whole.head, whole.size
        )
        self.frame = number
        self.pixels = whole.pixels
        self._mosaic = mosaic
        self._origin = origin
        self.tile = self._cut

    def _cut(self) -> np.ndarray:
        """Give the stored values of the tile, [rows, columns], a copy.

        Raises:
            UndecodableError: they cannot be decoded.
            OSError: the file cannot be read.
        """
        row, column = self._origin
        rows, columns = pixels.shape_of(self)
        return self._mosaic.stored()[row : row + rows, column : column + columns].copy()

    def dataset(self) -> Dataset:
        """Give the header of the slice, made when it is first asked for.

        Raises:
            MalformedError: the mosaic's header cannot be read.
        """
        if self._dataset is None:
            made = Dataset()
            made.update(self._mosaic.image.dataset())
            made.Rows, made.Columns = pixels.shape_of(self)
            made.ImagePositionPatient = self.text("ImagePositionPatient").split("\\")
            self._dataset = made
        return self._dataset

    def moved(self, position: Iterable[float]) -> Scan:
        """Give a copy with the same header but another place, for a slice that no tile shows."""
        there = "\\".join(format_number_as_ds(float(mm)) for mm in position).encode()
        size = {tag: self.raw[tag] for tag in (_ROWS, _COLUMNS)}
        return Tile(self._mosaic, self.frame, {**size, _POSITION: there}, self._origin)


def tiles_of(image: Scan) -> list[Scan]:
    """Take a mosaic apart.

    Returns:
        Its slices in the order of the tiles, row by row.

    Raises:
        MalformedError: its private header is not there, or does not fit the image.
        UndecodableError: its size or kind of pixels is of none that is read here.
    """
    pixels.look(image)
    said = _private(image)
    if said.get(_FIRST, (0.0,))[0] > 1:
        raise MalformedError("its slices may be in reverse, and nobody can tell")
    count, normal = _whole(said, _COUNT), np.array(said.get(_NORMAL, ()), float)
    wide = ceil(sqrt(count))
    rows, columns = pixels.shape_of(image)
    if count < 1 or rows % wide or columns % wide:
        raise MalformedError(f"{rows} x {columns} pixels are no mosaic of {count} slices")
    rows, columns = rows // wide, columns // wide
    first, step = _first_and_step(image, normal, (wide, rows, columns))
    size = {_ROWS: _short(rows, image), _COLUMNS: _short(columns, image)}
    mosaic = Mosaic(image)
    found: list[Scan] = []
    for number in range(count):
        place = "\\".join(format_number_as_ds(float(mm)) for mm in first + number * step)
        origin = number // wide * rows, number % wide * columns
        found.append(Tile(mosaic, number + 1, {**size, _POSITION: place.encode()}, origin))
    return found


def _first_and_step(
    image: Scan, normal: np.ndarray, tiling: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Give where the first slice's first pixel is, and the way from a slice to the next, in mm."""
    position, cosines = (
        image.numbers("ImagePositionPatient"),
        image.numbers("ImageOrientationPatient"),
    )
    spacing, between = image.numbers("PixelSpacing"), image.number("SpacingBetweenSlices")
    if not (position and cosines and spacing and between):
        raise MalformedError("it does not say where its slices lie")
    if (len(position), len(cosines), len(spacing), normal.shape) != (3, 6, 2, (3,)):
        raise MalformedError("it does not say where its slices lie")
    across, down = np.array(cosines[:3]), np.array(cosines[3:])
    upright = np.cross(across, down)
    if abs(abs(float(upright @ normal)) - 1) > 1e-3:
        raise MalformedError("its slices do not follow one another at a right angle")
    wide, rows, columns = tiling
    first = np.array(position) + (wide - 1) / 2 * (
        columns * spacing[1] * across + rows * spacing[0] * down
    )
    return first, np.sign(upright @ normal) * abs(between) * upright


def _short(number: int, image: Scan) -> bytes:
    return number.to_bytes(2, "little" if image.little else "big")


def _whole(said: Mapping[str, tuple[float, ...]], name: str) -> int:
    found = said.get(name, ())
    if len(found) != 1:
        raise MalformedError("its private header does not say how many slices it has")
    return int(found[0])


# ---- the private header ------------------------------------------------------------------------


def _private(image: Scan) -> Mapping[str, tuple[float, ...]]:
    """Give what is wanted of the private header.

    Raises:
        MalformedError: it is not there, or of a kind that is not known.
    """
    parts = dict(items.each(items.header_of(image)))
    for block in _CREATORS:
        creator = parts.get(_GROUP << 16 | block)
        if creator is None or items.value(creator).strip(b" \0") != _CREATOR:
            continue
        info = parts.get(_GROUP << 16 | block << 8 | _IMAGE_INFO)
        if info is not None:
            return _values(info)
    raise MalformedError("the private header that says where its slices lie was taken out")


def _values(info: Part) -> Mapping[str, tuple[float, ...]]:
    content = bytes(info.view[info.start : info.end])
    if content[:4] != _SECOND_KIND:
        raise MalformedError("its private header is of a kind that is not known")
    found: dict[str, tuple[float, ...]] = {}
    try:
        count, check = struct.unpack_from("<2I", content, 8)
        if check != _CHECK:
            raise MalformedError("its private header is damaged")
        position = 16
        for _ in range(min(count, _MOST_VALUES)):
            name, several, position = _named(content, position)
            if name in (_COUNT, _NORMAL, _FIRST):
                found[name] = tuple(float(one) for one in several)
    except (struct.error, ValueError) as error:
        raise MalformedError("its private header is damaged") from error
    return found


def _named(content: bytes, position: int) -> tuple[str, list[str], int]:
    """Read one named value: name, how many, representation, and that many pieces of text."""
    name = content[position : position + _NAME].split(b"\0")[0].decode("latin-1")
    (pieces,) = struct.unpack_from("<i", content, position + _NAME + 12)
    position += _NAME + 20
    if not 0 <= pieces <= _MOST_VALUES:
        raise MalformedError("its private header is damaged")
    found = []
    for _ in range(pieces):
        (length,) = struct.unpack_from("<i", content, position + 4)
        position += 16
        if not 0 <= length <= len(content) - position:
            raise MalformedError("its private header is damaged")
        text = content[position : position + min(length, _VALUE_BYTES)]
        text = text.split(b"\0")[0].strip()
        found += [text.decode("latin-1")] if text else []
        position += length + -length % 4
    return name, found, position
