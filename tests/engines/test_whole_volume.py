"""From a CT series to its label map: what MONAI makes of a bundle, and what may be spared."""

import numpy as np
import pytest

from node.engines.pipeline import Pipeline
from tests.engines.test_streaming import (
    AFTER,
    AFTERS,
    BEFORE,
    GEOMETRIES,
    SHAPE,
    WINDOWS,
    axial,
    predict,
    step,
    volume,
)

torch = pytest.importorskip("torch", reason="the extra torch is not installed")
monai = pytest.importorskip("monai", reason="the extra torch is not installed")
from monai.bundle import ConfigParser  # noqa: E402
from monai.data import MetaTensor  # noqa: E402
from monai.inferers import SlidingWindowInferer  # noqa: E402


def monai_labels(before, windows, after, voxels, affine, network):
    """The whole bundle in MONAI: Compose, SlidingWindowInferer, Invertd, AsDiscreted."""
    config = [{"_target_": s["name"], "keys": "image", **s["arguments"]} for s in before]
    parser = ConfigParser({"preprocessing": {"_target_": "Compose", "transforms": config}})
    parser.parse()
    preprocessing = parser.get_parsed_content("preprocessing")
    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    image = MetaTensor(
        torch.from_numpy(voxels[np.newaxis].astype(np.float32)), torch.tensor(to_ras)
    )
    data = preprocessing({"image": image})
    inferer = SlidingWindowInferer(**windows["arguments"])
    with torch.inference_mode():
        scores = inferer(data["image"].as_tensor()[None], network)[0]
    data["pred"] = MetaTensor(scores.clone()).copy_meta_from(data["image"])
    for s in after:
        arguments = dict(s["arguments"])
        if s["name"] == "Invertd":
            arguments["transform"] = preprocessing
        data = getattr(monai.transforms, f"{s['name']}")(keys="pred", **arguments)(data)
    return data["pred"].numpy()


def network(seed=0, classes=3):
    torch.manual_seed(seed)
    net = torch.nn.Conv3d(1, classes, 5, padding=2)
    with torch.no_grad():
        net.bias[:] = -net(torch.full((1, 1, 9, 9, 9), 0.45))[0, :, 4, 4, 4] + net.bias
        net.weight *= 4
    return net


def as_predict(net):
    def run(batch):
        with torch.inference_mode():
            return net(torch.from_numpy(batch)).numpy()

    return run


LAYOUTS = {
    "gaussian": WINDOWS["arguments"],
    "constant": {"roi_size": [20, 16, 18], "overlap": 0.25, "mode": "constant"},
    "half": {"roi_size": [16, 16, 16], "overlap": 0.5, "mode": "gaussian", "sw_batch_size": 4},
    "padded": {"roi_size": [40, 16, 90], "overlap": 0.25, "mode": "gaussian"},
    "spanning an axis": {"roi_size": [-1, 16, 16], "overlap": 0.6, "mode": "gaussian"},
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("after", [AFTERS["scores"], AFTERS["probabilities"]], ids=["s", "p"])
def test_the_label_map_is_monais(after, layout):
    voxels, affine, net = volume(), axial(), network()
    windows = step("SlidingWindowInferer", **layout)
    ours, _ = Pipeline(BEFORE, windows, after).run(voxels, affine, as_predict(net))
    theirs = monai_labels(BEFORE, windows, after, voxels, affine, net)
    assert ours.shape == theirs.shape == (1, *SHAPE)
    assert (ours != theirs).sum() <= 3
    assert np.bincount(ours.ravel()).min() > 1000


@pytest.mark.parametrize("affine", GEOMETRIES.values(), ids=GEOMETRIES)
def test_the_label_map_is_monais_however_the_volume_lies(affine):
    voxels, net = volume(), network(1)
    ours, _ = Pipeline(BEFORE, WINDOWS, AFTER).run(voxels, affine, as_predict(net))
    theirs = monai_labels(BEFORE, WINDOWS, AFTER, voxels, affine, net)
    assert (ours != theirs).sum() <= 3


def test_labels_by_nearest_neighbour_are_monais():
    """But for places halfway between two voxels, which rounding sends to either side."""
    voxels, affine, net = volume(), axial((1.7, 0.83, 0.79)), network(2)
    after = AFTERS["nearest"]
    ours, _ = Pipeline(BEFORE, WINDOWS, after).run(voxels, affine, as_predict(net))
    theirs = monai_labels(BEFORE, WINDOWS, after, voxels, affine, net)
    assert (ours != theirs).mean() < 0.002


def body_in_air():
    """A body in air: a quarter of the volume is at -1000 HU exactly."""
    voxels = volume()
    voxels[voxels < -850] = -850
    voxels[:, :, :20] = -1000
    voxels[:, :30] = -1000
    return voxels


def counting(seen):
    def run(batch):
        seen.append(batch.copy())
        return predict(batch)

    return run


def spared(**kind):
    windows = {"roi_size": [12, 12, 12], "overlap": 0.25, "mode": "gaussian", **kind}
    return Pipeline(BEFORE, step("SlidingWindowInferer", **windows), AFTER)


@pytest.mark.parametrize("mode", ["gaussian", "constant"])
def test_windows_of_air_are_not_run_where_the_bundle_says_so(mode):
    voxels, affine = body_in_air(), axial()
    all_windows, run = [], []
    plain, _ = spared(mode=mode).run(voxels, affine, counting(all_windows))
    air = predict(np.zeros((1, 1, 12, 12, 12), np.float32))[0].mean(axis=(1, 2, 3))
    skip = {"below": -900, "scores": [float(score) for score in air]}
    skipping, _ = spared(mode=mode, skip=skip).run(voxels, affine, counting(run))
    assert 0 < len(run) < 0.7 * len(all_windows)
    assert all((window > 0).any() for window in run)
    assert (plain != skipping).mean() < 0.002


def test_what_is_stated_for_skipped_windows_is_what_they_get():
    voxels, affine = body_in_air(), axial()
    skipping, _ = spared(skip={"below": -900, "scores": [-50, 0, 50]}).run(voxels, affine, predict)
    assert (skipping[0, :, :20, :10] == 2).all()
    empty = np.full(SHAPE, -1000, np.int16)
    nothing, _ = spared(skip={"below": -900, "scores": [1, 0, 0]}).run(empty, affine, predict)
    assert not nothing.any()


def test_a_box_leaves_out_what_lies_around_the_body():
    voxels, affine = body_in_air(), axial()
    all_windows, run = [], []
    spared().run(voxels, affine, counting(all_windows))
    box = {"above": -900, "scores": [5, 0, 0]}
    boxed, _ = spared(box=box).run(voxels, affine, counting(run))
    assert 0 < len(run) < 0.7 * len(all_windows)
    assert not boxed[0, :, :28].any()
    assert (boxed[0, :, 32:, 22:] == 1).any()
    empty, _ = spared(box=box).run(np.full(SHAPE, -1000, np.int16), affine, predict)
    assert not empty.any()


def test_nothing_inside_the_box_is_left_out_where_the_body_wanders():
    voxels, affine = volume(), axial()
    voxels[voxels < -850] = -850
    for number in range(len(voxels)):
        air = np.ones(SHAPE[1:], bool)
        air[number // 3 : number // 3 + 20, 5:25] = False
        voxels[number][air] = -1000

    def voxelwise(batch):
        x = batch[:, 0]
        return np.stack([0.4 - x, x - 0.3, 0.5 * x], axis=1)

    plain, _ = spared().run(voxels, affine, voxelwise)
    stated = {"above": -900, "scores": [0.4, -0.3, 0]}
    boxed, _ = spared(box=stated).run(voxels, affine, voxelwise)
    np.testing.assert_array_equal(boxed, plain)
    assert len(np.unique(plain)) == 3


@pytest.mark.parametrize("known", [True, False])
def test_what_is_spared_is_spared_alike_while_slices_arrive(known):
    voxels, affine = body_in_air(), axial()
    for kind in ({"skip": {"below": -900, "scores": [1, 0, 0]}},
                 {"box": {"above": -900, "scores": [1, 0, 0]}}):  # fmt: skip
        chosen = spared(**kind)
        whole, _ = chosen.run(voxels, affine, predict)
        stream = chosen.stream(affine, SHAPE[1:], predict, len(voxels) if known else None)
        for number in np.random.default_rng(1).permutation(len(voxels)):
            stream.feed(int(number), voxels[number])
            stream.advance()
        np.testing.assert_array_equal(chosen.finish_stream(stream, affine, SHAPE), whole)


def test_windows_are_spared_only_where_grey_values_keep_their_unit():
    skip = {"below": -900, "scores": [1, 0, 0]}
    windows = step("SlidingWindowInferer", roi_size=[12, 12, 12], skip=skip)
    with pytest.raises(ValueError, match="whole volume"):
        Pipeline([*BEFORE[:2], step("NormalizeIntensityd")], windows, AFTER)


def test_scores_that_are_no_numbers_make_no_label_map():
    def broken(batch):
        out = predict(batch)
        out[0, 0, 3, 3, 3] = np.nan
        return out

    with pytest.raises(ArithmeticError):
        Pipeline(BEFORE, WINDOWS, AFTER).run(volume(), axial(), broken)
    with pytest.raises(ArithmeticError):
        Pipeline(BEFORE, step("SimpleInferer"), AFTER).run(volume(), axial(), broken)
