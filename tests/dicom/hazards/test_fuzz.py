"""Files damaged by one who knows their structure: an answer each time, and no memory wasted."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("seed", [20260102])
def test_whatever_the_bytes_are_there_is_a_volume_or_a_refusal(seed):
    command = [sys.executable, "-m", "tests.dicom.hazards.fuzzing", str(seed), "1500"]
    ran = subprocess.run(
        command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    said = ran.stdout.split()
    volumes, refusals, memory = int(said[2]), int(said[4]), int(said[6])
    assert volumes > 150
    assert refusals > 500
    assert memory < 300_000, f"{memory} kB"
