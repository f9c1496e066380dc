"""The units are sandboxed, valid, and do what README says of them."""

import re
import subprocess
from pathlib import Path

import pytest

from node.app import LEGS

UNITS = sorted((Path(__file__).parents[2] / "systemd").glob("*.service"))
each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda u: u.name)


@each_unit
def test_a_unit_is_exposed_to_at_most_two_and_a_half(unit, tool):
    command = [tool("systemd-analyze"), "security", "--offline=true", "--threshold=25", unit]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    level = float(re.search(r"exposure level for .*?: ([\d.]+)", checked.stdout)[1])
    assert level <= 2.5


@each_unit
def test_a_unit_is_valid(unit, tool, tmp_path):
    text = unit.read_text().replace("/opt/radnode/.venv/bin/radnode", "/bin/true")
    copy = tmp_path / unit.name
    copy.write_text(text)
    checked = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", copy], capture_output=True, text=True
    )
    complaints = [line for line in checked.stderr.splitlines() if copy.stem.rstrip("@") in line]
    assert complaints == []


@each_unit
def test_a_wrong_configuration_is_not_started_again_and_the_rest_is(unit):
    text = unit.read_text()
    for line in (
        "Type=notify",
        "RestartPreventExitStatus=78",
        "Restart=always",
        "StartLimitIntervalSec=0",
    ):
        assert f"\n{line}\n" in text
    assert re.search(r"\nWatchdogSec=\d+\n", text)


def test_the_units_run_every_leg_once():
    legs = []
    for unit in UNITS:
        words = re.search(r"ExecStart=\S+ run ([\w ]+?) --config", unit.read_text())[1]
        legs += words.split()
    assert sorted(legs) == sorted(LEGS)


def test_the_target_wants_every_unit():
    wanted = (UNITS[0].parent / "node.target").read_text()
    for unit in UNITS:
        assert unit.name.replace("@", "@0") in wanted
