"""A bundle may look before it is on the shelf, and says so; one that is there may be timed."""

import shutil

import pydicom
import pytest

from node.bundles.shelf import TRIAL, Shelf
from node.cli import main
from node.rules.failures import Refusal
from tests.fakes.scanner import Scanner


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(f"models: {{dir: {tmp_path / 'own'}}}\n")
    return str(path)


@pytest.fixture
def series(tmp_path):
    Scanner(modality="MR").save(tmp_path / "series", 6)
    return tmp_path / "series"


def test_a_bundle_without_a_golden_case_is_tried_and_marked(
    make_bundle, config, series, tmp_path, capsys
):
    folder = make_bundle()
    shutil.rmtree(folder / "golden")
    assert isinstance(Shelf(tmp_path / "own").add(folder), Refusal)
    out = tmp_path / "out"
    asked = ["--path", str(series), "--out", str(out), "--config", config]
    assert main(["models", "try", str(folder), *asked]) == 0
    said = capsys.readouterr().out
    assert TRIAL in said
    reports = [path for path in out.glob("*.dcm") if pydicom.dcmread(path).Modality == "SR"]
    assert reports
    assert all(TRIAL.encode() in path.read_bytes() for path in reports)
    assert not Shelf(tmp_path / "own").names()


def test_what_cannot_be_tried_says_why(make_bundle, config, series, tmp_path, capsys):
    folder = make_bundle()
    assert main(["models", "try", str(folder), "--config", config]) == 2
    (folder / "models/model.bin").write_bytes(b"other weights")
    asked = ["--path", str(series), "--out", str(tmp_path / "out"), "--config", config]
    assert main(["models", "try", str(folder), *asked]) == 1
    assert "do not have the sha256" in "".join(capsys.readouterr())


def test_every_way_of_a_model_is_timed(make_bundle, put, config, capsys):
    put(make_bundle())
    assert main(["models", "bench", "bright", "--rounds", "2", "--config", config]) == 0
    head, row = capsys.readouterr().out.strip().splitlines()
    assert head.split()[0] == "WAY"
    assert row.startswith("openvino f32")
    assert row.count("/") == 2
