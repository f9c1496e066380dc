"""Every network of the workshop: shapes, gradients, and that an exported one answers the same."""

import numpy as np
import onnxruntime
import pytest
import torch

from models.networks import NETWORKS, build, decided_by_data
from models.networks.attention import CBAM3d

SMALL = {
    "unet": {"channels": [4, 8, 16], "num_res_units": 1},
    "dynunet": {"filters": [4, 8, 16]},
    "swin_unetr": {"feature_size": 12},
    "resnet18_3d": {"widen": 0.125},
    "cbam_resnet18_3d": {"widen": 0.125},
    "resnet50": {},
    "resnet50_cbam": {},
}
CASES = [(name, dims) for name in ("unet", "dynunet", "swin_unetr") for dims in (3, 2)]
CASES += [("resnet18_3d", 3), ("cbam_resnet18_3d", 3), ("resnet50", 2), ("resnet50_cbam", 2)]


def made(name, dims, **more):
    torch.manual_seed(0)
    options = {"in_channels": 2, "out_channels": 3, **SMALL[name], **more}
    if "unet" in name:
        options["spatial_dims"] = dims
    return build(name, options)


def image(name, dims):
    number, side = (1, 64) if name == "swin_unetr" else (2, 32)
    return torch.randn(number, 2, *[side] * dims)


def test_every_network_is_tried_here():
    assert {name for name, _ in CASES} == set(NETWORKS)


@pytest.mark.parametrize(("name", "dims"), CASES)
def test_logits_have_the_shape_that_is_promised_and_every_weight_learns(name, dims):
    network = made(name, dims).train()
    images = image(name, dims)

    logits = network(images)

    places = images.shape[2:] if "unet" in name else ()
    assert logits.shape == (len(images), 3, *places)
    (logits * torch.randn_like(logits)).sum().backward()
    idle = [
        key
        for key, weight in network.named_parameters()
        if weight.grad is None or not torch.isfinite(weight.grad).all()
    ]
    assert idle == []


@pytest.mark.parametrize(
    ("name", "dims"),
    [("unet", 3), ("unet", 2), ("cbam_resnet18_3d", 3), ("resnet50_cbam", 2)],
)
def test_an_exported_network_answers_the_same(name, dims, tmp_path):
    network = made(name, dims).eval()
    images = image(name, dims)[:1]
    file = tmp_path / "model.onnx"
    torch.onnx.export(network, (images,), file, dynamo=False, input_names=["image"])

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    there = session.run(None, {"image": images.numpy()})[0]

    with torch.no_grad():
        here = network(images).numpy()
    np.testing.assert_allclose(there, here, atol=1e-4)


def test_attention_weighs_between_nothing_and_all():
    block = CBAM3d(8)
    features = torch.randn(2, 8, 6, 7, 5) * 3

    channels, places = block.channel(features), block.space(features)

    assert channels.shape == (2, 8, 1, 1, 1)
    assert places.shape == (2, 1, 6, 7, 5)
    for weights in (channels, places):
        assert ((weights > 0) & (weights < 1)).all()
        assert weights.std() > 0
    torch.testing.assert_close(
        block(features), features * channels * block.space(features * channels)
    )


def test_attention_stands_after_every_stage():
    network = made("cbam_resnet18_3d", 3)
    assert [isinstance(getattr(network, f"layer{i}")[1], CBAM3d) for i in range(1, 5)] == [True] * 4
    plain = sum(p.numel() for p in made("resnet18_3d", 3).parameters())
    assert sum(p.numel() for p in network.parameters()) > plain


def test_the_picture_network_has_sixteen_attention_blocks():
    names = [type(layer).__name__ for layer in made("resnet50_cbam", 2).modules()]
    assert names.count("CbamModule") == 16


@pytest.mark.parametrize("name", ["resnet18_3d", "cbam_resnet18_3d", "resnet50"])
def test_group_norm_leaves_no_statistics_of_patients(name):
    buffers = dict(
        made(name, 0, norm="group", **({} if "50" in name else {"widen": 0.25})).named_buffers()
    )
    assert buffers == {}


def test_deep_supervision_answers_at_several_scales_while_training():
    network = made("dynunet", 3, deep_supervision=True)
    images = image("dynunet", 3)
    assert network.train()(images).shape == (2, 2, 3, 32, 32, 32)
    assert network.eval()(images).shape == (2, 3, 32, 32, 32)


def test_data_decide_channels_classes_and_dimensions():
    assert decided_by_data("unet", (1, 8, 8), 4) == {
        "in_channels": 1,
        "out_channels": 4,
        "spatial_dims": 2,
    }
    assert decided_by_data("resnet50", (3, 8, 8), 2) == {"in_channels": 3, "out_channels": 2}


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("vnet", {}, "no network is called vnet"),
        ("unet", {"in_channels": 1, "out_channels": 2, "layers": 3}, "layers"),
        ("unet", {"in_channels": 1}, "out_channels"),
        ("swin_unetr", {"in_channels": 1, "out_channels": 2, "feature_size": 13}, "feature_size"),
    ],
)
def test_a_wrong_option_is_named(name, options, text):
    with pytest.raises(ValueError, match=text):
        build(name, options)
