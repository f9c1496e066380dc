"""Decodes one compressed frame by the fastest decoder that is right, and trusts none of them.

Which decoder was chosen for which transfer syntax, by measurement (`python -m bench.volume
--decoders`, each in turn, median CPU milliseconds of nine rounds on one shared core): slices of a
real chest CT, 512 x 512 with 16 bits; baseline with 8, HTJ2K with 12; extended is one real object
of 1024 x 256 with 12; what is not compressed by `python -m bench.volume`. All are exact (the lossy
ones: equal to each other).

| transfer syntax           | chosen        | ms   | the others, whole files                      |
|---------------------------|---------------|------|----------------------------------------------|
| native, little endian     | a read        | 0.1  | pydicom 0.6                                  |
| native, big endian        | a read, swap  | 0.1  | pydicom 0.7                                  |
| deflated                  | zlib          | 4    |                                              |
| RLE                       | pylibjpeg-rle | 0.6  | pydicom + it 1.0, pydicom 3.2, gdcm 10       |
| JPEG baseline             | Pillow        | 0.6  | pydicom + it 1.2, gdcm 1.3, SimpleITK 3.7    |
| JPEG extended             | gdcm          | 2.3  | Pillow: 8 bits only; SimpleITK 3.7           |
| JPEG lossless (57, 70)    | gdcm          | 4.4  | pydicom + it 5.1, SimpleITK 5.2              |
| JPEG-LS                   | pyjpegls      | 4.1  | gdcm 6.1, SimpleITK 7.4                      |
| JPEG 2000                 | openjpeg      | 26   | Pillow 27, gdcm 28, SimpleITK 29             |
| HTJ2K                     | openjpeg      | 2.7  | Pillow 5.0, gdcm 5.1, SimpleITK 7.7          |

None of these lets go of Python's lock while it decodes (two threads took as long as one), so
nothing is decoded in threads here; whoever has cores to spare decodes on arrival, in processes.
JPEG extended with 12 bits is read by gdcm when it is asked directly; through pydicom it is refused,
and the other decoder that there is for it is under the GPL.

In colours Pillow reads JPEG baseline, openjpeg JPEG 2000; lossless JPEG and JPEG-LS are refused.

Decoders believe what they are told: all that they are told is held against the codestream first
(`codestream`), since what they do with a lie is make up pixels, or end the process.
"""

import zlib  # noqa: F401 - before gdcm, see there
from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import Any

import jpeg_ls  # type: ignore[import-untyped]
import numpy as np
from openjpeg.utils import decode as decode_openjpeg
from PIL import Image, UnidentifiedImageError
from rle.rle import decode_segment  # type: ignore[import-not-found]

from node.dicom import codestream
from node.dicom.codestream import Codestream
from node.dicom.elements import PIXELS, MalformedError

RLE = "1.2.840.10008.1.2.5"
_JPEG = "1.2.840.10008.1.2.4."
_LOSSLESS, _LOSSLESS_SV1 = _JPEG + "57", _JPEG + "70"
_BASELINE, _EXTENDED = _JPEG + "50", _JPEG + "51"
_FEWEST_BITS = 8
"""With fewer gdcm ends the process."""
_RLE_PADDING = 16
"""Bytes by which a segment may be longer than the image."""


def grey(
    transfer_syntax: str, frame: bytes, shape: tuple[int, int], kind: np.dtype, used: int
) -> tuple[np.ndarray, int]:
    """Decode a frame with one sample a pixel.

    Args:
        transfer_syntax: its UID.
        frame: the bytes of all fragments.
        shape: rows and columns, as the header says.
        kind: the type of the stored values, as the header says.
        used: how many bits of them the header says are used.

    Returns:
        The values [rows, columns], and how many bits of them the codestream says are used (0 where
        it says nothing).

    Raises:
        MalformedError: it is damaged, or of another size than the header says.
    """
    if transfer_syntax == RLE:
        segments = run_lengths(frame, shape[0] * shape[1], kind.itemsize)
        return _joined(segments, kind).reshape(shape), 0
    decoder = _DECODERS.get(transfer_syntax)
    if decoder is None:
        raise MalformedError("its transfer syntax is not read")
    says = _looked_into(transfer_syntax, frame, shape, 1)
    return decoder(transfer_syntax, frame, says, kind, used), says.precision


def colours(transfer_syntax: str, frame: bytes, shape: tuple[int, int]) -> np.ndarray:
    """Decode a frame with three samples of a byte a pixel.

    JPEG baseline comes as red, green and blue; all others as they were put in.

    Returns:
        [rows, columns, 3] uint8.

    Raises:
        MalformedError: it is damaged, of another size, or of a kind that is not read in colours.
    """
    if transfer_syntax == RLE:
        return np.stack(run_lengths(frame, shape[0] * shape[1], 3), axis=-1).reshape(*shape, 3)
    says = _looked_into(transfer_syntax, frame, shape, 3)
    if says.precision != 8:
        raise MalformedError("its colours do not have eight bits")
    if transfer_syntax == _BASELINE:
        return _pillow(frame)
    if _DECODERS.get(transfer_syntax) is _openjpeg:
        decoded = decode_openjpeg(frame, _format_of(frame), reshape=False)
        return np.asarray(decoded, np.uint8).reshape(*shape, 3)
    raise MalformedError("colours in its transfer syntax are not read")


def _looked_into(
    transfer_syntax: str, frame: bytes, shape: tuple[int, int], samples: int
) -> Codestream:
    says = codestream.read(frame)
    if (says.rows, says.columns, says.samples) != (*shape, samples):
        raise MalformedError("its codestream is of another size than its header")
    if transfer_syntax in (_BASELINE, _EXTENDED) and says.precision not in (8, 12):
        raise MalformedError("its codestream is damaged")
    if transfer_syntax in (_LOSSLESS, _LOSSLESS_SV1) and says.precision < _FEWEST_BITS:
        raise MalformedError("its values have fewer bits than the decoder knows")
    return says


def significant(values: np.ndarray, used: int) -> np.ndarray:
    """Drop what lies above the bits that are used, such as overlays (PS3.5 8.1.1)."""
    unused = 8 * values.dtype.itemsize - used
    if unused <= 0:
        return values
    if not values.flags.writeable:
        values = values.copy()
    if values.dtype.kind == "u":
        values &= (1 << used) - 1
    else:
        values <<= unused
        values >>= unused
    return values


def run_lengths(frame: bytes, size: int, segments: int) -> list[np.ndarray]:
    """Decode run lengths (PS3.5 G): a segment for each byte of a pixel, the highest byte first.

    The decoder for whole frames is a little faster, but panics over segments that are too long.

    Returns:
        [size] uint8 of each segment, not to be written to.

    Raises:
        MalformedError: they are damaged, or do not have this size.
    """
    header = np.frombuffer(frame, "<u4", 16).tolist()
    if header[0] != segments:
        raise MalformedError("it has another number of segments than a pixel has bytes")
    ends = [*header[2 : 1 + segments], len(frame)]
    values = []
    for start, end in zip(header[1 : 1 + segments], ends, strict=True):
        if not 64 <= start < end <= len(frame):
            raise MalformedError("a segment is not where it should be")
        segment = decode_segment(frame[start:end])
        if not size <= len(segment) <= size + _RLE_PADDING:
            raise MalformedError("a segment has another length than the image")
        values.append(np.frombuffer(segment, np.uint8, size))
    return values


def _joined(segments: list[np.ndarray], kind: np.dtype) -> np.ndarray:
    """Make values of their bytes, the highest first: by arithmetic, which goes over memory once.

    Laying bytes side by side takes twenty times as long.
    """
    values = segments[0].astype(f"<u{kind.itemsize}")
    for segment in segments[1:]:
        values <<= 8
        values |= segment
    return values.view(kind)


def _pillow(frame: bytes, mode: str = "RGB") -> np.ndarray:
    """Decode JPEG as Pillow does, by the rules of JFIF and Adobe for what its colours are."""
    try:
        with Image.open(BytesIO(frame), formats=("JPEG",)) as picture:
            return np.asarray(picture.convert(mode))
    except (OSError, SyntaxError, UnidentifiedImageError) as error:
        raise MalformedError("its codestream is damaged") from error


def _container(says: Codestream, *, signed: bool) -> np.dtype:
    size = 1 if says.precision <= 8 else 2 if says.precision <= 16 else 4
    return np.dtype(f"<{'i' if signed else 'u'}{size}")


def _typed(values: np.ndarray, says: Codestream, kind: np.dtype) -> np.ndarray:
    """Take decoded values for signed or not as the header says; widen them where it is wider."""
    values = values.reshape(says.rows, says.columns)
    if kind.kind == "i" and values.dtype.kind == "u":
        values = values.view(f"<i{values.dtype.itemsize}")
        return significant(values, says.precision).astype(kind, copy=False)
    wider = max(kind.itemsize, values.dtype.itemsize)
    return values.astype(f"<{kind.kind}{wider}", copy=False)


def _jpeg_ls(_: str, frame: bytes, says: Codestream, kind: np.dtype, _used: int) -> np.ndarray:
    decoded, _facts = jpeg_ls.decode_pixel_data(frame)
    return _typed(np.frombuffer(decoded, _container(says, signed=False)), says, kind)


def _format_of(frame: bytes) -> int:
    return 0 if frame[:1] == b"\xff" else 2


def _openjpeg(_: str, frame: bytes, says: Codestream, kind: np.dtype, _used: int) -> np.ndarray:
    decoded = decode_openjpeg(frame, _format_of(frame), reshape=False)
    return _typed(decoded.view(_container(says, signed=says.signed)), says, kind)


def _jpeg(
    transfer_syntax: str, frame: bytes, says: Codestream, kind: np.dtype, _used: int
) -> np.ndarray:
    """Decode with gdcm, which ends the process over what it does not like before the scan."""
    plain = codestream.plain_jpeg(frame)
    return _typed(_by_gdcm(transfer_syntax, plain, says, kind), says, kind)


def _by_gdcm(transfer_syntax: str, frame: bytes, says: Codestream, kind: np.dtype) -> np.ndarray:
    """Decode a grey frame with gdcm, which is told of it what the codestream says."""
    gdcm = _gdcm()
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(frame)
    sequence = gdcm.SequenceOfFragments.New()
    sequence.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(PIXELS[-1]))
    element.SetValue(sequence.__ref__())
    signed = kind.kind == "i"
    container = _container(says, signed=signed)
    picture = gdcm.Image()
    picture.SetNumberOfDimensions(2)
    picture.SetDimensions((says.columns, says.rows, 1))
    picture.SetDataElement(element)
    picture.SetPhotometricInterpretation(
        gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2)
    )
    picture.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(transfer_syntax)))
    bits = says.precision
    picture.SetPixelFormat(gdcm.PixelFormat(1, 8 * container.itemsize, bits, bits - 1, int(signed)))
    decoded = picture.GetBuffer().encode("utf-8", "surrogateescape")
    if len(decoded) != says.rows * says.columns * container.itemsize:
        raise MalformedError("its codestream is damaged")
    return np.frombuffer(decoded, container)


@cache
def _gdcm() -> Any:  # noqa: ANN401 - a module without types
    """Load gdcm, after zlib and everything else that is loaded here.

    Its libraries bring a zlib and an openjpeg of their own under the usual names; what is loaded
    after them gets theirs, and the interpreter's zlib then damages memory.
    """
    import gdcm  # type: ignore[import-untyped]

    gdcm.Trace.WarningOff()
    gdcm.Trace.ErrorOff()
    return gdcm


def _jpeg_baseline(
    transfer_syntax: str, frame: bytes, says: Codestream, kind: np.dtype, used: int
) -> np.ndarray:
    """Decode eight bits with Pillow, which is faster; what only calls itself so, with gdcm."""
    if says.precision != 8:
        return _jpeg(transfer_syntax, frame, says, kind, used)
    return _typed(_pillow(frame, "L"), says, kind)


_Decoder = Callable[[str, bytes, Codestream, np.dtype, int], np.ndarray]
_DECODERS: dict[str, _Decoder] = {
    **dict.fromkeys([_EXTENDED, _LOSSLESS, _LOSSLESS_SV1], _jpeg),
    _BASELINE: _jpeg_baseline,
    **dict.fromkeys([_JPEG + "80", _JPEG + "81"], _jpeg_ls),
    **dict.fromkeys([_JPEG + "90", _JPEG + "91"], _openjpeg),
    **dict.fromkeys([_JPEG + "201", _JPEG + "202", _JPEG + "203"], _openjpeg),
}
