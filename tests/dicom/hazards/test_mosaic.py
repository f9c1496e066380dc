"""Mosaics lie where another library, which found out how they are laid, has them."""

import warnings

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it calls itself experimental
    from nibabel.nicom import dicomwrappers

from node.dicom.volume import Volume, read_volume
from node.rules.nouns import InputRequirement
from tests.dicom.hazards.mosaics import MAKERS


@pytest.mark.parametrize("name", ["mosaic", "mosaic_downwards", "mosaic_coronal", "mosaic_of_25"])
def test_every_voxel_is_where_nibabel_has_it(tmp_path, name):
    (path,) = MAKERS[name](tmp_path)
    volume = read_volume([path], InputRequirement(("MR",)))
    assert isinstance(volume, Volume)
    theirs = dicomwrappers.wrapper_from_file(path)
    assert isinstance(theirs, dicomwrappers.MosaicWrapper)
    voxels = np.asarray(theirs.get_data())
    assert voxels.size == volume.voxels.size
    back = np.linalg.inv(volume.affine)
    rng = np.random.default_rng(7)
    for index in rng.integers(0, voxels.shape, (300, 3)):
        there = back @ theirs.affine @ [*index, 1]
        ours = there[:3].round().astype(int)
        assert there[:3] == pytest.approx(ours, abs=1e-3)
        assert volume.voxels[tuple(ours)] == voxels[tuple(index)]
