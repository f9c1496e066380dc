"""A phantom of a trunk with every organ of the anatomy table, so that no package is fetched."""

import numpy as np
import pytest
import SimpleITK
import torch
import yaml

from models.experiments.results import Given

ORGANS = {  # structure -> HU, box [z, y, x] in LPS voxels of 2 mm
    "lung_upper_lobe_left": (-850, np.s_[50:96, 12:60, 64:94]),
    "lung_upper_lobe_right": (-850, np.s_[50:96, 12:60, 6:36]),
    "heart": (150, np.s_[50:70, 12:40, 40:62]),
    "aorta": (200, np.s_[0:96, 42:50, 50:58]),
    "liver": (70, np.s_[4:48, 12:60, 6:46]),
    "spleen": (100, np.s_[4:48, 30:60, 74:94]),
    "kidney_left": (120, np.s_[8:24, 44:56, 62:72]),
    "kidney_right": (120, np.s_[4:8, 62:68, 8:40]),
    "autochthon_left": (40, np.s_[0:96, 68:74, 60:90]),
    "vertebrae_T8": (300, np.s_[0:96, 58:70, 44:58]),
}


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    """A file that names the phantom; its image has noise of 20 HU."""
    folder = tmp_path_factory.mktemp("phantom")
    hu, labels = np.full((96, 80, 100), -1000, np.int16), np.zeros((96, 80, 100), np.uint8)
    hu[:, 6:76, 3:97] = 30
    for number, (level, box) in enumerate(ORGANS.values(), start=1):
        hu[box], labels[box] = level, number
    hu += np.random.default_rng(0).normal(0, 20, hu.shape).astype(np.int16)
    for name, array in (("image", hu), ("labels", labels)):
        image = SimpleITK.GetImageFromArray(array)
        image.SetSpacing((2.0, 2.0, 2.0))
        SimpleITK.WriteImage(image, str(folder / f"{name}.nii.gz"))
    table = {
        "patient": "phantom",
        "image": {"nifti": str(folder / "image.nii.gz")},
        "labels": {"nifti": str(folder / "labels.nii.gz")},
        "names": dict(enumerate(ORGANS, start=1)),
    }
    (folder / "sources.yaml").write_text(yaml.safe_dump([table]))
    return folder / "sources.yaml"


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def given(cache, tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Given(1, cache, tmp_path, 1, quick=True)
    torch.set_num_threads(before)
