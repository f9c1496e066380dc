"""Reads an image as the node does, and lays a reference label map onto its grid."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK
from scipy import ndimage

from node.bundles.manifest import Manifest
from node.dicom.volume import read_volume
from node.rules.failures import Refusal

UNKNOWN = 65535
"""Stands in a reference where its file does not reach."""


class UnfitImageError(ValueError):
    """A file is no volume that can be used."""


@dataclass(frozen=True, slots=True)
class Image:
    """Voxels [slices, rows, columns], affine 4 x 4 to LPS mm; `modality` where the file says it.

    `from_dicom` says that it passed the node's own gate, as in clinic.
    """

    voxels: np.ndarray
    affine: np.ndarray
    from_dicom: bool = False
    modality: str = ""

    @property
    def voxel_ml(self) -> float:
        """The volume of one voxel in millilitres."""
        return abs(float(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance of neighbours along (slices, rows, columns)."""
        first, second, third = (float(n) for n in np.linalg.norm(self.affine[:3, :3], axis=0))
        return first, second, third


def read_image(path: Path, manifest: Manifest) -> Image | Refusal:
    """Read a DICOM series through the node's gate, or an image file that SimpleITK reads.

    Raises:
        UnfitImageError: the file is no three-dimensional image of one value a voxel.
    """
    if not path.is_dir():
        voxels, affine = read_file(path)
        modalities = manifest.requirement.modalities
        return Image(voxels, affine, modality=modalities[0] if len(modalities) == 1 else "")
    files = [file for file in sorted(path.rglob("*")) if file.is_file()]
    volume = read_volume(files, manifest.requirement)
    if isinstance(volume, Refusal):
        return volume
    modality = str(volume.sources[0].get("Modality", ""))
    return Image(np.asarray(volume.voxels), np.asarray(volume.affine), True, modality)  # noqa: FBT003


def read_file(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read an image file (NIfTI, NRRD, MetaImage).

    Returns:
        Voxels [slices, rows, columns], int16 where they are whole and fit, else float32; and the
        affine to LPS millimetres.

    Raises:
        UnfitImageError: it is no volume of one value a voxel.
    """
    try:
        image = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        raise UnfitImageError(f"{path.name} is no image that can be read") from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise UnfitImageError(f"{path.name} is no volume of one value a voxel")
    affine = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    affine[:3, :3] = (direction * image.GetSpacing())[:, ::-1]  # to (slice, row, column)
    affine[:3, 3] = image.GetOrigin()
    voxels = SimpleITK.GetArrayFromImage(image)
    whole = np.array_equal(voxels, np.rint(voxels)) and np.abs(voxels).max(initial=0) < 2**15
    return voxels.astype(np.int16 if whole else np.float32), affine


def read_reference(
    path: Path, mapping: Mapping[int, str], labels: Mapping[str, int], image: Image
) -> np.ndarray:
    """Give a reference on the image's grid, in the bundle's own labels.

    Args:
        path: a label map.
        mapping: its values to names of segments; other values are background.
        labels: names of segments to the bundle's labels.
        image: gives the grid.

    Returns:
        [slices, rows, columns] of uint16, `UNKNOWN` where the file does not reach.

    Raises:
        UnfitImageError: it cannot be read.
    """
    values, affine = read_file(path)
    placed = onto(values.astype(np.int32), affine, image, outside=-(2**30))
    found = np.zeros(placed.shape, dtype=np.uint16)
    for value, name in mapping.items():
        found[placed == value] = labels[name]
    found[placed == -(2**30)] = UNKNOWN
    return found


def onto(values: np.ndarray, affine: np.ndarray, image: Image, outside: int = 0) -> np.ndarray:
    """Bring a label map to the grid of an image by nearest neighbours.

    Args:
        values: [slices, rows, columns].
        affine: of the label map, to LPS millimetres.
        image: gives the grid.
        outside: what stands where the label map does not reach.
    """
    if values.shape == image.voxels.shape and np.allclose(affine, image.affine, atol=1e-3):
        return values
    there = np.linalg.inv(affine) @ image.affine
    return np.asarray(
        ndimage.affine_transform(
            values, there[:3, :3], there[:3, 3], image.voxels.shape, order=0, cval=outside
        )
    )
