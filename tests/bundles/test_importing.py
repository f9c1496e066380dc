"""What others trained becomes a bundle: nnU-Net's folders, weight files, and nothing that runs."""

import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from node.bundles.importing import Order, is_foreign
from node.bundles.shelf import Shelf
from node.cli import main as radnode
from node.rules.failures import Refusal
from tests.bundles.classifiers import halves
from tests.bundles.making import Block, describe

torch = pytest.importorskip("torch", reason="the extra torch is not installed")
unets = pytest.importorskip(
    "dynamic_network_architectures.architectures.unet", reason="nnU-Net's networks are not there"
)
from monai.inferers import SlidingWindowInferer  # noqa: E402

SPACING = (3.0, 2.0, 2.5)
ARCHITECTURE = {
    "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
    "arch_kwargs": {
        "n_stages": 2,
        "features_per_stage": [4, 8],
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": [[3, 3, 3], [3, 3, 3]],
        "strides": [[1, 1, 1], [2, 2, 2]],
        "n_conv_per_stage": [1, 1],
        "n_conv_per_stage_decoder": [1],
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    },
    "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
}
INTENSITIES = {
    "mean": 150.0,
    "std": 80.0,
    "percentile_00_5": 10.0,
    "percentile_99_5": 400.0,
}


def network():
    torch.manual_seed(7)
    return unets.PlainConvUNet(
        input_channels=1,
        n_stages=2,
        features_per_stage=[4, 8],
        conv_op=torch.nn.Conv3d,
        kernel_sizes=[[3, 3, 3]] * 2,
        strides=[[1, 1, 1], [2, 2, 2]],
        n_conv_per_stage=[1, 1],
        num_classes=3,
        n_conv_per_stage_decoder=[1],
        conv_bias=True,
        norm_op=torch.nn.InstanceNorm3d,
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=torch.nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
        deep_supervision=True,
    )


def results(folder, *, plans=None, labels=None, extra=None):
    """Write a folder as nnU-Net v2 leaves it, and give its network."""
    folder = folder / "Dataset007_Made/nnUNetTrainer__nnUNetPlans__3d_fullres"
    (folder / "fold_0").mkdir(parents=True)
    module = network()
    torch.save(
        {
            "network_weights": module.state_dict(),
            "optimizer_state": {"state": {}, "param_groups": [{"lr": np.float64(0.01)}]},
            "logging": {"ema_fg_dice": [np.float32(0.5), np.float64(0.6)]},
            "_best_ema": np.float64(0.6),
            "current_epoch": 1000,
            "init_args": {"configuration": "3d_fullres", "fold": 0},
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": (0, 1, 2),
            **(extra or {}),
        },
        folder / "fold_0/checkpoint_final.pth",
    )
    said = {
        "dataset_name": "Dataset007_Made",
        "plans_name": "nnUNetPlans",
        "transpose_forward": [0, 1, 2],
        "image_reader_writer": "SimpleITKIO",
        "foreground_intensity_properties_per_channel": {"0": INTENSITIES},
        "configurations": {
            "base": {
                "patch_size": [16, 32, 32],
                "spacing": list(SPACING),
                "normalization_schemes": ["CTNormalization"],
                "use_mask_for_norm": [False],
                "architecture": ARCHITECTURE,
            },
            "3d_fullres": {"inherits_from": "base", "batch_size": 2},
        },
    }
    said.update(plans or {})
    dataset = {
        "channel_names": {"0": "CT"},
        "labels": labels or {"background": 0, "liver_left": 1, "Leber_links_\u00fc": 2},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    (folder / "plans.json").write_text(json.dumps(said))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    return folder, module.eval()


@pytest.fixture
def image(tmp_path, small_head):
    """The head on the grid that the network was trained on, as a file."""
    voxels = small_head.voxels[20:60, 10:70, 5:75]
    picture = SimpleITK.GetImageFromArray(voxels)
    picture.SetSpacing(SPACING[::-1])
    picture.SetOrigin((-70.0, -60.0, 10.0))
    SimpleITK.WriteImage(picture, str(tmp_path / "head.nii.gz"))
    return tmp_path / "head.nii.gz", voxels


def order(source, case, **knobs):
    return Order(source, "made", case, **{"orientation": "SPL", **knobs})


def test_a_folder_of_nnunet_finds_what_its_network_finds(tmp_path, image, runner):
    folder, module = results(tmp_path)
    case, voxels = image
    assert is_foreign(folder)
    shelf = Shelf(tmp_path / "shelf")
    bundle = shelf.bring(order(folder, case), by="a test")
    assert not isinstance(bundle, Refusal), bundle
    with np.load(bundle.path / "golden/labels.npz") as arrays:
        found = arrays["labels"]
    grey = (np.clip(voxels.astype(np.float32), 10.0, 400.0) - 150.0) / 80.0
    module.decoder.deep_supervision = False
    inferer = SlidingWindowInferer((16, 32, 32), overlap=0.5, mode="gaussian", sigma_scale=0.125)
    with torch.inference_mode():
        scores = inferer(torch.from_numpy(grey)[None, None], module)
    expected = scores[0].argmax(dim=0).numpy()
    assert len(np.unique(expected)) == 3
    assert (found != expected).mean() < 1e-4
    assert [one.name for one in bundle.manifest.segments] == ["liver left", "Leber links u"]
    assert bundle.manifest.identity.intended_use == "research"
    assert "Every\nsegment is coded as tissue" in (bundle.path / "docs/README.md").read_text()
    turned = Block(voxels[::-1, :, ::-1], np.diag([1.0, 1.0, 1.0, 1.0]))
    turned.affine[:3, :3] = [[0, 0, -2.5], [0, 2.0, 0], [-3.0, 0, 0]]
    again = runner.predict(bundle, turned, tmp_path, 60.0)
    assert (again.labels[::-1, :, ::-1] != expected).mean() < 1e-4, "however an image lies"


MARK = Path(tempfile.gettempdir()) / f"this-must-not-run-{os.getpid()}"


class Bomb:
    def __reduce__(self):
        return os.system, (f"touch {MARK}",)


@pytest.mark.parametrize(
    ("knobs", "said", "words"),
    [
        ({"extra": {"logging": Bomb()}}, {}, "names posix.system"),
        ({}, {"orientation": ""}, "a guess may swap left and right"),
        ({}, {"fold": "3"}, "no checkpoint_final.pth of that fold; there is 0"),
        ({"labels": {"background": 0, "whole": [1, 2], "core": 2}}, {}, "overlap (regions)"),
        ({"plans": {"transpose_forward": None}}, {}, "plans.json or dataset.json lacks"),
        (
            {"plans": {"configurations": {"2d": {}}}},
            {},
            "no configuration 3d_fullres",
        ),
    ],
)
def test_what_cannot_be_imported_is_refused_in_words(tmp_path, image, knobs, said, words):
    folder, _ = results(tmp_path, **knobs)
    shelf = Shelf(tmp_path / "shelf")
    refusal = shelf.bring(order(folder, image[0], **said), by="a test")
    assert isinstance(refusal, Refusal)
    assert words in refusal.reason
    assert not MARK.exists()
    assert shelf.names() == []


@pytest.mark.parametrize("name", ["os.system", "torch.load", "torch.nn.Module.eval"])
def test_a_plan_names_layers_and_nothing_else(tmp_path, image, name):
    plans = {**ARCHITECTURE, "arch_kwargs": {**ARCHITECTURE["arch_kwargs"], "nonlin": name}}
    folder, _ = results(tmp_path)
    path = folder / "plans.json"
    said = json.loads(path.read_text())
    said["configurations"]["base"]["architecture"] = plans
    path.write_text(json.dumps(said))
    refusal = Shelf(tmp_path / "shelf").bring(order(folder, image[0]), by="a test")
    assert isinstance(refusal, Refusal)
    assert f"{name} is no layer of torch.nn" in refusal.reason


class Brighter(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([1.0]))

    def forward(self, image):
        return torch.cat([torch.full_like(image, 50.0), image * self.weight], dim=1)


def configs_of(folder, network_def):
    """Write the two files that say what a weight file is for."""
    (folder / "models").mkdir(parents=True)
    (folder / "models/none").write_text("")
    describe(folder, "models/none", network_def)
    return folder / "configs"


def test_torchscript_is_imported_through_the_command(tmp_path, image, capsys):
    torch.jit.script(Brighter()).save(tmp_path / "brighter.ts")
    configs = configs_of(tmp_path / "said", "by the engine")
    config = tmp_path / "config.yaml"
    config.write_text(f"models: {{dir: {tmp_path / 'shelf'}}}\n")
    said = ["models", "add", str(tmp_path / "brighter.ts"), "--config", str(config)]
    assert radnode(said) == 2
    assert "--case" in capsys.readouterr().err
    said += ["--name", "brighter", "--case", str(image[0]), "--configs", str(configs)]
    assert radnode(said) == 0
    assert "brighter 1.0 is on the shelf" in capsys.readouterr().out
    with np.load(tmp_path / "shelf/brighter/golden/labels.npz") as arrays:
        np.testing.assert_array_equal(arrays["labels"], image[1] > 50)


def test_a_checkpoint_is_made_a_state_dict(tmp_path, image):
    from monai.networks.nets import UNet

    said = {"spatial_dims": 3, "in_channels": 1, "out_channels": 2}
    said |= {"channels": [2, 4], "strides": [2]}
    saved = {"model": UNet(**said).state_dict(), "best": np.float64(0.7), "epoch": 3}
    torch.save(saved, tmp_path / "checkpoint.pth")
    configs = configs_of(tmp_path / "said", {"_target_": "UNet", **said})
    shelf = Shelf(tmp_path / "shelf")
    source = tmp_path / "checkpoint.pth"
    bundle = shelf.bring(order(source, image[0], configs=configs), by="a test")
    assert not isinstance(bundle, Refusal), bundle
    assert bundle.engine == "state_dict"


def test_a_whole_module_is_a_program_and_is_refused(tmp_path, image):
    torch.save(Brighter(), tmp_path / "whole.pt")
    configs = configs_of(tmp_path / "said", "by the engine")
    refusal = Shelf(tmp_path / "shelf").bring(
        order(tmp_path / "whole.pt", image[0], configs=configs), by="a test"
    )
    assert isinstance(refusal, Refusal)
    assert "names tests.bundles.test_importing.Brighter" in refusal.reason


def test_a_bundle_is_nothing_foreign(tmp_path):
    assert not is_foreign(halves(tmp_path / "halves"))
