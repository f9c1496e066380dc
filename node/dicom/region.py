"""Looks at the voxels of a volume for what cannot be a head: a cross-section of a trunk's size.

Deliberately little: it says CHEST or ABDOMEN only where nearly all planes across the body are far
larger than any head, and nothing everywhere else. A child's chest is as large as a head, a head may
come with the shoulders, a field of view may cut the body: none of these is ever told apart here.
The bound lies between what real volumes have: two heads 180 and 200 cm2, a chest 580 cm2.
"""

from typing import NamedTuple

import numpy as np
import SimpleITK

from node.dicom.volume import Volume

TRUNK_CM2 = 420.0
"""Larger than a section of any head; with the arms down, a grown-up's trunk is larger still."""
MOST_PLANES = 0.9
"""So large a part of the planes has to be a trunk's."""
LUNG = 0.12
"""So large a part of what lies within the skin is air in a chest; in an abdomen it is less."""
_LOOKED_AT_MM = 6.0
_PLANES_AT_LEAST = 8


class Region(NamedTuple):
    """What a volume shows: CHEST, ABDOMEN or "" where nobody can tell, and how sure that is.

    `score` is the part of the planes that are of a trunk's size, `section_cm2` the middle one of
    their sizes, `air` the part of them that is as dark as the air around.
    """

    name: str
    score: float
    section_cm2: float
    air: float


def region_of(volume: Volume) -> Region:
    """Look at planes across the body, head to feet, of a grown-up's size or not."""
    nobody = Region("", 0.0, 0.0, 0.0)
    up = int(np.argmax(np.abs(volume.affine[2, :3])))
    if not volume.placed or abs(volume.affine[2, up]) < 0.8 * np.linalg.norm(volume.affine[:3, up]):
        return nobody
    spacings = np.linalg.norm(volume.affine[:3, :3], axis=0)
    steps = [max(1, int(_LOOKED_AT_MM / spacing)) for spacing in spacings]
    seen = volume.voxels[tuple(slice(None, None, step) for step in steps)]
    planes = np.ascontiguousarray(np.moveaxis(seen, up, 0), np.float32)
    across = [axis for axis in range(3) if axis != up]
    pixel_cm2 = float(np.prod([spacings[axis] * steps[axis] for axis in across])) / 100
    if len(planes) < _PLANES_AT_LEAST or planes.min() == planes.max():
        return nobody
    edge = _between(planes)
    sizes, airs = zip(*(_section(plane > edge) for plane in planes), strict=True)
    sections = np.array(sizes) * pixel_cm2
    score, air = float((sections > TRUNK_CM2).mean()), float(np.median(airs))
    name = "" if score < MOST_PLANES else "CHEST" if air > LUNG else "ABDOMEN"
    return Region(name, score, float(np.median(sections)), air)


def _between(planes: np.ndarray) -> float:
    """Give a value between the air around and the body (Otsu), the same for all planes."""
    low, high = (float(end) for end in np.percentile(planes, (1, 99)))
    if low == high:
        return low
    image = SimpleITK.GetImageFromArray(np.clip(planes, low, high))
    chosen = SimpleITK.OtsuThresholdImageFilter()
    chosen.Execute(image)
    return float(chosen.GetThreshold())


def _section(body: np.ndarray) -> tuple[int, float]:
    """Give how many pixels the largest piece of a plane has with its holes, and holes' part."""
    image = SimpleITK.GetImageFromArray(body.astype(np.uint8))
    pieces = SimpleITK.RelabelComponent(SimpleITK.ConnectedComponent(image))
    largest = pieces == 1
    filled = SimpleITK.BinaryFillhole(largest, foregroundValue=1)
    whole = int(SimpleITK.GetArrayViewFromImage(filled).sum())
    solid = int(SimpleITK.GetArrayViewFromImage(largest).sum())
    return whole, (whole - solid) / whole if whole else 0.0
