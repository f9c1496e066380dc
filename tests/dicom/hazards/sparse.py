"""Series of a few kilobytes that would fill gigabytes: frames that are nearly empty, and many."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless

from tests.dicom.hazards.cines import ANGIOGRAPHY, cine
from tests.fakes.compressing import encapsulated
from tests.fakes.enhanced import enhance
from tests.fakes.scanner import Scanner, save

Maker = Callable[[Path], list[Path]]
LARGEST = 2896
"""Rows of the largest square that one image may be, however few its bytes."""
MANY = 60


@cache
def _empty(rows: int) -> bytes:
    """Give a codestream of nothing but zeros."""
    (ds,) = Scanner().series(1)
    ds.Rows = ds.Columns = rows
    ds.PixelData = bytes(2 * rows * rows)
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.compress(JPEG2000Lossless, generate_instance_uid=False)
    (frame,) = generate_frames(ds.PixelData, number_of_frames=1)
    return frame


def _filled(ds: Dataset, frames: int) -> Dataset:
    ds.Rows = ds.Columns = LARGEST
    ds.PixelData = encapsulate([_empty(LARGEST)] * frames)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = JPEG2000Lossless
    return ds


def _enhanced(out: Path) -> list[Path]:
    slices = Scanner(slope=0.5, intercept=0).series(MANY)
    return save([_filled(enhance(slices), MANY)], out)


def _cine(out: Path) -> list[Path]:
    ds = cine(ANGIOGRAPHY, MANY)
    ds.BitsStored, ds.HighBit = 16, 15
    return save([_filled(ds, MANY)], out)


def _slices(out: Path) -> list[Path]:
    return save([_filled(ds, 1) for ds in Scanner().series(MANY)], out)


def _sections(out: Path) -> list[Path]:
    """Five slices close to each other, and four far apart: two hundred places between them."""
    slices = Scanner(slice_spacing=0.2).series(205)
    chosen = [slices[place] for place in (0, 1, 2, 3, 4, 54, 104, 154, 204)]
    for ds in chosen:
        ds.Rows = ds.Columns = 1024
        encapsulated(ds, _empty(1024), JPEG2000Lossless)
    return save(chosen, out)


MAKERS: dict[str, Maker] = {
    "enhanced_frames_nearly_empty": _enhanced,
    "cine_frames_nearly_empty": _cine,
    "slices_nearly_empty": _slices,
    "sections_far_apart": _sections,
}
