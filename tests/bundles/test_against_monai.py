"""The plain pipeline does to the numbers what MONAI does, transform by transform."""

import numpy as np
import pytest

from node.bundles.recipe import Step, _flat
from node.engines import inferer
from node.engines.pipeline import Pipeline
from node.engines.steps import PICTURE

torch = pytest.importorskip("torch", reason="the extra torch is not installed")
monai = pytest.importorskip("monai", reason="the extra torch is not installed")
pytest.importorskip("nibabel", reason="MONAI's Orientation needs nibabel")
pytest.importorskip("skimage", reason="MONAI's connected components need scikit-image")
from monai.bundle import ConfigParser  # noqa: E402
from monai.data import MetaTensor  # noqa: E402
from monai.inferers import SlidingWindowInferer  # noqa: E402

SIMPLE = {"name": "SimpleInferer", "arguments": {}}


def step(name, **arguments):
    return {"name": name, "arguments": arguments}


def composed(steps, key):
    """The same steps as MONAI's Compose."""
    config = [{"_target_": s["name"], "keys": key, **s["arguments"]} for s in steps]
    parser = ConfigParser({"chain": {"_target_": "Compose", "transforms": config}})
    parser.parse()
    return parser.get_parsed_content("chain")


def as_monai(block):
    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ block.affine
    voxels = torch.from_numpy(block.voxels[np.newaxis].astype(np.float32))
    return {"image": MetaTensor(voxels, torch.from_numpy(to_ras))}


BEFORE = {
    "orientation": [step("Orientationd", axcodes="RAS", labels=None)],
    "orientation the other way": [step("Orientationd", axcodes="SPL", labels=None)],
    "spacing": [step("Spacingd", pixdim=[1.47, 2.53, 3.07])],
    "spacing after orientation": [
        step("Orientationd", axcodes="LPS", labels=None),
        step("Spacingd", pixdim=[3.07, 1.71, 2.03], mode="bilinear", padding_mode="border"),
    ],
    "spacing by nearest": [step("Spacingd", pixdim=[3.3, 1.3, 2.2], mode="nearest")],
    "spacing, corners aligned": [
        step("Spacingd", pixdim=[1.47, 2.53, 3.07], align_corners=True, dtype="float32")
    ],
    "spacing that is there": [step("Spacingd", pixdim=[1.953125, 1.953125, 2.0])],
    "resize nearest-exact": [
        step("Resized", spatial_size=[64, 61, 97], mode="nearest-exact", align_corners=None)
    ],
    "resize nearest": [step("Resized", spatial_size=[150, 61, 33], mode="nearest")],
    "resize trilinear": [step("Resized", spatial_size=[64, 128, 200], mode="trilinear")],
    "resize trilinear, corners aligned": [
        step("Resized", spatial_size=[70, 30, 160], mode="trilinear", align_corners=True)
    ],
    "resize one axis": [step("Resized", spatial_size=[-1, 40, -1], mode="trilinear")],
    "spacing after resize": [
        step("Resized", spatial_size=[64, 64, 64], mode="trilinear"),
        step("Spacingd", pixdim=[2.03, 3.11, 4.07]),
    ],
    "scale": [step("ScaleIntensityd", minv=-1.0, maxv=2.0)],
    "scale by factor": [step("ScaleIntensityd", minv=None, maxv=None, factor=0.5)],
    "range": [step("ScaleIntensityRanged", a_min=50, a_max=300, b_min=0.0, b_max=1.0, clip=True)],
    "range without target": [step("ScaleIntensityRanged", a_min=50, a_max=300)],
    "percentiles": [
        step(
            "ScaleIntensityRangePercentilesd",
            lower=0.5,
            upper=99.5,
            b_min=0.0,
            b_max=1.0,
            clip=True,
        )
    ],
    "percentiles of each channel": [
        step(
            "ScaleIntensityRangePercentilesd",
            lower=5,
            upper=90,
            b_min=-1.0,
            b_max=1.0,
            channel_wise=True,
        )
    ],
    "z-score": [step("NormalizeIntensityd")],
    "z-score of what is there": [step("NormalizeIntensityd", nonzero=True)],
    "given mean and divisor": [step("NormalizeIntensityd", subtrahend=100.0, divisor=50.0)],
}


@pytest.mark.parametrize("steps", BEFORE.values(), ids=BEFORE.keys())
def test_preprocessing_equals_monai(steps, small_head):
    theirs = composed(steps, "image")(as_monai(small_head))["image"]
    plain = Pipeline(steps, SIMPLE, [])
    grid, _ = plain.prepare(small_head.voxels, small_head.affine)
    assert grid.voxels.shape == tuple(theirs.shape)
    np.testing.assert_allclose(grid.affine, theirs.affine.numpy(), atol=1e-6)
    spread = float(theirs.max() - theirs.min())
    np.testing.assert_allclose(grid.voxels, theirs.numpy(), atol=2e-5 * spread, rtol=0)


PICTURES = {
    "as it comes": [],
    "resize": [step("Resized", spatial_size=[33, 70], mode="bilinear")],
    "resize, corners aligned": [
        step("Resized", spatial_size=[120, 40], mode="bilinear", align_corners=True)
    ],
    "rows first": [step("Transposed", indices=[0, 2, 1])],
    "three channels, each by its own numbers": [
        step("RepeatChanneld", repeats=3),
        step(
            "NormalizeIntensityd",
            subtrahend=[0.4, 0.5, 0.6],
            divisor=[0.2, 0.3, 0.4],
            channel_wise=True,
        ),
    ],
    "each channel by its own mean": [
        step("RepeatChanneld", repeats=2),
        step("NormalizeIntensityd", channel_wise=True, nonzero=True),
    ],
}


@pytest.mark.parametrize("steps", PICTURES.values(), ids=PICTURES.keys())
def test_a_picture_is_prepared_as_monai_does(steps, small_head):
    """MONAI's readers give a picture as [columns, rows] (LoadImage, reverse_indexing=False)."""
    picture = small_head.voxels[30:31]
    seen = {"image": MetaTensor(torch.from_numpy(picture.astype(np.float32).swapaxes(1, 2)))}
    theirs = composed(steps, "image")(seen)["image"].numpy()
    flat = [_flat(Step(one["name"], one["arguments"])).as_plain() for one in steps]
    plain = Pipeline([step(PICTURE), *flat], SIMPLE, [])
    grid, _ = plain.prepare(picture, small_head.affine)
    shown = []
    plain.infer(grid, lambda batch: shown.append(batch) or batch)
    assert shown[0].shape == (1, *theirs.shape)
    spread = float(theirs.max() - theirs.min())
    np.testing.assert_allclose(shown[0][0], theirs, atol=2e-5 * spread, rtol=0)


@pytest.mark.parametrize("nearest", [True, False])
@pytest.mark.parametrize(
    "name",
    [name for name, steps in BEFORE.items() if steps[0]["name"][0] in "ORS" and "pac" in name]
    + ["orientation", "resize nearest-exact", "resize trilinear", "resize nearest"],
)
def test_the_way_back_equals_monai(name, nearest, small_head):
    steps = [step("Orientationd", axcodes="RAS", labels=None), *BEFORE[name]]
    there = composed(steps, "image")
    data = there(as_monai(small_head))
    shape = tuple(data["image"].shape[1:])
    scores = np.random.default_rng(7).random((2, *shape), dtype=np.float32)
    data["pred"] = MetaTensor(torch.from_numpy(scores)).copy_meta_from(data["image"])
    back = monai.transforms.Invertd(
        keys="pred", transform=there, orig_keys="image", nearest_interp=nearest
    )
    theirs = back(data)["pred"].numpy()
    invert = step("Invertd", transform="@preprocessing", orig_keys="image", nearest_interp=nearest)
    plain = Pipeline(steps, SIMPLE, [invert])
    _, undos = plain.prepare(small_head.voxels, small_head.affine)
    ours = plain.finish(scores, undos)
    assert ours.shape == theirs.shape == (2, *small_head.voxels.shape)
    if nearest or "nearest" in name:
        # the plane in the very middle lies halfway between two, and may go to either side
        assert (ours != theirs).mean() < 0.01
    else:
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def blobs(seed=3, classes=3):
    """Labels with islands, holes, and holes that open only over an edge or a corner."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((classes + 1, 9, 10, 11))
    coarse[0] += 0.5  # mostly background
    coarse[2, 1:7, 1:7, 1:7] += 0.9  # and one thick block with holes
    return np.kron(coarse, np.ones((3, 2, 3))).astype(np.float32)


AFTER = {
    "softmax": [step("Activationsd", softmax=True)],
    "sigmoid": [step("Activationsd", sigmoid=True)],
    "argmax": [step("AsDiscreted", argmax=True)],
    "threshold": [step("AsDiscreted", threshold=0.4)],
    "largest of each": [
        step("AsDiscreted", argmax=True),
        step("KeepLargestConnectedComponentd", applied_labels=[1, 2]),
    ],
    "largest by faces": [
        step("AsDiscreted", argmax=True),
        step("KeepLargestConnectedComponentd", connectivity=1),
    ],
    "two largest of all together": [
        step("AsDiscreted", argmax=True),
        step(
            "KeepLargestConnectedComponentd",
            applied_labels=[1, 3],
            independent=False,
            num_components=2,
            connectivity=1,
        ),
    ],
    "holes": [step("AsDiscreted", argmax=True), step("FillHolesd", applied_labels=[1, 2, 3])],
    "holes by faces": [
        step("AsDiscreted", argmax=True),
        step("FillHolesd", applied_labels=[2], connectivity=1),
    ],
}


@pytest.mark.parametrize("steps", AFTER.values(), ids=AFTER.keys())
def test_postprocessing_equals_monai(steps):
    scores = blobs()
    theirs = composed(steps, "pred")({"pred": MetaTensor(torch.from_numpy(scores.copy()))})["pred"]
    ours = Pipeline([], SIMPLE, steps).finish(scores, [])
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-6)


def test_the_blobs_have_something_to_fill_and_to_throw_away():
    found = Pipeline([], SIMPLE, AFTER["argmax"]).finish(blobs(), [])
    for name in ("largest by faces", "two largest of all together", "holes by faces"):
        assert (Pipeline([], SIMPLE, AFTER[name]).finish(blobs(), []) != found).any(), name


@pytest.mark.parametrize("mode", ["constant", "gaussian"])
@pytest.mark.parametrize(
    ("roi", "overlap"), [((32, 24, 40), 0.25), ((32, 24, 40), 0.6), ((100, 24, 300), 0.5)]
)
def test_the_sliding_window_equals_monai(mode, roi, overlap, small_head):
    image = small_head.voxels[np.newaxis, :60, :70, :80].astype(np.float32)
    torch.manual_seed(0)
    network = torch.nn.Conv3d(1, 3, 3, padding=1)
    theirs = SlidingWindowInferer(roi, sw_batch_size=2, overlap=overlap, mode=mode)

    def predict(batch):
        with torch.inference_mode():
            return network(torch.from_numpy(batch)).numpy()

    with torch.inference_mode():
        expected = theirs(torch.from_numpy(image[np.newaxis]), network)[0].numpy()
    arguments = {"roi_size": list(roi), "sw_batch_size": 2, "overlap": overlap, "mode": mode}
    ours = inferer.infer(image, predict, "SlidingWindowInferer", arguments)
    np.testing.assert_allclose(ours, expected, atol=1e-4 * np.abs(expected).max())
