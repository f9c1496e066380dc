"""Real heads, the bundles of this repository, and small bundles made for one test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench import real_input
from node.bundles.runner import Runner
from node.bundles.shelf import Shelf
from node.dicom.volume import Volume, read_volume
from node.rules.nouns import InputRequirement
from tests.bundles.making import CACHE, MODELS, Block, describe


@pytest.fixture(scope="session")
def head_nifti() -> Path:
    try:
        return real_input.t1_head(CACHE)
    except real_input.UnreachableError as error:
        pytest.skip(f"no real head can be had: {error}")


@pytest.fixture(scope="session")
def heads(head_nifti, tmp_path_factory) -> dict[str, Path]:
    """The head as DICOM, in two planes: plane -> folder."""
    folder = tmp_path_factory.mktemp("heads")
    for plane in ("sagittal", "axial"):
        real_input.write_series(head_nifti, folder / plane, "MR", plane)
    return {plane: folder / plane for plane in ("sagittal", "axial")}


@pytest.fixture(scope="session")
def volumes(heads) -> dict[str, Volume]:
    found = {
        plane: read_volume(sorted(path.glob("*.dcm")), InputRequirement(("MR",)))
        for plane, path in heads.items()
    }
    assert all(isinstance(volume, Volume) for volume in found.values()), found
    return found


@pytest.fixture(scope="session")
def small_head() -> Block:
    """The head of brain_mask's golden case: 2 mm, slightly oblique."""
    with np.load(MODELS / "brain_mask" / "golden" / "head.npz") as arrays:
        return Block(arrays["voxels"], arrays["affine"])


@pytest.fixture
def runner() -> Iterator[Runner]:
    runner = Runner(threads=2)
    yield runner
    runner.close()


@pytest.fixture
def shelf(tmp_path) -> Shelf:
    """A copy of the repository's shelf, to be spoiled."""
    shutil.copytree(MODELS, tmp_path / "bundles")
    return Shelf(tmp_path / "bundles")


@pytest.fixture
def block() -> Block:
    """A small volume whose bright half is easily told."""
    voxels = np.zeros((6, 8, 10), dtype=np.int16)
    voxels[:, 4:, :] = 100
    return Block(voxels, np.diag([3.0, 2.0, 1.0, 1.0]))


@pytest.fixture
def make_bundle(tmp_path):
    """Make a little bundle of OpenVINO IR: channels are constants and multiples of the image."""
    import openvino
    from openvino import opset13 as ops

    def make(name: str = "bright", factors=(0.0, 1.0), channels: int = 1) -> Path:
        folder = tmp_path / "made" / name
        (folder / "models").mkdir(parents=True)
        image = ops.parameter([-1, channels, -1, -1, -1], np.float32, name="image")
        scores = [
            ops.multiply(image, ops.constant(np.float32(factor)))
            if factor
            else ops.add(
                ops.multiply(image, ops.constant(np.float32(0))), ops.constant(np.float32(50))
            )
            for factor in factors
        ]
        model = openvino.Model([ops.concat(scores, axis=1)], [image], name)
        openvino.save_model(model, folder / "models/model.xml", compress_to_fp16=False)
        describe(folder, "models/model.xml")
        return folder

    return make


@pytest.fixture
def put(tmp_path):
    """Put a made bundle on a shelf of its own and take it from there."""

    def place(folder: Path):
        made = Shelf(tmp_path / "own")
        added = made.add(folder)
        assert not hasattr(added, "reason"), added
        return made.get(folder.name)

    return place
