"""Takes cines and nuclear images apart: objects of many frames without functional groups.

A cine (ultrasound, angiography, fluoroscopy) has frames in the order of time (PS3.3 C.7.6.5). A
nuclear image says by vectors to what each frame belongs: which energy window, detector, phase or
slice (C.8.4.8); one that was reconstructed also where its slices lie (C.8.4.15). Each frame gets
what is said of it under the names of single-frame images, and is looked at like one from there on.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.valuerep import format_number_as_ds

from node.dicom import items
from node.dicom.elements import MalformedError
from node.dicom.frame import Frame, pixels_of_frames
from node.dicom.items import Part
from node.dicom.scanning import Scan, numbers_in

CINES = {
    "1.2.840.10008.5.1.4.1.1.3.1": "US",
    "1.2.840.10008.5.1.4.1.1.3": "US",
    "1.2.840.10008.5.1.4.1.1.12.1": "XA",
    "1.2.840.10008.5.1.4.1.1.12.2": "RF",
}
"""SOP classes whose frames follow one another in time."""
NUCLEAR = "1.2.840.10008.5.1.4.1.1.20"
TIMES = ("PhaseVector", "RotationVector", "AngularViewVector", "TimeSliceVector")
"""What sets nuclear frames apart that were taken one after the other."""
_VECTORS = (
    *("EnergyWindowVector", "DetectorVector", "RRIntervalVector", "TimeSlotVector"),
    *("SliceVector", *TIMES),
)


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword  # noqa: S101 - our own tables
    return tag


_TAGS = {keyword: _tag(keyword) for keyword in _VECTORS}
_DETECTORS = _tag("DetectorInformationSequence")
_POSITION, _ORIENTATION = _tag("ImagePositionPatient"), _tag("ImageOrientationPatient")


def is_many(image: Scan) -> bool:
    """Say whether an object is a cine, or a nuclear image of several frames."""
    kind = image.text("SOPClassUID")
    return (kind in CINES or kind == NUCLEAR) and image.whole("NumberOfFrames", 1) > 1


def frames_of(image: Scan) -> list[Scan]:
    """Take a cine or a nuclear image apart.

    Returns:
        Its frames in the order of the object.

    Raises:
        MalformedError: it does not say to what each frame belongs, or has fewer than it says.
        UndecodableError: its size or kind of pixels is of none that is read here.
        OSError: the file cannot be read.
    """
    count = image.whole("NumberOfFrames", 1)
    lying = pixels_of_frames(image, count)
    said: Iterator[Mapping[int, bytes]] = iter([{}] * count)
    if image.text("SOPClassUID") == NUCLEAR:
        said = _said_of_each(image, count)
    return [Frame(image, number, next(said), there) for number, there in enumerate(lying, 1)]


def is_reconstructed(image: Scan) -> bool:
    """Say whether a nuclear image shows slices, and no projections (PS3.3 C.8.4.9.1.1.3)."""
    return image.values("ImageType")[2:3] in (("RECON TOMO",), ("RECON GATED TOMO",))


def _said_of_each(image: Scan, count: int) -> Iterator[Mapping[int, bytes]]:
    parts = dict(items.each(items.header_of(image)))
    vectors = {tag: _vector(parts[tag], count) for tag in _TAGS.values() if tag in parts}
    places = _Places(image, parts) if is_reconstructed(image) else None
    for number in range(count):
        said = {tag: vector[2 * number : 2 * number + 2] for tag, vector in vectors.items()}
        yield said if places is None else {**said, **places.of(said)}


def _vector(part: Part, count: int) -> bytes:
    if part.end - part.start < 2 * count:
        raise MalformedError("it does not say to what each frame belongs")
    return bytes(part.view[part.start : part.start + 2 * count])


class _Places:
    """Where the slices of a reconstruction lie: along the normal of each detector's first one."""

    def __init__(self, image: Scan, parts: Mapping[int, Part]) -> None:
        self._little = image.little
        step = image.number("SpacingBetweenSlices")
        if step is None or _TAGS["SliceVector"] not in parts or _DETECTORS not in parts:
            raise MalformedError("it does not say where its slices lie")
        self._step = step
        self._detectors = [dict(items.each(one)) for one in items.items(parts[_DETECTORS])]

    def of(self, said: Mapping[int, bytes]) -> Mapping[int, bytes]:
        """Give position and orientation of a frame, by its vectors.

        A positive spacing goes along rows x columns, a negative one against it (C.8.4.15.1.2).
        """
        detector = self._index(said, "DetectorVector")
        if not 0 <= detector < len(self._detectors):
            raise MalformedError("a frame is of a detector that is not described")
        described = self._detectors[detector]
        first, cosines = (
            np.array(self._numbers(described, tag, length))
            for tag, length in ((_POSITION, 3), (_ORIENTATION, 6))
        )
        away = np.cross(cosines[:3], cosines[3:]) * self._step * self._index(said, "SliceVector")
        position = "\\".join(format_number_as_ds(float(mm)) for mm in first + away)
        return {_POSITION: position.encode(), _ORIENTATION: items.value(described[_ORIENTATION])}

    def _index(self, said: Mapping[int, bytes], keyword: str) -> int:
        """Give what a vector says, counted from 0; 0 where there is no such vector."""
        value = said.get(_TAGS[keyword])
        return 0 if value is None else int.from_bytes(value, self._order) - 1

    @property
    def _order(self) -> Literal["little", "big"]:
        return "little" if self._little else "big"

    def _numbers(self, described: Mapping[int, Part], tag: int, length: int) -> tuple[float, ...]:
        raw = items.value(described[tag]) if tag in described else b""
        found = numbers_in(raw, "DS", self._little) if raw else None
        if found is None or len(found) != length:
            raise MalformedError("it does not say where its first slice lies")
        return found
