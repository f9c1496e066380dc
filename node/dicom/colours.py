"""Turns a picture in colours to grey: how bright each of its pixels is.

Ultrasound stills and screenshots come in colours though most of what they show is grey. A model
reads one value a pixel, so colours become their brightness (ITU-R BT.601), which is what Y is in
YBR_FULL and YBR_FULL_422 (PS3.3 C.7.6.3.1.2).
"""

import numpy as np

from node.dicom import decoding, pixels
from node.dicom.elements import MalformedError
from node.dicom.lookup import look_up
from node.dicom.pixels import UndecodableError, compressed, pixel_content
from node.dicom.reading import UNREADABLE
from node.dicom.scanning import Scan

_PARTS = np.array([0.299, 0.587, 0.114], np.float32)
_COLOURS = ("Red", "Green", "Blue")


def brightness(image: Scan) -> np.ndarray:
    """Give how bright the pixels of a picture in colours are.

    Returns:
        [rows, columns] float32, from 0 to 1.

    Raises:
        OSError: the file cannot be read.
        UndecodableError: its colours cannot be decoded.
    """
    try:
        if image.text("PhotometricInterpretation") == "PALETTE COLOR":
            return _of_palette(image)
        return _of_samples(image)
    except UNREADABLE as error:
        raise UndecodableError("the colours cannot be decoded") from error


def _of_palette(image: Scan) -> np.ndarray:
    """Look each pixel up in the three palettes (PS3.3 C.7.9)."""
    stored, header = pixels.stored(image), image.dataset()
    found = np.zeros(stored.shape, np.float32)
    for part, name in zip(_PARTS, _COLOURS, strict=True):
        descriptor = header[f"{name}PaletteColorLookupTableDescriptor"].value
        data = header[f"{name}PaletteColorLookupTableData"]
        entries, bits = look_up(stored, descriptor, data.value, little=image.little)
        found += part * entries / float((1 << bits) - 1)
    return found


def _of_samples(image: Scan) -> np.ndarray:
    photometric = image.text("PhotometricInterpretation")
    if image.whole("SamplesPerPixel", 1) != 3 or pixels.type_of(image) != np.uint8:
        raise MalformedError("it does not have three samples of a byte")
    if image.transfer_syntax not in pixels.NATIVE:
        frame = compressed(image)
        found = decoding.colours(image.transfer_syntax, frame, pixels.shape_of(image))
        # JPEG's own colour transformation is undone by its decoders, RLE knows none
        luminous = photometric.startswith("YBR_FULL") and image.transfer_syntax == decoding.RLE
    else:
        found = _native(image, photometric)
        luminous = photometric.startswith("YBR_FULL")
    if photometric not in _READ:
        raise MalformedError("its colours are of a kind that is not read")
    bright = found[..., 0].astype(np.float32) if luminous else found.astype(np.float32) @ _PARTS
    return bright / np.float32(255)


_READ = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


def _native(image: Scan, photometric: str) -> np.ndarray:
    """Read samples that are not compressed, pixel by pixel, plane by plane or subsampled."""
    rows, columns = pixels.shape_of(image)
    content = pixel_content(image)
    if photometric == "YBR_FULL_422":  # two of Y, then one each of the others (C.7.6.3.1.2)
        if columns % 2:
            raise MalformedError("its columns cannot be subsampled")
        pairs = np.frombuffer(content, np.uint8, rows * columns * 2).reshape(rows, -1, 4)
        return pairs[..., :2].reshape(rows, columns, 1)
    samples = np.frombuffer(content, np.uint8, rows * columns * 3)
    if image.whole("PlanarConfiguration", 0) == 1:
        return np.moveaxis(samples.reshape(3, rows, columns), 0, -1)
    return samples.reshape(rows, columns, 3)
