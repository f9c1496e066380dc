"""How a volume lies in the patient: in which plane its slices are, and how far it reaches."""

import numpy as np

from node.dicom.volume import Volume
from node.rules.scoping import Extent

AXES = ("LR", "AP", "HF")
_PLANES = {"LR": "sagittal", "AP": "coronal", "HF": "axial"}


def extent_of(volume: Volume) -> Extent | None:
    """Measure a volume along the axes of the patient (LPS); None for one without a place there.

    An oblique volume is as long along an axis as the box that holds it.
    """
    if not volume.placed:
        return None
    sides = np.abs(volume.affine[:3, :3] * np.array(volume.voxels.shape))
    normal = np.abs(np.cross(volume.affine[:3, 1], volume.affine[:3, 2]))
    plane = _PLANES[AXES[int(np.argmax(normal))]]
    lengths = sides.sum(axis=1)
    return Extent(plane, {axis: float(mm) for axis, mm in zip(AXES, lengths, strict=True)})
