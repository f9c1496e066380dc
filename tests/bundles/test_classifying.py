"""A classification is what its bundle says: calibrated, of several networks and views, in doubt."""

import json

import numpy as np
import pytest

from node.bundles.compiling import Workshop, compile_bundle
from node.bundles.manifest import file_hash, read_manifest
from node.bundles.shelf import Shelf
from node.bundles.ways import Wish
from node.clock import SystemClock
from node.rules.doubting import Bound
from node.rules.failures import Refusal
from tests.bundles.classifiers import halves, picture
from tests.bundles.making import Block


def softmax(*scores):
    grown = np.exp(np.array(scores) - max(scores))
    return grown / grown.sum()


def entropy(probabilities):
    return float(-(probabilities * np.log(probabilities)).sum() / np.log(2))


@pytest.fixture
def classify(tmp_path, runner):
    shelf = Shelf(tmp_path / "shelf")

    def look(voxels, classification=None, **knobs):
        added = shelf.add(halves(tmp_path / "halves", classification, **knobs), by="a test")
        assert not isinstance(added, Refusal), added
        found = runner.predict(shelf.get("halves"), Block(voxels, np.eye(4)), tmp_path, 60.0)
        assert not isinstance(found, Refusal), found
        return found

    return look


def values(found):
    return np.array([found.probabilities["First half"], found.probabilities["Second half"]])


def test_a_network_of_pictures_sees_columns_first_as_monai_has_them(classify):
    found = classify(picture(3.0, 1.0))
    np.testing.assert_allclose(values(found), softmax(3.0, 1.0), atol=1e-6)
    assert found.scores["uncertainty"] == pytest.approx(entropy(softmax(3.0, 1.0)), abs=1e-6)
    energy = -np.log(np.exp(3.0) + np.exp(1.0))
    assert found.scores["out_of_distribution"] == pytest.approx(energy, abs=1e-5)
    assert "disagreement" not in found.scores


def test_the_temperature_divides_the_scores(classify):
    found = classify(picture(3.0, 1.0), {"temperature": 2.5})
    np.testing.assert_allclose(values(found), softmax(1.2, 0.4), atol=1e-6)


def test_views_are_averaged_and_their_disagreement_is_told(classify):
    found = classify(picture(3.0, 1.0), {"flips": [[0], [1]]})
    votes = [softmax(3.0, 1.0), softmax(1.0, 3.0), softmax(3.0, 1.0)]
    mean = np.mean(votes, axis=0)
    np.testing.assert_allclose(values(found), mean, atol=1e-6)
    expected = entropy(mean) - np.mean([entropy(vote) for vote in votes])
    assert found.scores["disagreement"] == pytest.approx(expected, abs=1e-6)


def test_an_ensemble_is_the_mean_of_its_networks(classify):
    found = classify(picture(3.0, 1.0), {"temperature": 2.0}, scales=(1.0, -0.5, 2.0))
    votes = [softmax(1.5, 0.5), softmax(-0.75, -0.25), softmax(3.0, 1.0)]
    np.testing.assert_allclose(values(found), np.mean(votes, axis=0), atol=1e-6)
    assert found.facts["networks"] == "3"
    assert found.scores["disagreement"] > 0.1


def test_features_are_held_against_those_of_the_training_images(classify):
    novelty = {"by": "features", "statistics": "features.npz", "most": 3.0}
    found = classify(picture(2.5, 1.0), {"out_of_distribution": novelty})
    np.testing.assert_allclose(values(found), softmax(2.5, 1.0), atol=1e-6)
    nearest = np.sqrt(4 * 0.5**2 + 1 * 1.0**2)
    assert found.scores["out_of_distribution"] == pytest.approx(nearest, abs=1e-5)


def test_a_network_of_volumes_is_averaged_over_views_too(classify):
    voxels = np.zeros((8, 6, 4), np.float32)
    voxels[:4] = 2.0
    found = classify(voxels, {"flips": [[0]]}, dimensions=3)
    np.testing.assert_allclose(values(found), [0.5, 0.5], atol=1e-6)
    assert found.scores["uncertainty"] == pytest.approx(1.0)
    assert found.scores["disagreement"] > 0.3


def test_bounds_are_read(tmp_path):
    said = {"uncertainty": {"most": 0.4}, "out_of_distribution": {"most": -1.0, "above": "mark"}}
    manifest = read_manifest(halves(tmp_path / "halves", said))
    assert manifest.sees_pictures
    assert manifest.classifying.bounds == {
        "uncertainty": Bound(0.4, "hold"),
        "out_of_distribution": Bound(-1.0, "mark"),
    }


def spoil(folder, change):
    path = folder / "configs/metadata.json"
    metadata = json.loads(path.read_text())
    change(metadata)
    path.write_text(json.dumps(metadata))


def said(**classification):
    return lambda metadata: metadata["dicom"].update(classification=classification)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (said(temperature=0.0), "classification.temperature is wrong"),
        (said(members=["models/another.xml"]), "models/another.xml not among dicom.weights"),
        (said(flips=[[2]]), "a picture has axes 0 and 1"),
        (
            said(out_of_distribution={"by": "features", "most": 1.0}),
            "features and statistics go together",
        ),
        (
            said(out_of_distribution={"by": "features", "statistics": "../out.npz", "most": 1.0}),
            "../out.npz is not inside the bundle",
        ),
        (
            said(out_of_distribution={"by": "features", "statistics": "LICENSE", "most": 1.0}),
            "LICENSE has no arrays means and precision",
        ),
        (
            lambda metadata: metadata["network_data_format"]["inputs"]["image"].update(
                spatial_shape=[8, 6, 4]
            ),
            "spatial_size is not that of a volume",
        ),
    ],
)
def test_what_does_not_fit_together_is_told(tmp_path, change, words):
    folder = halves(tmp_path / "halves")
    spoil(folder, change)
    refusal = Shelf(tmp_path / "shelf").add(folder, by="a test")
    assert isinstance(refusal, Refusal)
    assert words in refusal.reason


def test_scores_that_nothing_makes_probabilities_of_have_no_temperature(tmp_path):
    folder = halves(tmp_path / "halves", {"temperature": 2.0})
    path = folder / "configs/inference.json"
    inference = json.loads(path.read_text())
    inference["postprocessing"]["transforms"] = []
    path.write_text(json.dumps(inference))
    complaints = read_manifest(folder)
    assert any("temperature and energy need an Activationsd" in one for one in complaints)


def test_masks_on_pictures_are_refused_in_words(tmp_path):
    folder = halves(tmp_path / "halves")
    thing = {"value": "123037004", "scheme": "SCT", "meaning": "Anatomical Structure"}
    segment = {"label": 1, "name": "Lung", "category": thing, "type": thing, "rgb": [1, 2, 3]}
    spoil(folder, lambda m: (m["dicom"].pop("classes"), m["dicom"].update(segments=[segment])))
    assert any("masks on single pictures" in one for one in read_manifest(folder))


def in_three_channels(folder):
    """Have a bundle's network be a TorchScript one that sees three channels."""
    torch = pytest.importorskip("torch", reason="the extra torch is not installed")
    torch.manual_seed(1)
    layers = [torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(2)]
    net = torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(32, 2)).eval()
    for path in (folder / "models").iterdir():
        path.unlink()
    torch.jit.trace(net, torch.zeros(1, 3, 8, 6)).save(folder / "models/net.ts")

    def change(metadata):
        weights = {"models/net.ts": file_hash(folder / "models/net.ts")}
        metadata["dicom"].update(weights=weights, tolerance={"probability": 0.05})
        metadata["network_data_format"]["inputs"]["image"]["num_channels"] = 3

    spoil(folder, change)
    path = folder / "configs/inference.json"
    inference = json.loads(path.read_text())
    repeated = {"_target_": "RepeatChanneld", "keys": "image", "repeats": 3}
    inference["preprocessing"]["transforms"].append(repeated)
    path.write_text(json.dumps(inference))
    return folder


@pytest.mark.parametrize("precision", ["f32", "int8"])
def test_a_network_of_pictures_is_compiled(tmp_path, runner, precision):
    shelf = Shelf(tmp_path / "own/bundles")
    folder = in_three_channels(halves(tmp_path / "halves", {"flips": [[0]]}))
    assert not isinstance(shelf.add(folder, by="a test"), Refusal)
    shop = Workshop(shelf.compiled, runner, SystemClock(), 2, faster=0.0)
    reference = runner.predict(shelf.get("halves"), Block(picture(3, 1), np.eye(4)), tmp_path, 60)
    wish = Wish("openvino", precision)
    (record,) = compile_bundle(shelf.get("halves"), wish, shop, lambda _: None)
    assert record.passed, record
    found = runner.predict(shelf.get("halves"), Block(picture(3, 1), np.eye(4)), tmp_path, 60)
    assert found.facts["artefact"]
    assert found.facts["engine"].startswith("OpenVINO")
    np.testing.assert_allclose(values(found), values(reference), atol=0.05)
    assert reference.scores["disagreement"] > 0
    assert found.scores["disagreement"] == pytest.approx(reference.scores["disagreement"], abs=0.01)
