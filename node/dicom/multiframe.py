"""Takes objects that hold many images apart, so that each image is looked at like any other."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from node.dicom import cines, enhanced, mosaic, services
from node.dicom.elements import MalformedError
from node.dicom.pixels import UndecodableError
from node.dicom.reading import UNREADABLE
from node.dicom.scanning import Scan
from node.rules.failures import Refusal


def is_many(image: Scan) -> bool:
    """Say whether an object is to be taken apart."""
    kind = image.text("SOPClassUID")
    return kind in enhanced.SOP_CLASSES or cines.is_many(image) or mosaic.is_mosaic(image)


def apart(images: Iterable[Scan]) -> list[Scan] | Refusal:
    """Take apart what holds many frames, and leave single images as they are.

    Raises:
        OSError: a file cannot be read.
    """
    found: list[Scan] = []
    whole: list[Scan] = []
    for image in images:
        if not is_many(image):
            found.append(image)
            continue
        whole.append(image)
        if image.transfer_syntax == services.DEFLATED_LITTLE_ENDIAN:
            return _not_taken_apart(image, "its frames are deflated together")
        try:
            found += _parts_of(image)
        except (MalformedError, UndecodableError) as error:
            return _not_taken_apart(image, str(error))
        except UNREADABLE:
            return _not_taken_apart(image, "its header is damaged")
    return _not_all_parts(whole) or found


def _parts_of(image: Scan) -> list[Scan]:
    if mosaic.is_mosaic(image):
        return mosaic.tiles_of(image)
    return cines.frames_of(image) if cines.is_many(image) else enhanced.frames_of(image)


def _not_taken_apart(image: Scan, why: str) -> Refusal:
    what = "a mosaic of slices" if mosaic.is_mosaic(image) else "many frames"
    return Refusal(
        f"{services.name(image.text('SOPClassUID'))} with {what} cannot be read: {why}",
        advice="Have it sent again, uncompressed, or as single-frame images",
    )


def _not_all_parts(whole: Sequence[Scan]) -> Refusal | None:
    """Refuse a concatenation of which not all parts are there (PS3.3 C.7.6.16.1)."""
    parts: dict[str, list[Scan]] = defaultdict(list)
    for image in whole:
        if image.has("ConcatenationUID"):
            parts[image.text("ConcatenationUID")].append(image)
    for there in parts.values():
        total = max(image.whole("InConcatenationTotalNumber", 0) for image in there)
        if len(there) < total:
            return Refusal(
                f"the image was sent in {total} parts, of which {len(there)} are there",
                advice="Have the missing parts sent; the series is then looked at again",
            )
    return None
