"""Says which image is meant, and which frame of it where it has many."""

from collections.abc import Iterable
from typing import TypeAlias

from pydicom.dataset import Dataset

from node.dicom.reading import text_of, values_of

Key: TypeAlias = tuple[str, int]
"""SOP Instance UID and frame number; 0 where the image has but one."""


def frame_of(image: Dataset) -> int | None:
    """Give which frame of its instance a source image is; None when it is all of it."""
    said = text_of(image, "ReferencedFrameNumber")
    return int(said) if said else None


def key_of(image: Dataset) -> Key:
    """Tell a source image from all others."""
    return text_of(image, "SOPInstanceUID"), frame_of(image) or 0


def meant(item: Dataset) -> Key:
    """Say which source image an item refers to: the first, if it refers to several frames."""
    frames = values_of(item, "ReferencedFrameNumber")
    return text_of(item, "ReferencedSOPInstanceUID"), int(frames[0]) if frames else 0


def reference(image: Dataset) -> Dataset:
    """Make an item that refers to a source image (PS3.3 10.3)."""
    item = _instance(image)
    number = frame_of(image)
    if number is not None:
        item.ReferencedFrameNumber = number
    return item


def referenced(images: Iterable[Dataset]) -> list[Dataset]:
    """Make items that refer to source images, one for each instance, with the frames meant."""
    made: dict[str, Dataset] = {}
    frames: dict[str, list[int]] = {}
    for image in images:
        uid, number = key_of(image)
        made.setdefault(uid, _instance(image))
        frames.setdefault(uid, []).append(number)
    for uid, item in made.items():
        if any(frames[uid]):
            item.ReferencedFrameNumber = sorted(set(frames[uid]))
    return list(made.values())


def instances_of(images: Iterable[Dataset]) -> list[Dataset]:
    """Make items that refer to the instances that source images are in, each of them once."""
    return [_instance(image) for image in once_each(images)]


def once_each(images: Iterable[Dataset]) -> list[Dataset]:
    """Give one source image of each instance."""
    return list({text_of(image, "SOPInstanceUID"): image for image in images}.values())


def _instance(image: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = text_of(image, "SOPClassUID")
    item.ReferencedSOPInstanceUID = text_of(image, "SOPInstanceUID")
    return item
