"""Files that are damaged, strange, or not what they say; and some that only look so."""

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from tests.fakes.compressing import LOSSLESS_SV1, encapsulated
from tests.fakes.scanner import Scanner, save

N = 6
Maker = Callable[[Path], list[Path]]


def _bytes(change: Callable[[bytes], bytes], **knobs: object) -> Maker:
    """Change the bytes of the third file."""

    def make(out: Path) -> list[Path]:
        paths = Scanner(**knobs).save(out, N)  # type: ignore[arg-type]
        paths[2].write_bytes(change(paths[2].read_bytes()))
        return paths

    return make


def _third(change: Callable[[Dataset], None], **knobs: object) -> Maker:
    def make(out: Path) -> list[Path]:
        slices = Scanner(**knobs).series(N)  # type: ignore[arg-type]
        change(slices[2])
        return save(slices, out)

    return make


def _each(change: Callable[[Dataset], None], **knobs: object) -> Maker:
    def make(out: Path) -> list[Path]:
        slices = Scanner(**knobs).series(N)  # type: ignore[arg-type]
        for ds in slices:
            change(ds)
        return save(slices, out)

    return make


def _huge(ds: Dataset) -> None:
    ds.Rows = ds.Columns = 65535


def _huge_codestream(ds: Dataset) -> None:
    """Have the SIZ marker segment say 60,000 x 60,000, and the header the same as ever."""
    frame = bytearray(ds.PixelData)
    place = frame.index(b"\xff\x4f\xff\x51") + 8
    frame[place : place + 8] = np.array([60000, 60000], ">u4").tobytes()
    ds.PixelData = bytes(frame)


def _huge_frame(ds: Dataset) -> None:
    frame = bytearray(ds.PixelData)
    place = frame.index(b"\xff\xf7") + 5
    frame[place : place + 4] = np.array([60000, 60000], ">u2").tobytes()
    ds.PixelData = bytes(frame)


def _many_tiles(ds: Dataset) -> None:
    frame = bytearray(ds.PixelData)
    place = frame.index(b"\xff\x4f\xff\x51") + 24
    frame[place : place + 8] = np.array([1, 1], ">u4").tobytes()
    ds.PixelData = bytes(frame)


def _cut_short(ds: Dataset) -> None:
    """Leave the fragments whole, but what is coded in them cut off: decoders make up the rest."""
    (frame,) = generate_frames(ds.PixelData, number_of_frames=1)
    encapsulated(ds, frame[: len(frame) // 2 // 2 * 2], ds.file_meta.TransferSyntaxUID)


def _other_syntax(ds: Dataset) -> None:
    encapsulated(ds, b"\0\0\1\xb3" + bytes(100), UID("1.2.840.10008.1.2.4.100"))


def _private_syntax(content: bytes) -> bytes:
    return content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.99999.1.2.1\0")


def _many_private(ds: Dataset) -> None:
    block = ds.private_block(0x0029, "PHANTOM", create=True)
    block.add_new(0x10, "OB", bytes(100_000))


def _sequences(ds: Dataset) -> None:
    """Sequences of undefined length, nested, before the pixels."""
    inner = Dataset()
    inner.CodeValue, inner.CodingSchemeDesignator, inner.CodeMeaning = "1", "99X", "one"
    outer = Dataset()
    outer.PurposeOfReferenceCodeSequence = [inner]
    outer["PurposeOfReferenceCodeSequence"].is_undefined_length = True
    outer.is_undefined_length_sequence_item = True
    ds.SourceImageSequence = [outer]
    ds["SourceImageSequence"].is_undefined_length = True


def _trailing_padding(ds: Dataset) -> None:
    ds.DataSetTrailingPadding = bytes(50_000)


def _bomb(content: bytes) -> bytes:
    """Have the data set inflate to much more than anybody has memory for."""
    start = 132 + 12 + int.from_bytes(content[140:144], "little")
    machine = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    head = b"\x08\x00\x60\x00UN\0\0" + (0xFFFFFF00).to_bytes(4, "little")
    zeros = b"".join(machine.compress(bytes(1 << 20)) for _ in range(600))
    return content[:start] + machine.compress(head) + zeros + machine.flush()


def _lying_meta(out: Path) -> list[Path]:
    slices = Scanner().series(N)
    slices[2].file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    out.mkdir(parents=True)
    paths = [out / f"{number}.dcm" for number in range(N)]
    for ds, path in zip(slices, paths, strict=True):
        ds.preamble = b"\xff" * 128
        ds.save_as(path, enforce_file_format=False)
    return paths


MAKERS: dict[str, Maker] = {
    "no_dicom": _bytes(lambda content: b"no image"),
    "empty_file": _bytes(lambda content: b""),
    "cut_in_the_header": _bytes(lambda content: content[:700]),
    "cut_in_the_pixels": _bytes(lambda content: content[:-1000]),
    "cut_in_the_fragments": _bytes(lambda content: content[:-60], transfer_syntax=RLELossless),
    "without_preamble": _bytes(lambda content: content[132:]),
    "zeros_after_the_header": _bytes(lambda content: content[:900] + bytes(len(content) - 900)),
    "deflated_bomb": _bytes(_bomb, transfer_syntax=DeflatedExplicitVRLittleEndian),
    "deflated_damaged": _bytes(
        lambda content: content[:-300] + bytes(300), transfer_syntax=DeflatedExplicitVRLittleEndian
    ),
    "no_pixels": _third(lambda ds: delattr(ds, "PixelData")),
    "pixels_too_few": _third(lambda ds: setattr(ds, "PixelData", ds.PixelData[:1000])),
    "pixels_too_many": _each(lambda ds: setattr(ds, "PixelData", ds.PixelData + bytes(64))),
    "rows_that_nobody_has": _each(_huge),
    "rows_that_nobody_has_rle": _each(_huge, transfer_syntax=RLELossless),
    "rows_that_nobody_has_jpeg_2000": _each(_huge, transfer_syntax=JPEG2000Lossless),
    "codestream_larger_than_header": _each(_huge_codestream, transfer_syntax=JPEG2000Lossless),
    "codestream_of_many_tiles": _each(_many_tiles, transfer_syntax=JPEG2000Lossless),
    "frame_larger_than_header": _each(_huge_frame, transfer_syntax=JPEGLSLossless),
    "jpeg_2000_cut_short": _third(_cut_short, transfer_syntax=JPEG2000Lossless),
    "jpeg_ls_cut_short": _third(_cut_short, transfer_syntax=JPEGLSLossless),
    "jpeg_lossless_cut_short": _third(_cut_short, transfer_syntax=LOSSLESS_SV1),
    "rle_cut_short": _third(_cut_short, transfer_syntax=RLELossless),
    "video": _each(_other_syntax),
    "private_syntax": _bytes(_private_syntax),
    "one_bit_a_pixel": _each(lambda ds: setattr(ds, "BitsAllocated", 1)),
    "more_bits_than_there_are": _each(lambda ds: setattr(ds, "BitsStored", 24)),
    "long_private_elements": _each(_many_private),
    "long_private_elements_deflated": _each(
        _many_private, transfer_syntax=DeflatedExplicitVRLittleEndian
    ),
    "sequences_of_undefined_length": _each(_sequences),
    "trailing_padding": _each(_trailing_padding),
    "meta_information_that_lies": _lying_meta,
}
