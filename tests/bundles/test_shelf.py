"""What may run and what may not: nobody changes a model behind the shelf's back."""

import json
import os
import pickle
import zipfile
from pathlib import Path

import pytest

from node.bundles import examining, standing
from node.bundles.manifest import Bundle
from node.bundles.shelf import Shelf
from node.rules.failures import Fault, Refusal
from tests.bundles.making import MODELS, describe


class TestTheShelfOfThisRepository:
    def test_every_bundle_is_fit_to_run(self):
        shelf = Shelf(MODELS)
        names = ["brain_mask", "ct_organs", "modality_check"]
        assert shelf.names() == names
        assert {name: shelf.fitness(name) for name in names} == {name: [] for name in names}

    @pytest.mark.parametrize("name", ["brain_mask", "ct_organs", "modality_check"])
    def test_every_golden_case_comes_out_right(self, name):
        assert Shelf(MODELS).check_golden(name) == []

    def test_a_bundle_bears_the_hash_that_is_on_record(self):
        shelf = Shelf(MODELS)
        bundle = shelf.get("brain_mask")
        assert isinstance(bundle, Bundle)
        recorded = json.loads((MODELS / "shelf.json").read_text())["brain_mask"]["sha256"]
        assert bundle.manifest.identity.bundle_hash == recorded == shelf.recorded_hash("brain_mask")


class TestTampering:
    def test_changed_weights_make_a_bundle_unfit(self, shelf, tmp_path):
        weights = tmp_path / "bundles/brain_mask/models/model.onnx"
        content = bytearray(weights.read_bytes())
        content[1_000_000] ^= 1
        weights.write_bytes(content)
        problems = shelf.fitness("brain_mask")
        assert any("models/model.onnx" in p and "sha256" in p for p in problems)
        assert any("not the bundle that was recorded" in p for p in problems)

    def test_a_changed_configuration_makes_a_bundle_unfit(self, shelf, tmp_path):
        config = tmp_path / "bundles/brain_mask/configs/inference.json"
        config.write_text(config.read_text().replace('"upper": 99.5', '"upper": 99.0'))
        refusal = shelf.get("brain_mask")
        assert isinstance(refusal, Refusal)
        assert refusal.fault is Fault.MODEL
        assert "not the bundle that was recorded" in refusal.reason

    def test_an_added_file_makes_a_bundle_unfit(self, shelf, tmp_path):
        (tmp_path / "bundles/brain_mask/docs/extra.txt").write_text("hello")
        assert shelf.fitness("brain_mask")

    def test_byte_code_that_python_left_behind_does_not(self, shelf, tmp_path):
        left = tmp_path / "bundles/brain_mask/scripts/__pycache__"
        left.mkdir(parents=True)
        (left / "x.cpython-311.pyc").write_bytes(b"x")
        assert shelf.fitness("brain_mask") == []

    def test_a_symbolic_link_makes_a_bundle_unfit(self, shelf, tmp_path):
        (tmp_path / "bundles/brain_mask/docs/link").symlink_to("/etc/hostname")
        assert any("docs/link" in problem for problem in shelf.fitness("brain_mask"))

    def test_a_bundle_without_record_is_unfit(self, shelf, tmp_path):
        (tmp_path / "bundles/shelf.json").unlink()
        assert any("not on record" in problem for problem in shelf.fitness("brain_mask"))

    def test_a_name_cannot_lead_out_of_the_shelf(self, shelf):
        assert shelf.fitness("../bundles/brain_mask")
        assert shelf.fitness("")
        assert shelf.fitness("no_such_model")


class TestPickles:
    @pytest.fixture
    def folder(self, make_bundle) -> Path:
        folder = make_bundle()
        for path in (folder / "models").iterdir():
            path.unlink()
        return folder

    def unfit(self, folder: Path, content: bytes) -> str:
        (folder / "models/model.pt").write_bytes(content)
        describe(folder, "models/model.pt")
        refusal = Shelf(folder.parent).record(folder.name)
        assert isinstance(refusal, Refusal)
        return refusal.reason

    def test_a_bare_pickle_is_refused(self, folder):
        assert "bare pickle" in self.unfit(folder, pickle.dumps({"weight": 1}))

    def test_a_pickle_that_names_a_program_is_refused_without_running_it(self, folder, tmp_path):
        trap = tmp_path / "sprung"

        class Trap:
            def __reduce__(self):
                return Path.touch, (trap,)

        for protocol in (2, 4):
            archive = tmp_path / "trap.zip"
            with zipfile.ZipFile(archive, "w") as file:
                file.writestr("model/data.pkl", pickle.dumps(Trap(), protocol))
            assert "so it is no state dict" in self.unfit(folder, archive.read_bytes())
        assert not trap.exists()

    def test_a_whole_pickled_torch_module_is_refused(self, folder, tmp_path):
        torch = pytest.importorskip("torch")
        torch.save(torch.nn.Conv3d(1, 1, 1), tmp_path / "whole.pt")
        reason = self.unfit(folder, (tmp_path / "whole.pt").read_bytes())
        assert "so it is no state dict" in reason


class TestAdding:
    def test_a_good_bundle_is_checked_copied_and_recorded(self, make_bundle, tmp_path):
        shelf = Shelf(tmp_path / "own")
        added = shelf.add(make_bundle(), by="somebody")
        assert isinstance(added, Bundle), added
        assert added.path == tmp_path / "own" / "bright"
        assert shelf.fitness("bright") == []
        record = json.loads((tmp_path / "own/shelf.json").read_text())["bright"]
        assert (record["version"], record["by"]) == ("1.0", "somebody")
        assert [p.name for p in (tmp_path / "own").iterdir() if p.name.startswith(".")] == []

    def test_a_bundle_that_fails_its_golden_case_stays_outside(self, make_bundle, tmp_path):
        folder = make_bundle(factors=(0.0, -1.0))
        refusal = Shelf(tmp_path / "own").add(folder)
        assert isinstance(refusal, Refusal)
        assert "bright.npz: Bright came out as 0.0 mL" in refusal.reason
        assert not (tmp_path / "own" / "bright").exists()

    def test_the_bundle_it_replaces_is_kept_aside(self, make_bundle, tmp_path):
        shelf = Shelf(tmp_path / "own")
        folder = make_bundle()
        first = shelf.add(folder)
        (folder / "docs/README.md").write_text("Another edition.\n")
        second = shelf.add(folder)
        assert isinstance(first, Bundle)
        assert isinstance(second, Bundle)
        assert first.sha256 != second.sha256
        assert shelf.fitness("bright") == []
        assert len(list((tmp_path / "own/.retired").iterdir())) == 1
        assert shelf.names() == ["bright"]

    def test_a_bundle_already_there_is_recorded_where_it_lies(self, shelf, tmp_path):
        readme = tmp_path / "bundles/modality_check/docs/README.md"
        readme.write_text(readme.read_text() + "\nA note.\n")
        assert shelf.fitness("modality_check")
        assert isinstance(shelf.add(tmp_path / "bundles/modality_check"), Bundle)
        assert shelf.fitness("modality_check") == []

    def test_what_is_missing_is_named(self, make_bundle, tmp_path):
        folder = make_bundle()
        (folder / "LICENSE").unlink()
        (folder / "models/model.bin").unlink()
        refusal = Shelf(tmp_path / "own").add(folder)
        assert isinstance(refusal, Refusal)
        assert "LICENSE is missing" in refusal.reason
        assert "model.bin" in refusal.reason


class TestLookingAgain:
    @pytest.fixture
    def looked(self, shelf, monkeypatch):
        """A shelf that was looked at, and how often it has read a bundle since."""
        monkeypatch.setattr(standing, "SETTLED_SECONDS", -60.0)
        assert isinstance(shelf.get("brain_mask"), Bundle)
        real, read = examining.tree_hash, []

        def counted(folder):
            read.append(folder)
            return real(folder)

        monkeypatch.setattr(examining, "tree_hash", counted)
        return shelf, read

    def test_what_nobody_touched_is_not_read_again(self, looked):
        shelf, read = looked
        assert isinstance(shelf.get("brain_mask"), Bundle)
        assert read == []

    @pytest.mark.parametrize(
        "touch",
        [
            lambda here: (here / "brain_mask/docs/README.md").touch(),
            lambda here: (here / "brain_mask/docs/extra.txt").write_text("hello"),
            lambda here: (here / "brain_mask/docs/link").symlink_to("/etc"),
            lambda here: (here / "shelf.json").unlink(),
            lambda here: (here / "brain_mask/LICENSE").unlink(),
        ],
        ids=["touched", "added", "linked", "record gone", "licence gone"],
    )
    def test_what_was_touched_is_read_again(self, looked, tmp_path, touch):
        shelf, read = looked
        touch(tmp_path / "bundles")
        shelf.get("brain_mask")
        assert len(read) == 1

    def test_a_change_that_keeps_size_and_time_is_noticed(self, looked, tmp_path):
        shelf, _ = looked
        weights = tmp_path / "bundles/brain_mask/models/model.onnx"
        before = weights.stat()
        with weights.open("r+b") as file:
            file.seek(1_000_000)
            file.write(b"x")
        os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert weights.stat().st_size == before.st_size
        assert isinstance(shelf.get("brain_mask"), Refusal)

    def test_a_fresh_look_is_not_relied_upon(self, shelf, monkeypatch):
        monkeypatch.setattr(standing, "SETTLED_SECONDS", 3600.0)
        shelf.get("brain_mask")
        monkeypatch.setattr(examining, "tree_hash", lambda _: "0" * 64)
        assert isinstance(shelf.get("brain_mask"), Refusal)
