"""Every experiment runs from its quick settings, and the page says what the files say."""

import importlib
import json
from pathlib import Path

import pytest
import yaml

from models.cli import main
from models.experiments import EXPERIMENTS
from models.experiments.page import page, write
from models.experiments.results import keep, kept, plain
from models.experiments.settings import FOLDER, Settings, read_settings

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "docs" / "experiments"


def quick(name, sources):
    """Give the quick settings of an experiment on the phantom."""
    module = importlib.import_module(EXPERIMENTS[name])
    settings = read_settings(name, module.Settings, quick=True, seeds=1)
    if hasattr(settings, "sources"):
        return module, settings.model_copy(update={"sources": sources})
    if hasattr(settings, "ground"):
        ground = settings.ground.model_copy(update={"sources": sources, "slab_mm": 30.0})
        return module, settings.model_copy(update={"ground": ground})
    return module, settings


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_runs_quickly(name, sources, given, tmp_path):
    module, settings = quick(name, sources)
    found = module.run(settings, given)
    told = plain(name, found, settings.model_dump(mode="json"), given, 1.0)
    keep(tmp_path / "experiments", told)
    text = write(tmp_path / "experiments").read_text()
    assert "its figures mean nothing" in text
    assert found.title in text
    assert all(one.what in text for one in found.comparisons)
    assert found.comparisons[0].verdict == "one seed: no verdict"
    assert found.limits


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_settings_are_whole(name):
    module = importlib.import_module(EXPERIMENTS[name])
    assert read_settings(name, module.Settings, quick=False, seeds=None).seeds >= 3
    assert read_settings(name, module.Settings, quick=False, seeds=7).seeds == 7


def test_a_wrong_key_is_named(tmp_path, monkeypatch):
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "amp.yaml").write_text(yaml.safe_dump({"seeds": 1, "sedes": 2}))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="sedes"):
        read_settings("amp", Settings, quick=False, seeds=None)


def test_the_verb_is_there(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["experiment", "--help"])
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    assert all(name in said for name in EXPERIMENTS)


def test_the_page_agrees_with_the_files():
    results = kept(RESULTS, list(EXPERIMENTS))
    written = RESULTS.with_suffix(".md").read_text()
    picture = written[written.index("![") :].split("\n\n<a id")[0] if "![" in written else ""
    assert written == page(results, RESULTS.name, picture)


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.json")), ids=lambda file: file.stem)
def test_what_is_kept_is_no_quick_run_and_has_seeds(file):
    told = json.loads(file.read_text())
    assert not told["quick"]
    assert told["seeds"] >= 3
    module = importlib.import_module(EXPERIMENTS[told["experiment"]])
    now = read_settings(told["experiment"], module.Settings, quick=False, seeds=told["seeds"])
    assert told["settings"] == now.model_dump(mode="json"), "the settings changed since it ran"
