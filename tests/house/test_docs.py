"""What the papers say is what the code does."""

import re
import subprocess
from pathlib import Path
from typing import get_args

import pytest
import yaml

from node import __version__
from node.cli import parser
from node.config import Config, load
from node.rules import states

ROOT = Path(__file__).parents[2]
README, README_ZH = ((ROOT / name).read_text() for name in ("README.md", "README.zh.md"))
SETTINGS = (ROOT / "config.yaml").read_text()
# in two parts each, so that this file does not name them itself
MACHINE = [f"/{name}/" for name in ("work", "root")] + ["file:///" + "opt"]
REGISTRIES = ["pypi" + ".org", "python" + "hosted", "deb.debian" + ".org", "registry.npm" + "js"]


def shown_keys(value, prefix=""):
    """List the keys of nested YAML, those of a list's first item included."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{prefix}{key}"
            yield from shown_keys(inner, f"{prefix}{key}.")
    elif isinstance(value, list):
        for inner in value[:1]:
            yield from shown_keys(inner, prefix)


def known_keys(section, prefix=""):
    for name, field in section.model_fields.items():
        yield f"{prefix}{name}"
        inner = (get_args(field.annotation) or (field.annotation,))[0]
        if hasattr(inner, "model_fields"):
            yield from known_keys(inner, f"{prefix}{name}.")


def test_the_shipped_configuration_shows_every_key_and_no_other():
    free = ("routes.when.", "routes.study.series.")
    shown = {k for k in shown_keys(yaml.safe_load(SETTINGS)) if not k.startswith(free)}
    assert shown == set(known_keys(Config))


def test_the_shipped_configuration_loads_and_shows_the_defaults():
    loaded, defaults = load(ROOT / "config.yaml"), Config()
    folders = {
        "node": {"data_dir": ROOT / defaults.node.data_dir},
        "models": {"dir": ROOT / defaults.models.dir},
    }
    for name in set(Config.model_fields) - {"peers", "routes"}:
        expected = getattr(defaults, name).model_copy(update=folders.get(name, {}))
        assert getattr(loaded, name) == expected


def test_every_key_of_the_shipped_configuration_has_its_sentence():
    section = re.compile(r"(node|database|models):$")  # their keys say it all
    name = re.compile(r"  - (name: \w+$|\{)")  # a further example
    for line in SETTINGS.splitlines():
        is_key = re.match(r"[ -]*[a-z_]+: ?", line)
        if is_key and not section.match(line) and not name.match(line):
            assert re.search(r" # \S+ \S", line) or line.endswith("delivery:"), line


def test_readmes_map_lists_every_room():
    house = README.split("## The map of the house")[1].split("##")[0]
    rooms = [p for p in (ROOT / "node").iterdir() if not p.name.startswith("__")]
    rooms += [p for room in ("rules", "stages") for p in (ROOT / "node" / room).glob("[a-z]*.py")]
    missing = [p.name for p in rooms if not re.search(rf"\b{re.escape(p.stem)}\b", house)]
    assert missing == []
    for line in re.findall(r"^([a-z]+)/ ", house, re.MULTILINE):
        assert (ROOT / line).is_dir(), line


def verbs():
    (choices,) = [a.choices for a in parser()._actions if hasattr(a, "choices") and a.choices]
    return set(choices)


def test_readme_names_every_verb_and_no_other():
    named = set(re.findall(r"`radnode ([a-z-]+)", README))
    assert verbs() - {"run"} <= named
    assert named <= verbs()


@pytest.mark.parametrize("paper", ["README.zh.md", "systemd/README.md", "models/README.md"])
def test_other_papers_name_verbs_that_there_are(paper):
    named = set(re.findall(r"(?:`|bin/)radnode ([a-z-]+)", (ROOT / paper).read_text()))
    assert named
    assert named <= verbs()


@pytest.mark.parametrize("paper", [README, README_ZH], ids=["en", "zh"])
def test_make_has_the_targets_that_the_papers_name(paper):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)\b(?=`| +#| CASE| ONLY)", paper))
    assert {"demo", "test"} <= named
    assert named <= targets


@pytest.mark.parametrize("paper", sorted(ROOT.glob("*.md")), ids=lambda p: p.name)
def test_a_link_leads_to_a_file_that_is_there(paper):
    for target in re.findall(r"\]\(([^)#:]+)\)", paper.read_text()):
        assert (paper.parent / target).exists(), target


@pytest.mark.parametrize("machine", states.TRANSITIONS)
def test_the_state_diagrams_are_printed_from_the_table(machine):
    assert states.diagram(machine) in README


def test_the_changelog_has_this_version():
    assert re.search(
        rf"^## \[{re.escape(__version__)}\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )


def test_nothing_kept_names_the_machine_it_was_built_on_nor_a_registrys_host():
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout: there is no telling what is kept")
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        text = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        found += [(name, word) for word in MACHINE + REGISTRIES if word.encode() in text]
    assert found == []
