"""What the papers say is what the code does."""

import re
from pathlib import Path

import yaml

from node import __version__
from node.cli import parser
from node.config import Config, load
from node.rules import states

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def keys(value, prefix=""):
    """List the keys of a nested mapping, those of list items included."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{prefix}{key}"
            yield from keys(inner, f"{prefix}{key}.")
    elif isinstance(value, list):
        for inner in value[:1]:
            yield from keys(inner, prefix)


def model_keys(model, prefix=""):
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        inner = getattr(field.annotation, "__args__", (field.annotation,))[0]
        if hasattr(inner, "model_fields"):
            yield from model_keys(inner, f"{prefix}{name}.")


def test_the_shipped_configuration_loads_and_shows_every_key():
    text = (ROOT / "config.yaml").read_text()
    shown = {key for key in keys(yaml.safe_load(text)) if not key.startswith("routes.when.")}
    assert shown == set(model_keys(Config))
    load(ROOT / "config.yaml")


def test_the_shipped_configuration_shows_the_defaults():
    loaded, defaults = load(ROOT / "config.yaml"), Config()
    for section in ("settling", "delivery", "retention", "database"):
        assert getattr(loaded, section) == getattr(defaults, section)
    assert loaded.node.model_copy(update={"data_dir": Path("var")}) == defaults.node
    assert loaded.models.model_copy(update={"dir": Path("models/bundles")}) == defaults.models


def test_every_scalar_key_has_its_sentence():
    for line in (ROOT / "config.yaml").read_text().splitlines():
        if re.match(r"^  \w+: \S", line):
            assert "#" in line or line.strip().startswith("port: 11112"), line


def test_readmes_map_lists_every_room():
    for path in (ROOT / "node").iterdir():
        if path.name.startswith("__") and path.name != "__init__.py":
            continue
        assert re.search(rf"\b{re.escape(path.name)}", README), path.name
    for path in (ROOT / "node" / "rules").glob("[a-z]*.py"):
        assert path.stem in README
    for path in (ROOT / "node" / "stages").glob("[a-z]*.py"):
        assert path.stem in README


def verbs():
    (choices,) = [a.choices for a in parser()._actions if hasattr(a, "choices") and a.choices]
    return set(choices)


def test_readme_names_every_verb_and_no_other():
    named = set(re.findall(r"`radnode ([a-z-]+)", README))
    assert verbs() - {"run"} <= named
    assert named <= verbs() | {"ready"}


def test_the_state_diagrams_are_printed_from_the_table():
    for machine in states.TRANSITIONS:
        assert states.diagram(machine) in README


def test_the_changelog_has_this_version():
    assert f"[{__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_nothing_committed_names_the_machine_it_was_built_on():
    import subprocess

    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    needles = ["/" + "work/", "file:///" + "opt/" + "pypi", "/" + "root/"]
    for name in files.stdout.splitlines():
        path = ROOT / name
        if path.suffix in (".onnx", ".npz", ".png") or not path.is_file():
            continue
        text = path.read_text(errors="replace")
        assert [n for n in needles if n in text] == [], name
