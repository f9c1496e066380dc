"""References in published bundles are put in place, nothing is evaluated, the rest is told."""

import json

import numpy as np
import pytest
import yaml

from node.bundles.configuration import misfed
from node.bundles.manifest import Manifest, file_hash, read_manifest
from node.bundles.recipe import Recipe, read_recipe
from node.bundles.referring import MOST_VALUES, resolved
from node.bundles.shelf import Shelf
from node.rules.failures import Refusal
from tests.bundles import zoo
from tests.bundles.making import Block, describe


@pytest.mark.parametrize("shape", zoo.PLAIN.values(), ids=zoo.PLAIN.keys())
def test_plain_bundles_of_the_zoos_shape_are_recognised(shape):
    recipe = read_recipe(shape(), labels=True)
    assert isinstance(recipe, Recipe), recipe
    assert recipe.network.name == "UNet"
    assert recipe.network.arguments["in_channels"] == 1
    assert "NormalizeIntensityd" not in [step.name for step in recipe.preprocessing][4:5]
    assert list(misfed(shape(), 1, by_monai=False)) == []


def value(text, **others):
    found = resolved({**others, "inferer": {"_target_": "X", "it": text}})
    return found["inferer"]["it"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@key", [1, {"sub": 2}]),
        ("$@key", [1, {"sub": 2}]),
        ("$ @key", [1, {"sub": 2}]),
        ("@key#1#sub", 2),
        ("@key::1::sub", 2),
        ("%key#0", 1),
        ("@again", [1, {"sub": 2}]),
        ("$None", None),
        ("$'x'", "x"),
        ("$(1, -2.5)", [1, -2.5]),
        ("$[1] if @on else [2]", [1]),
        ("$@key#0 if @off else 'no'", "no"),
        ("@component", "@component"),
        ("$@component", "@component"),
        ("$monai.utils.CommonKeys.PRED", "pred"),
    ],
)
def test_what_can_be_read_off_is_put_in_place(text, expected):
    keys = {"key": [1, {"sub": 2}], "again": "@key", "on": True, "off": False}
    assert value(text, component={"_target_": "Y"}, **keys) == expected


@pytest.mark.parametrize(
    "text",
    [
        "@nothing",
        "@key#7",
        "$len(@key)",
        "$@key + [1]",
        "$__import__('os').getcwd()",
        "$[x for x in @key]",
        "$1 if @key else 2",
        "$b'bytes'",
        "$1 +",
        "$(" * 300,
        "@round",
        "%other.json::key",
    ],
)
def test_everything_else_stays_the_text_that_it_is(text):
    assert value(text, key=[1], round="@around", around="@round") in (text, "@around", "@round")


def test_an_expression_is_never_run(tmp_path):
    mark = tmp_path / "it-ran"
    value(f"$open({str(mark)!r}, 'w').close()")
    value(f"$[1] if open({str(mark)!r}, 'w') else [2]")
    assert not mark.exists()


def test_few_lines_that_refer_to_each_other_a_million_times_end_soon():
    keys = {f"k{n}": [f"@k{n + 1}"] * 10 for n in range(12)}
    found = value("@k0", k12=1, **keys)
    assert len(json.dumps(found)) < 40 * MOST_VALUES


def test_a_step_that_is_switched_off_is_left_out():
    for said in (True, "true", "@off"):
        config = zoo.windowed() | {"off": True}
        config["preprocessing"]["transforms"][5]["_disabled_"] = said
        names = [one["_target_"] for one in resolved(config)["preprocessing"]["transforms"]]
        assert "NormalizeIntensityd" not in names
    config["preprocessing"]["transforms"][5]["_disabled_"] = "@on"
    names = [
        one["_target_"] for one in resolved(config | {"on": False})["preprocessing"]["transforms"]
    ]
    assert "NormalizeIntensityd" in names


def test_a_key_that_is_not_image_is_told():
    complaints = read_recipe(zoo.windowed() | {"image_key": "t2"}, labels=True)
    assert any("keys must be image" in one for one in complaints)


# ---- what one image is not enough for ---------------------------------------------------------


FOUR = "the network sees 4 channels and would get 1"


@pytest.mark.parametrize(
    ("shape", "words", "by_monai"),
    [
        (zoo.of_four_contrasts, FOUR, False),
        (zoo.of_four_contrasts, FOUR, True),
        (zoo.of_three_phases, "preprocessing reads artery, vein, late", True),
    ],
)
def test_several_images_in_one_are_refused_in_words(shape, words, by_monai):
    assert any(words in one for one in misfed(shape(), 1, by_monai=by_monai))


def test_channels_of_the_metadata_count_too():
    config = zoo.windowed()
    assert any("sees 2 channels" in one for one in misfed(config, 2, by_monai=False))
    repeated = {"_target_": "RepeatChanneld", "keys": "image", "repeats": 3}
    config["preprocessing"]["transforms"].append(repeated)
    config["input_channels"] = 3
    assert list(misfed(config, 3, by_monai=False)) == []


def test_labels_that_would_be_averaged_are_refused_with_the_remedy():
    complaints = read_recipe(zoo.of_averaged_labels(), labels=True)
    assert any("write nearest_interp true" in one for one in complaints)


# ---- from the file to the labels --------------------------------------------------------------


def make(folder, head, config, *, kind="json", weights="state", pipeline="own"):
    """Make a bundle with random weights; `weights` says how they are saved."""
    torch = pytest.importorskip("torch", reason="the extra torch is not installed")
    nets = pytest.importorskip("monai.networks.nets", reason="the extra torch is not installed")
    torch.manual_seed(3)
    (folder / "models").mkdir(parents=True)
    network = nets.UNet(3, 1, 2, [4, 8], [2], num_res_units=1, norm="batch").eval()
    file = "models/model.ts" if weights == "script" else "models/model.pt"
    if weights == "script":
        torch.jit.trace(network, torch.zeros(1, 1, 16, 16, 16)).save(folder / file)
    else:
        state = network.state_dict()
        torch.save({"model": state} if weights == "nested" else state, folder / file)
    describe(folder, file)
    (folder / "configs/inference.json").unlink()
    text = json.dumps(config) if kind == "json" else yaml.safe_dump(config)
    (folder / f"configs/inference.{kind}").write_text(text)
    path = folder / "configs/metadata.json"
    metadata = json.loads(path.read_text())
    metadata["dicom"] |= {"pipeline": pipeline, "orientation": "RAS"}
    path.write_text(json.dumps(metadata))
    assert metadata["dicom"]["weights"] == {file: file_hash(folder / file)}
    voxels = head.voxels[20:56, 20:60, 20:60]
    np.savez_compressed(folder / "golden/bright.npz", voxels=voxels, affine=head.affine)
    case = {"input": "bright.npz", "volumes_ml": {"Bright": [0.0, 1e6]}}
    (folder / "golden/cases.json").write_text(json.dumps({"cases": [case]}))
    return folder


@pytest.mark.parametrize("shape", ["windowed", "with options"])
def test_ours_finds_what_monai_finds(shape, tmp_path, small_head, runner):
    labels, part = [], Block(small_head.voxels[20:56, 20:60, 20:60], small_head.affine)
    for pipeline in ("own", "monai"):
        kind = "json" if shape == "windowed" else "yaml"
        config = zoo.PLAIN[shape]()
        make(tmp_path / "shelf" / pipeline, small_head, config, kind=kind, pipeline=pipeline)
        bundle = Shelf(tmp_path / "shelf").record(pipeline, by="a test")
        assert not isinstance(bundle, Refusal), bundle
        found = runner.predict(bundle, part, tmp_path, 300.0)
        assert not isinstance(found, Refusal), found
        labels.append(found.labels)
    assert 0.01 < (labels[0] > 0).mean() < 0.99
    assert (labels[0] != labels[1]).mean() < 2e-4


def test_weights_inside_a_checkpoint_are_found(tmp_path, small_head):
    from node.engines.torch_engine import with_state

    make(tmp_path / "shelf/nested", small_head, zoo.windowed(), weights="nested")
    bundle = Shelf(tmp_path / "shelf").record("nested", by="a test")
    assert not isinstance(bundle, Refusal), bundle
    with_state(bundle.weights, bundle.manifest.recipe.network.as_plain(), "cpu")


def test_torchscript_needs_no_network_that_can_be_read(tmp_path, small_head):
    config = zoo.windowed()
    config["network_def"] = {"_target_": "scripts.nets.Own", "in_channels": 1}
    folder = make(tmp_path / "script", small_head, config, weights="script")
    manifest = read_manifest(folder)
    assert isinstance(manifest, Manifest), manifest
    state = make(tmp_path / "state", small_head, config)
    assert any("scripts.nets.Own is not one of" in one for one in read_manifest(state))


def test_complaints_name_the_yaml_file(tmp_path, small_head):
    config = zoo.windowed()
    config["inferer"]["roi_size"] = "$[n for n in @roi]"
    folder = make(tmp_path / "yaml", small_head, config, kind="yaml")
    complaints = read_manifest(folder)
    assert complaints[0].startswith("configs/inference.yaml: inferer.roi_size must be")
    assert '"pipeline": "monai"' in complaints[-1]
    (folder / "configs/inference.yaml").write_text("a: [")
    assert read_manifest(folder)[0].startswith("configs/inference.yaml is not YAML")


def test_monais_own_labels_between_labels_are_refused(tmp_path, small_head):
    config = zoo.of_averaged_labels()
    folder = make(tmp_path / "averaged", small_head, config, pipeline="monai")
    added = Shelf(tmp_path / "shelf").add(folder, by="a test")
    assert isinstance(added, Refusal)
    assert "no whole numbers; is nearest_interp true?" in str(added)


def test_a_network_of_older_monai_is_built(tmp_path):
    torch = pytest.importorskip("torch", reason="the extra torch is not installed")
    pytest.importorskip("einops", reason="MONAI's Swin UNETR needs einops")
    from monai.networks import nets

    from node.engines.torch_engine import with_state

    arguments = {"in_channels": 1, "out_channels": 2, "feature_size": 12, "depths": [1, 1, 1, 1]}
    torch.save(nets.SwinUNETR(**arguments).state_dict(), tmp_path / "model.pt")
    said = {"name": "SwinUNETR", "arguments": {**arguments, "img_size": 96}}
    assert with_state(tmp_path / "model.pt", said, "cpu") is not None
