"""A compiled network is used only while it is the right one, whole, as right, and faster."""

import json
import shutil

import numpy as np
import pytest

from node.bundles import ways as ways_of_engines
from node.bundles.compiled import Compiled, key_of
from node.bundles.compiling import Workshop, compile_bundle
from node.bundles.gate import area
from node.bundles.machine import this_machine
from node.bundles.manifest import tree_hash
from node.bundles.runner import Runner
from node.bundles.shelf import Shelf
from node.bundles.ways import Wish, Wishes
from node.cli import main
from node.clock import SystemClock
from node.dicom.findings import Findings
from tests.bundles.making import Block, describe
from tests.bundles.networks import SIDE, brightness

ANY_SPEED = 0.0
BF16, INT8 = Wish("openvino", "bf16"), Wish("openvino", "int8")


def picture() -> np.ndarray:
    rows = np.indices((SIDE, SIDE, SIDE)).sum(axis=0)
    return ((rows % 7 > 2) * 80 + (rows % 5)).astype(np.int16)


@pytest.fixture
def make(tmp_path):
    """Put a little bundle on a shelf; give the shelf."""

    def place(above: float = 50.0, *, gain: float = 1.0, dicom: dict | None = None) -> Shelf:
        folder = tmp_path / "made" / "bright"
        shutil.rmtree(folder, ignore_errors=True)
        brightness(folder / "models/model.onnx", above, gain)
        describe(folder, "models/model.onnx")
        voxels = picture()
        np.savez_compressed(folder / "golden/bright.npz", voxels=voxels, affine=np.eye(4))
        millilitres = float((voxels > above).sum()) / 1000
        bounds = [millilitres * 0.98 - 0.001, millilitres * 1.02 + 0.001]
        case = {"input": "bright.npz", "volumes_ml": {"Bright": bounds}}
        (folder / "golden/cases.json").write_text(json.dumps({"cases": [case]}))
        metadata = json.loads((folder / "configs/metadata.json").read_text())
        metadata["dicom"].update(dicom or {})
        (folder / "configs/metadata.json").write_text(json.dumps(metadata))
        shelf = Shelf(tmp_path / "own" / "bundles")
        added = shelf.add(folder)
        assert not hasattr(added, "reason"), added
        return shelf

    return place


@pytest.fixture
def compile_it(runner):
    def go(shelf: Shelf, wish: Wish, faster: float = ANY_SPEED):
        said: list[str] = []
        shop = Workshop(shelf.compiled, runner, SystemClock(), 2, faster=faster)
        records = compile_bundle(shelf.get("bright"), wish, shop, said.append)
        return records, said

    return go


def look(shelf: Shelf, runner: Runner, tmp_path) -> Findings:
    found = runner.predict(shelf.get("bright"), Block(picture(), np.eye(4)), tmp_path, 60)
    assert isinstance(found, Findings), found
    np.testing.assert_array_equal(found.labels, picture() > 50)
    return found


class TestWhatStandsTheGate:
    @pytest.mark.parametrize("wish", [BF16, INT8, Wish("onnxruntime", "int8")], ids=str)
    def test_is_used_from_then_on_and_named_in_the_result(
        self, make, compile_it, runner, tmp_path, wish
    ):
        shelf = make()
        before = tree_hash(shelf.get("bright").path)
        (record,), _ = compile_it(shelf, wish)
        assert record.passed, record.why
        shelf = Shelf(tmp_path / "own/bundles", wishes=Wishes(wish))
        found = look(shelf, runner, tmp_path)
        assert found.facts["engine"].casefold().replace(" ", "").startswith(wish.engine)
        assert found.facts["precision"].startswith(wish.precision)
        assert found.facts["artefact"] == record.digest
        assert "fallback" not in found.facts
        assert tree_hash(shelf.get("bright").path) == before

    def test_its_record_holds_what_was_measured(self, make, compile_it):
        (record,), said = compile_it(make(), INT8)
        assert record.gate["dice"] == {"Bright": 1.0}
        assert record.gate["calibrated_on"] == 1
        assert record.gate["ms"] > 0
        assert record.gate["safer"] == "openvino f32"
        assert record.gate["speed_up"] > 0
        assert record.key["precision"] == "int8"
        assert said == [f"openvino int8: kept, {record.why}"]

    def test_its_figures_stand_on_a_page_beside_it(self, make, compile_it, capsys, tmp_path):
        shelf = make()
        (record,), _ = compile_it(shelf, INT8)
        page = (tmp_path / "own/compiled/bright/CARD.md").read_text()
        bundle = shelf.get("bright")
        for told in (
            *("openvino int8", "1.0000", "yes", str(record.gate["speed_up"]), record.made_at),
            *(record.key["engine"], record.digest[:16], bundle.sha256, record.key["device"]),
        ):
            assert told in page
        compile_it(make(above=79.9), BF16)
        page = (tmp_path / "own/compiled/bright/CARD.md").read_text()
        assert "openvino bf16 on" in page
        assert ": not kept, " in page
        config = tmp_path / "config.yaml"
        config.write_text(f"models: {{dir: {tmp_path / 'own/bundles'}}}\n")
        assert main(["models", "show", "bright", "--config", str(config)]) == 0
        assert "compiled/bright/CARD.md" in capsys.readouterr().out

    def test_is_not_built_a_second_time(self, make, compile_it):
        shelf = make()
        (first,), _ = compile_it(shelf, BF16)
        (second,), _ = compile_it(shelf, BF16)
        assert second == first

    def test_of_a_bundle_with_pytorch_weights_runs_without_pytorch(
        self, make_state_dict, runner, tmp_path
    ):
        shelf = make_state_dict()
        shop = Workshop(shelf.compiled, runner, SystemClock(), 2, faster=ANY_SPEED)
        wish = Wish("openvino", "f32")
        (record,) = compile_bundle(shelf.get("unet"), wish, shop, lambda _: None)
        assert record.passed, record.why
        assert record.gate["disagreement"] < 0.001
        found = runner.predict(shelf.get("unet"), Block(picture(), np.eye(4)), tmp_path, 60)
        assert found.facts["engine"].startswith("OpenVINO")


@pytest.fixture
def make_state_dict(tmp_path):
    """A bundle whose weights are a state dict of one of MONAI's networks, untrained."""
    torch = pytest.importorskip("torch")
    from monai.networks.nets import UNet

    def place() -> Shelf:
        arguments = {
            "spatial_dims": 3,
            "in_channels": 1,
            "out_channels": 2,
            "channels": [4, 8],
            "strides": [2],
        }
        torch.manual_seed(0)
        folder = tmp_path / "made" / "unet"
        (folder / "models").mkdir(parents=True)
        torch.save(UNet(**arguments).state_dict(), folder / "models/model.pt")
        describe(folder, "models/model.pt", {"_target_": "UNet", **arguments})
        path = folder / "configs/inference.json"
        inference = json.loads(path.read_text())
        inference["inferer"] = {
            "_target_": "SlidingWindowInferer",
            "roi_size": [SIDE, SIDE, SIDE],
        }
        path.write_text(json.dumps(inference))
        np.savez_compressed(folder / "golden/bright.npz", voxels=picture(), affine=np.eye(4))
        case = {"input": "bright.npz", "volumes_ml": {"Bright": [0.0, 5.0]}}
        (folder / "golden/cases.json").write_text(json.dumps({"cases": [case]}))
        shelf = Shelf(tmp_path / "own" / "bundles")
        added = shelf.add(folder)
        assert not hasattr(added, "reason"), added
        return shelf

    return place


class TestWhatDoesNotStandTheGate:
    def test_differs_too_much_and_the_reference_stays(self, make, compile_it, runner, tmp_path):
        # bf16 has eight bits for a number: 80 is told from 79.9 in f32 only
        shelf = make(above=79.9)
        (record,), said = compile_it(shelf, BF16)
        assert not record.passed
        assert "Bright" in record.why or "differ" in record.why
        assert not record.files
        assert said[0].startswith("openvino bf16: not kept, ")
        bundle = Shelf(tmp_path / "own/bundles").get("bright")
        assert bundle.ways == ()
        assert [unused for _, unused in shelf.records("bright")] == ["it did not stand the gate"]

    def test_is_stopped_by_a_bound_of_the_bundle(self, make, compile_it):
        lenient = {"tolerance": {"dice_loss": 1.0, "disagreement": 1.0}}
        (record,), _ = compile_it(make(above=79.9, dicom=lenient), BF16)
        assert not record.passed
        assert "mL, not within" in record.why

    def test_is_no_faster_and_the_safer_one_stays(self, make, compile_it):
        (record,), _ = compile_it(make(), BF16, faster=1000.0)
        assert not record.passed
        assert "no faster than openvino f32" in record.why

    def test_is_not_what_can_be_built_here_and_says_so(self, make, compile_it, tmp_path):
        shelf = make()
        records, _ = compile_it(shelf, Wish("tensorrt"))
        assert {record.why for record in records} == {"tensorrt is not installed here"}
        asked = Shelf(tmp_path / "own/bundles", wishes=Wishes(Wish("tensorrt")))
        (note,) = asked.get("bright").notes
        assert note.startswith("asked for tensorrt, which is not compiled for this machine")


class TestABox:
    """Windows over what is seen move; that has a gate of its own."""

    @pytest.fixture
    def boxed(self, make, tmp_path):
        def go(above: float) -> Shelf:
            shelf = make()
            folder = tmp_path / "made" / "bright"
            path = folder / "configs/inference.json"
            inference = json.loads(path.read_text())
            size = [SIDE, SIDE, SIDE]
            inference["inferer"] = {"_target_": "SlidingWindowInferer", "roi_size": size}
            path.write_text(json.dumps(inference))
            path = folder / "configs/metadata.json"
            metadata = json.loads(path.read_text())
            metadata["dicom"]["windows"] = {"box": {"above": above, "scores": [1.0, 0.0]}}
            path.write_text(json.dumps(metadata))
            added = shelf.add(folder)
            assert not hasattr(added, "reason"), added
            return shelf

        return go

    def test_that_hides_what_is_there_is_left_out_and_both_are_on_record(
        self, boxed, compile_it, runner, tmp_path
    ):
        (record,), _ = compile_it(boxed(1e6), BF16)
        assert record.passed, record.why
        assert not record.boxed
        assert "without the box, with which Bright has Dice" in record.why
        assert record.gate["dice"] == {"Bright": 1.0}
        assert record.gate["with the box"]["dice"] == {"Bright": 0.0}
        shelf = Shelf(tmp_path / "own/bundles", wishes=Wishes(BF16))
        (way,) = shelf.get("bright").ways
        assert not way.boxed
        assert look(shelf, runner, tmp_path).facts["artefact"] == record.digest

    def test_that_hides_nothing_is_used(self, boxed, compile_it, tmp_path):
        (record,), _ = compile_it(boxed(-5.0), BF16)
        assert record.passed, record.why
        assert record.boxed
        assert "with the box" not in record.gate


class TestTheCache:
    def artefact(self, tmp_path):
        return next((tmp_path / "own/compiled/bright").glob("*.bin"))

    def record(self, tmp_path):
        return next((tmp_path / "own/compiled/bright").glob("*.json"))

    def test_of_other_weights_is_stale(self, make, compile_it, runner, tmp_path):
        compile_it(make(), BF16)
        shelf = make(above=50.5)  # a newer version of the bundle
        assert shelf.get("bright").ways == ()
        assert shelf.records("bright")[0][1] == "made for another weights"
        assert "artefact" not in look(shelf, runner, tmp_path).facts

    def test_of_another_configuration_is_stale(self, make, compile_it):
        compile_it(make(), BF16)
        shelf = make(dicom={"tolerance": {"dice_loss": 0.0}})
        assert shelf.get("bright").ways == ()

    def test_of_another_machine_is_foreign(self, make, compile_it, tmp_path):
        shelf = make()
        (record,), _ = compile_it(shelf, BF16)
        bundle = shelf.get("bright")
        other = ways_of_engines.Machine("aarch64", frozenset({"asimd", "bf16"}))
        key = key_of(bundle, "openvino", "bf16", other)
        assert key.digest != record.digest
        text = self.record(tmp_path).read_text()
        (tmp_path / "own/compiled/bright" / f"{key.digest[:16]}.json").write_text(text)
        assert shelf.compiled.record(key, "bright") is None

    def test_of_another_engine_version_is_stale(self, make, compile_it, monkeypatch):
        shelf = make()
        compile_it(shelf, BF16)
        monkeypatch.setattr("node.bundles.compiled.engine_version", lambda _: "2027.1.0")
        assert shelf.get("bright").ways == ()
        assert shelf.records("bright")[0][1] == "made for another engine"

    def test_that_is_damaged_is_not_used_and_the_result_says_so(
        self, make, compile_it, runner, tmp_path
    ):
        shelf = make()
        compile_it(shelf, BF16)
        path = self.artefact(tmp_path)
        spoiled = bytearray(path.read_bytes())
        spoiled[len(spoiled) // 2] ^= 1
        path.write_bytes(spoiled)
        bundle = shelf.get("bright")
        assert bundle.ways == ()
        found = look(shelf, runner, tmp_path)
        assert found.facts["precision"] == "f32"
        assert "is not the file that was recorded" in found.facts["fallback"]

    def test_that_is_damaged_after_the_shelf_looked_is_not_opened(
        self, make, compile_it, runner, tmp_path
    ):
        shelf = make()
        compile_it(shelf, BF16)
        bundle = shelf.get("bright")
        runner.close()  # the gate has left it warm
        self.artefact(tmp_path).write_bytes(b"something else")
        found = runner.predict(bundle, Block(picture(), np.eye(4)), tmp_path, 60)
        assert found.facts["precision"] == "f32"
        assert "was changed" in found.facts["fallback"]

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda text: text[:40],
            lambda text: text.replace('"passed": true', '"passed": "yes"'),
            lambda text: text.replace('"precision": "bf16"', '"precision": "f32"'),
            lambda text: text.replace('"format": 1', '"format": 2'),
            lambda _: "[]",
        ],
        ids=["torn", "another type", "edited", "another format", "no record"],
    )
    def test_whose_record_cannot_be_believed_is_not_used(self, make, compile_it, tmp_path, spoil):
        shelf = make()
        compile_it(shelf, BF16)
        path = self.record(tmp_path)
        spoiled = spoil(path.read_text())
        assert spoiled != path.read_text()
        path.write_text(spoiled)
        assert shelf.get("bright").ways == ()

    def test_a_file_without_a_record_counts_for_nothing(self, make, compile_it, tmp_path):
        shelf = make()
        compile_it(shelf, BF16)
        self.record(tmp_path).unlink()  # as when the power went between file and record
        assert shelf.get("bright").ways == ()
        (record,), _ = compile_it(shelf, BF16)
        assert record.passed
        assert len(shelf.get("bright").ways) == 1

    def test_building_again_leaves_one_set_of_files(self, make, compile_it, tmp_path):
        shelf = make()
        compile_it(shelf, BF16)
        self.artefact(tmp_path).write_bytes(b"")
        compile_it(shelf, BF16)
        names = sorted(path.suffix for path in (tmp_path / "own/compiled/bright").iterdir())
        assert names == [".bin", ".json", ".md", ".xml"]

    def test_nothing_of_it_lies_in_the_bundle(self, make, compile_it, tmp_path):
        shelf = make()
        compile_it(shelf, BF16)
        assert shelf.names() == ["bright"]
        assert Compiled(tmp_path / "own/bundles").folder == tmp_path / "own/compiled"


def test_a_wish_for_a_machine_decides_what_is_compiled():
    plain = ways_of_engines.Machine("x86_64", frozenset({"avx2"}))
    card = ways_of_engines.Machine("x86_64", frozenset({"avx2"}), "NVIDIA L4, 8.9, 580.10")
    assert ways_of_engines.candidates(Wish(), "openvino", plain) == [("openvino", "f32")]
    assert ("tensorrt", "int8") in ways_of_engines.candidates(Wish(), "openvino", card)
    here = this_machine()
    assert here.architecture in here.device("openvino")


def test_with_a_card_the_shelf_says_what_would_put_it_to_use(make, monkeypatch, capsys, tmp_path):
    card = ways_of_engines.Machine("x86_64", frozenset({"avx2"}), "NVIDIA L4, 8.9, 580.10")
    make()
    config = tmp_path / "config.yaml"
    config.write_text(f"models: {{dir: {tmp_path / 'own/bundles'}}}\n")

    def said(verb):
        assert main(["models", *verb, "--config", str(config)]) == 0
        return capsys.readouterr().out

    assert "radnode models compile" not in said(["list"])
    monkeypatch.setattr("node.bundles.shelf.this_machine", lambda: card)
    for verb in (["list"], ["show", "bright"]):
        assert "TensorRT for NVIDIA L4, 8.9, 580.10 is not installed" in said(verb)
    monkeypatch.setattr("node.bundles.shelf.engine_version", lambda _: "11.4.0")
    advised = (
        "nothing of it is built for NVIDIA L4, 8.9, 580.10: run `radnode models compile bright`"
    )
    assert advised in said(["list"])
    config.write_text(f"models: {{dir: {tmp_path / 'own/bundles'}, engine: openvino}}\n")
    assert "models compile bright" not in said(["list"])


@pytest.mark.parametrize(
    ("values", "expected"), [([0.9, 0.1], 1.0), ([0.1, 0.9], 0.0), ([0.5, 0.5], 0.5)]
)
def test_the_area_under_the_curve_counts_pairs(values, expected):
    assert area(values, [True, False]) == expected
