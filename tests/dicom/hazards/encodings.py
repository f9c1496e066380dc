"""Series that are the same series, encoded in every way that scanners and archives encode."""

from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from tests.fakes.compressing import (
    BASELINE,
    LOSSLESS,
    LOSSLESS_SV1,
    NEAR_LOSSLESS,
    compress,
    encapsulated,
)
from tests.fakes.scanner import Scanner, save

SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "big_endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg_lossless": LOSSLESS,
    "jpeg_lossless_sv1": LOSSLESS_SV1,
    "jpeg_ls": JPEGLSLossless,
    "jpeg_2000": JPEG2000Lossless,
}
N = 8


def stored(slices: list[Dataset]) -> list[np.ndarray]:
    """Give the values of native little endian slices."""
    kind = "<i2" if slices[0].PixelRepresentation else "<u2"
    return [np.frombuffer(ds.PixelData, kind).reshape(ds.Rows, ds.Columns) for ds in slices]


def _in_syntax(syntax: UID, *, signed: bool) -> Callable[[Path], list[Path]]:
    return lambda out: Scanner("CT", signed=signed, transfer_syntax=syntax).save(out, N)


def _mixed(out: Path) -> list[Path]:
    found = []
    for index, syntax in enumerate(list(SYNTAXES.values())[:N]):
        found.append(Scanner("CT", transfer_syntax=syntax).series(N)[index])
    return save(found, out)


def _negative(syntax: UID | None) -> Callable[[Path], list[Path]]:
    """Signed values of 12 bits that go below zero, with air at -1000."""

    def make(out: Path) -> list[Path]:
        slices = Scanner("CT", signed=True, attributes={"RescaleIntercept": "0"}).series(N)
        for ds, values in zip(slices, stored(slices), strict=True):
            ds.BitsStored, ds.HighBit = 12, 11
            kept = (values - 1040) if syntax else (values - 1040) & 0x0FFF  # no sign extension
            ds.PixelData = kept.astype("<i2").tobytes()
            if syntax:
                compress(ds, syntax)
        return save(slices, out)

    return make


def _overlay_in_high_bits(syntax: UID | None) -> Callable[[Path], list[Path]]:
    def make(out: Path) -> list[Path]:
        slices = Scanner("CT").series(N)
        for ds, values in zip(slices, stored(slices), strict=True):
            ds.BitsStored, ds.HighBit = 12, 11
            ds.PixelData = (values | 0x8000).astype("<u2").tobytes()
            if syntax:
                compress(ds, syntax)
        return save(slices, out)

    return make


def _high_bit_on_top(out: Path) -> list[Path]:
    slices = Scanner("CT").series(N)
    for ds, values in zip(slices, stored(slices), strict=True):
        ds.BitsStored, ds.HighBit = 12, 15
        ds.PixelData = (values << 4).astype("<u2").tobytes()
    return save(slices, out)


def _of_a_byte(syntax: UID) -> Callable[[Path], list[Path]]:
    def make(out: Path) -> list[Path]:
        slices = Scanner().series(N)
        for ds, values in zip(slices, stored(slices), strict=True):
            ds.BitsAllocated = ds.BitsStored = 8
            ds.HighBit = 7
            small = (values // 4).astype("u1")
            ds.PixelData = small.tobytes()
            ds.file_meta.TransferSyntaxUID = syntax
            if syntax.is_compressed and syntax != DeflatedExplicitVRLittleEndian:
                ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
                compress(ds, syntax)
            elif syntax == ExplicitVRBigEndian:
                ds.PixelData = small.reshape(-1, 2)[:, ::-1].tobytes()
                ds["PixelData"].VR = "OW"
            else:
                ds["PixelData"].VR = "OB"
        return save(slices, out)

    return make


def _thirty_two_bits(out: Path) -> list[Path]:
    slices = Scanner("PT", slope=0.5, intercept=0).series(N)
    for ds, values in zip(slices, stored(slices), strict=True):
        ds.BitsAllocated = ds.BitsStored = 32
        ds.HighBit = 31
        ds.PixelData = values.astype("<u4").tobytes()
    return save(slices, out)


def _near_lossless(out: Path) -> list[Path]:
    return Scanner("CT", transfer_syntax=NEAR_LOSSLESS).save(out, N)


HTJ2K = b64decode(
    "/0//UQApQAAAAAAUAAAAGAAAAAAAAAAAAAAAFAAAABgAAAAAAAAAAAABDwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB"
    "/1wAEyCIkJCQkJCQkJCQkJCQiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAKkAAf+TwAAm2fcFB3QA"
    "wAATQAATAKz7Awd0APL8Aod0AMAAE0AAEwBx/AALdABp+gACNADAABUQAAVQMcYAAjACdgBQoUL9wDGB/rYAwAAV0AAF"
    "aJgxMTFjYv7YL9fhi3cApCQSifT0CEYhAey4AMAALVgABao0Go1Go9FoNBqN9u/6enp6enECegBIBEEQBEEQ5P9QAj2E"
    "IHv2EIHsvQD/2Q=="
)
"""20 columns, 24 rows, 16 bits: (37 row + 91 column) modulo 4096."""


def ramp() -> np.ndarray:
    """Give what is in that codestream."""
    return np.add.outer(np.arange(24) * 37, np.arange(20) * 91) % 4096


def _htj2k(out: Path) -> list[Path]:
    slices = Scanner("CT", rows=24, columns=20).series(N)
    for ds in slices:
        encapsulated(ds, HTJ2K, HTJ2KLossless)
    return save(slices, out)


MAKERS: dict[str, Callable[[Path], list[Path]]] = {
    **{name: _in_syntax(syntax, signed=False) for name, syntax in SYNTAXES.items()},
    **{f"{name}_signed": _in_syntax(syntax, signed=True) for name, syntax in SYNTAXES.items()},
    "mixed_syntaxes": _mixed,
    "negative_native": _negative(None),
    "negative_rle": _negative(RLELossless),
    "negative_jpeg_ls": _negative(JPEGLSLossless),
    "negative_jpeg_2000": _negative(JPEG2000Lossless),
    "negative_jpeg_lossless_sv1": _negative(LOSSLESS_SV1),
    "overlay_in_high_bits": _overlay_in_high_bits(None),
    "overlay_in_high_bits_rle": _overlay_in_high_bits(RLELossless),
    "high_bit_on_top": _high_bit_on_top,
    "bytes_explicit": _of_a_byte(ExplicitVRLittleEndian),
    "bytes_big_endian": _of_a_byte(ExplicitVRBigEndian),
    "bytes_jpeg_baseline": _of_a_byte(BASELINE),
    "bytes_jpeg_ls": _of_a_byte(JPEGLSLossless),
    "bytes_rle": _of_a_byte(RLELossless),
    "thirty_two_bits": _thirty_two_bits,
    "jpeg_ls_near_lossless": _near_lossless,
    "htj2k": _htj2k,
}
