"""Siemens mosaics: a volume tiled into one picture, placed by a private header."""

import struct
from collections.abc import Callable
from math import ceil, sqrt
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, JPEG2000Lossless

from node.rules.naming import derived_uid
from tests.fakes.compressing import compress
from tests.fakes.scanner import CORONAL, Scanner, save

Maker = Callable[[Path], list[Path]]
Change = Callable[[Dataset], None]
N = 20


_KINDS = {"AcquisitionMatrixText": b"SH\0\0", "SliceNormalVector": b"FD\0\0"}


def private_header(**values: list[str]) -> bytes:
    """Write a CSA header of the second kind: named values, each of some pieces of text."""
    body = b"SV10" + bytes([4, 3, 2, 1]) + struct.pack("<2I", len(values), 77)
    for name, pieces in values.items():
        body += name.encode().ljust(64, b"\0")
        kind = _KINDS.get(name, b"IS\0\0")
        body += struct.pack("<i4s3i", len(pieces), kind, 4, 6, 77)
        for number in range(6):
            text = pieces[number].encode() + b"\0" if number < len(pieces) else b""
            body += struct.pack("<4i", len(text), len(text), 77, len(text))
            body += text + bytes(-len(text) % 4)
    return body


def mosaic(n: int = N, *, downwards: bool = False, first: int = 1, **knobs: object) -> Dataset:
    """Tile the phantom's slices; `downwards`: from the other end, as the normal then says."""
    slices = Scanner("MR", **knobs).series(n)  # type: ignore[arg-type]
    if downwards:
        slices = slices[::-1]
    made = slices[0]
    rows, columns, wide = made.Rows, made.Columns, ceil(sqrt(n))
    picture = np.zeros((wide * rows, wide * columns), "<u2")
    for place, ds in enumerate(slices):
        top, left = place // wide * rows, place % wide * columns
        values = np.frombuffer(ds.PixelData, "<u2").reshape(rows, columns)
        picture[top : top + rows, left : left + columns] = values
    cosines = np.array(made.ImageOrientationPatient, float)
    down, across = made.PixelSpacing
    corner = np.array(made.ImagePositionPatient, float)
    corner -= (wide - 1) / 2 * columns * float(across) * cosines[:3]
    corner -= (wide - 1) / 2 * rows * float(down) * cosines[3:]
    normal = np.cross(cosines[:3], cosines[3:]) * (-1 if downwards else 1)
    made.ImagePositionPatient = [f"{value:.6f}" for value in corner]
    made.Rows, made.Columns = picture.shape
    made.PixelData = picture.tobytes()
    made["PixelData"].VR = "OW"
    made.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = derived_uid("mosaic")
    block = made.private_block(int("29", 16), "SIEMENS CSA HEADER", create=True)
    header = private_header(
        NumberOfImagesInMosaic=[str(n)],
        AcquisitionMatrixText=["48*56"],
        ProtocolSliceNumber=[str(first)],
        SliceNormalVector=[f"{value:.8f}" for value in normal],
    )
    block.add_new(int("10", 16), "OB", header)
    return made


def _one(change: Change | None = None, **how: object) -> Maker:
    def make(out: Path) -> list[Path]:
        ds = mosaic(**how)  # type: ignore[arg-type]
        if change is not None:
            change(ds)
        return save([ds], out)

    return make


def _times(out: Path) -> list[Path]:
    """Two times of one functional series, the second one darker."""
    one, other = mosaic(), mosaic()
    other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    other.AcquisitionNumber = other.InstanceNumber = 2
    darker = np.frombuffer(other.PixelData, "<u2")
    other.PixelData = np.where(darker > 10, darker - 10, darker).astype("<u2").tobytes()
    other["PixelData"].VR = "OW"
    return save([one, other], out)


def _anonymised(ds: Dataset) -> None:
    ds.remove_private_tags()


def _of_the_first_kind(ds: Dataset) -> None:
    element = ds.private_block(int("29", 16), "SIEMENS CSA HEADER")[int("10", 16)]
    element.value = element.value[8:]


def _cut_short(ds: Dataset) -> None:
    element = ds.private_block(int("29", 16), "SIEMENS CSA HEADER")[int("10", 16)]
    element.value = element.value[:400]


def _of_forty_nine(ds: Dataset) -> None:
    element = ds.private_block(int("29", 16), "SIEMENS CSA HEADER")[int("10", 16)]
    element.value = private_header(
        NumberOfImagesInMosaic=["49"], SliceNormalVector=["0.0", "0.0", "1.0"]
    )


def _leaning(ds: Dataset) -> None:
    element = ds.private_block(int("29", 16), "SIEMENS CSA HEADER")[int("10", 16)]
    element.value = private_header(
        NumberOfImagesInMosaic=["20"], SliceNormalVector=["0.0", "0.6", "0.8"]
    )


def _big_endian(ds: Dataset) -> None:
    ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
    ds["PixelData"].VR = "OW"
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian


PLACED: dict[str, Maker] = {
    "mosaic": _one(),
    "mosaic_downwards": _one(downwards=True),
    "mosaic_coronal": _one(orientation=CORONAL),
    "mosaic_of_25": _one(n=25),
    "mosaic_jpeg_2000": _one(lambda ds: compress(ds, JPEG2000Lossless)),
    "mosaic_big_endian": _one(_big_endian),
    "mosaic_series_last": _times,
}
MAKERS: dict[str, Maker] = {
    **PLACED,
    "mosaic_series": _times,
    "mosaic_without_private_header": _one(_anonymised),
    "mosaic_of_the_first_kind": _one(_of_the_first_kind),
    "mosaic_header_cut_short": _one(_cut_short),
    "mosaic_of_more_tiles_than_fit": _one(_of_forty_nine),
    "mosaic_leaning": _one(_leaning),
    "mosaic_perhaps_in_reverse": _one(first=20),
}
