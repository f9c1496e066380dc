"""The units are valid and sandboxed, say why, and together run every leg of the node once."""

import re
import subprocess
from pathlib import Path

import pytest

from node.app import LEGS

SYSTEMD = Path(__file__).parents[2] / "systemd"
UNITS = sorted(SYSTEMD.glob("*.service"))
MOST_EXPOSED = 2.5
PROGRAM = "/opt/radnode/.venv/bin/radnode"
each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda u: u.name)


def analyse(tool, *arguments):
    command = [tool("systemd-analyze"), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def complaints(tool, folder, name, text):
    """What `systemd-analyze verify` says of a unit, its program standing in for ours."""
    path = folder / name
    path.write_text(text.replace(PROGRAM, "/bin/true"))
    said = analyse(tool, "verify", "--man=no", path)
    return [line for line in said.stderr.splitlines() if path.stem.split("@")[0] in line]


@each_unit
def test_a_unit_is_exposed_to_at_most_two_and_a_half(unit, tool):
    checked = analyse(tool, "security", "--offline=true", unit)
    level = float(re.search(r"exposure level for .*?: ([\d.]+)", checked.stdout)[1])
    assert level <= MOST_EXPOSED, checked.stdout


@each_unit
def test_a_unit_is_valid(unit, tool, tmp_path):
    assert complaints(tool, tmp_path, unit.name, unit.read_text()) == []


def test_a_misspelt_directive_would_be_found(tool, tmp_path):
    for unit in UNITS:
        text = unit.read_text().replace("ProtectHome=", "ProtectHouse=")
        (said,) = complaints(tool, tmp_path, unit.name, text)
        assert "ProtectHouse" in said


@each_unit
def test_every_directive_has_its_reason(unit):
    """A group of directives begins with a comment; only what every unit has may do without."""
    explained, unexplained = True, []
    for line in unit.read_text().splitlines():
        if line.startswith("#"):
            explained = True
        elif not line or line.startswith("["):
            explained = line in {"[Unit]", "[Service]", "[Install]"}
        elif not explained:
            unexplained.append(line)
    assert unexplained == []


@each_unit
def test_a_wrong_configuration_waits_for_a_person_and_all_else_starts_again(unit):
    lines = unit.read_text().splitlines()
    for line in ("RestartPreventExitStatus=78", "Restart=always", "StartLimitIntervalSec=0"):
        assert line in lines
    assert "Type=notify" in lines
    assert any(re.fullmatch(r"WatchdogSec=\d+", line) for line in lines)


def test_the_units_run_every_leg_once():
    legs = []
    for unit in UNITS:
        started = rf"ExecStart={PROGRAM} run ([\w ]+?) --config /etc/radnode/config.yaml\n"
        legs += re.search(started, unit.read_text())[1].split()
    assert sorted(legs) == sorted(LEGS)


def test_the_target_wants_every_unit():
    target = (SYSTEMD / "node.target").read_text()
    for unit in UNITS:
        assert unit.name.replace("@", "@0") in target


def test_the_install_names_files_that_are_there():
    readme = (SYSTEMD / "README.md").read_text()
    named = re.findall(r"/opt/radnode/(systemd/[\w.-]+\.\w+|config\.yaml)", readme)
    assert len(named) >= 2
    for name in named:
        assert (SYSTEMD.parent / name).is_file()
