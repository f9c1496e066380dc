"""A bundle says what it is; every complaint about it names the file and the key."""

import json

import pytest

from node.bundles import recognised
from node.bundles.manifest import Manifest, read_manifest
from node.engines import steps
from node.rules.nouns import Choose


@pytest.fixture
def change(make_bundle):
    """Change one of the two files of a little bundle and read it again."""

    def changed(file: str, edit) -> list[str]:
        folder = make_bundle()
        path = folder / "configs" / file
        content = json.loads(path.read_text())
        edit(content)
        path.write_text(json.dumps(content))
        found = read_manifest(folder)
        return [] if isinstance(found, Manifest) else found

    return changed


def test_a_good_bundle_is_understood(make_bundle):
    manifest = read_manifest(make_bundle(), "abc")
    assert isinstance(manifest, Manifest)
    assert manifest.identity.name == "bright"
    assert manifest.identity.bundle_hash == "abc"
    assert manifest.requirement.modalities == ("MR",)
    assert [segment.name for segment in manifest.segments] == ["Bright"]


def test_what_it_accepts_is_understood(make_bundle):
    folder = make_bundle()
    path = folder / "configs/metadata.json"
    content = json.loads(path.read_text())
    content["dicom"]["accept"] |= {
        "choose": "last",
        "tilted": True,
        "missing_slices": 2,
        "planes": ["axial", "coronal"],
        "cine": True,
        "variable_spacing": True,
        "extent_mm": {"HF": [120, 400]},
    }
    path.write_text(json.dumps(content))
    manifest = read_manifest(folder)
    assert isinstance(manifest, Manifest), manifest
    wanted = manifest.requirement
    assert wanted.choose is Choose.LAST
    assert (wanted.tilted, wanted.missing_slices) == (True, 2)
    assert wanted.planes == ("axial", "coronal")
    assert (wanted.cine, wanted.variable_spacing) == (True, True)
    assert wanted.extent_mm == {"HF": (120.0, 400.0)}


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda m: m.pop("version"), ["configs/metadata.json: version"]),
        (lambda m: m["dicom"].pop("accept"), ["dicom.accept"]),
        (lambda m: m["dicom"]["segments"][0].pop("type"), ["dicom.segments.0.type"]),
        (lambda m: m["dicom"]["segments"][0].update(label=0), ["dicom.segments.0.label"]),
        (lambda m: m["dicom"].update(intended_use="fun"), ["dicom.intended_use"]),
        (lambda m: m["dicom"].update(segmnets=[]), ["dicom.segmnets"]),
        (lambda m: m["dicom"].update(segments=[]), ["either segments or classes"]),
        (lambda m: m["dicom"].update(weights={"../../x.onnx": "0"}), ["../../x.onnx", "inside"]),
        (lambda m: m["dicom"].update(spacing_mm=[3, 1]), ["dicom.spacing_mm"]),
        (lambda m: m["dicom"].pop("accept"), ["dicom.accept is missing"]),
        (lambda m: m["dicom"]["accept"].update(choose="best"), ["dicom.accept.choose"]),
        (lambda m: m["dicom"]["accept"].update(missing_slices=-1), ["accept.missing_slices"]),
        (lambda m: m["dicom"]["accept"].update(planes=["slanted"]), ["dicom.accept.planes"]),
        (lambda m: m["dicom"]["segments"][0].update(expected_ml=[9, 3]), ["expected_ml of"]),
        (lambda m: m["dicom"]["segments"][0].update(expected_ml=[9]), ["expected_ml"]),
        (lambda m: m["dicom"]["accept"].update(extent_mm={"UP": [1, 2]}), ["accept.extent_mm"]),
        (lambda m: m["dicom"]["accept"].update(extent_mm={"HF": [9, 2]}), ["extent_mm.HF must"]),
        (lambda m: m["dicom"].update(segmnets=[]), ["dicom.segmnets is not a key that is known"]),
        (lambda m: m["dicom"]["segments"][0].update(rgb=[0, 300, 0]), ["dicom.segments.0.rgb.1"]),
        (lambda m: m["dicom"]["segments"][0].update(name="\u9aa8"), ["segments.0.name", "ASCII"]),
        (lambda m: m["dicom"]["segments"][0].update(name="a\\b"), ["segments.0.name", "ASCII"]),
        (lambda m: m.update(version="1\n"), ["version must be plain ASCII"]),
        (
            lambda m: m["dicom"]["segments"].append({**m["dicom"]["segments"][0], "label": 2}),
            ["dicom.segments: a name is used twice"],
        ),
    ],
)
def test_a_complaint_about_the_metadata_names_the_key(change, edit, words):
    complaints = change("metadata.json", edit)
    assert len(complaints) == 1, complaints
    assert all(word in complaints[0] for word in words)


def test_a_folder_whose_name_no_result_could_bear_is_told(make_bundle):
    folder = make_bundle()
    complaints = read_manifest(folder.rename(folder.with_name("\u809d\u810f")))
    assert complaints == ["\u809d\u810f: the folder's name is the model's, and must be plain ASCII"]


def transforms(config, which="preprocessing"):
    return config[which]["transforms"]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (
            lambda c: transforms(c).append({"_target_": "RandFlipd", "keys": "image"}),
            ["preprocessing.transforms.1", "RandFlipd is not recognised"],
        ),
        (
            lambda c: transforms(c).append({"_target_": "$__import__('os').system", "keys": "x"}),
            ["preprocessing.transforms.1", "is not recognised"],
        ),
        (
            lambda c: transforms(c).append(
                {"_target_": "Orientationd", "keys": "image", "axcodes": "RAR"}
            ),
            ["preprocessing.transforms.1.axcodes must be three letters"],
        ),
        (
            lambda c: transforms(c).append(
                {"_target_": "Resized", "keys": "image", "spatial_size": [8, 8, 8], "mode": "area"}
            ),
            ["preprocessing.transforms.1.mode must be trilinear or bilinear or nearest"],
        ),
        (
            lambda c: transforms(c).append(
                {"_target_": "Spacingd", "keys": "image", "pixdim": [0, 1, 1]}
            ),
            ["preprocessing.transforms.1.pixdim must be three numbers above 0"],
        ),
        (
            lambda c: transforms(c).append(
                {"_target_": "Resized", "keys": "image", "mode": "area"}
            ),
            ["Resized needs spatial_size"],
        ),
        (
            lambda c: transforms(c).append(
                {"_target_": "NormalizeIntensityd", "keys": "image", "divisor": "$1/0"}
            ),
            ["preprocessing.transforms.1.divisor must be a number, one for each channel, or null"],
        ),
        (
            lambda c: transforms(c).append(
                {"_target_": "NormalizeIntensityd", "keys": "image", "_disabled_": "$1 > 0"}
            ),
            ["preprocessing.transforms.1._disabled_"],
        ),
        (
            lambda c: transforms(c, "postprocessing").pop(0),
            ["postprocessing has no Invertd"],
        ),
        (
            lambda c: transforms(c, "postprocessing").pop(1),
            ["postprocessing has no AsDiscreted"],
        ),
        (lambda c: c.pop("inferer"), ["inferer must name a MONAI class"]),
        (
            lambda c: c.update(network_def={"_target_": "os.system", "command": "true"}),
            ["network_def: os.system is not one of monai.networks.nets"],
        ),
        (
            lambda c: c.update(network_def={"_target_": "UNet", "act": "$print('hello')"}),
            ["network_def.act must be plain"],
        ),
    ],
)
def test_a_complaint_about_the_recipe_names_the_place(change, edit, words):
    complaints = change("inference.json", edit)
    text = "; ".join(complaints)
    assert complaints
    assert all(complaint.startswith("configs/inference.json: ") for complaint in complaints)
    assert all(word in text for word in words), text


def test_what_is_recognised_is_what_the_pipeline_can_do():
    before = {name for name, known in recognised.PREPROCESSING.items() if not known.free}
    after = {name for name, known in recognised.POSTPROCESSING.items() if not known.free}
    assert {*before, recognised.PICTURE} == {*steps.SPATIAL, *steps.INTENSITY}
    assert after == {*steps.LABELS, "Invertd"}
