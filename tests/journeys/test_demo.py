"""`make demo`, as a newcomer sees it: with Orthanc as the PACS, and with our own small archive."""

import json
import os
import subprocess
import sys

import pydicom
import pytest

from bench import orthanc
from tests.fakes.process import ROOT

WITHOUT_ORTHANC = (
    "from bench import demo, orthanc; orthanc.find = lambda: None; raise SystemExit(demo.main())"
)


@pytest.mark.parametrize("destination", ["Orthanc", "small archive"])
def test_the_demonstration_shows_results_and_where_they_are(tmp_path, destination):
    if destination == "Orthanc" and orthanc.find() is None:
        pytest.skip("Orthanc is not installed")
    for name in ("config.yaml", "models"):
        (tmp_path / name).symlink_to(ROOT / name)
    command = ["-m", "bench.demo"] if destination == "Orthanc" else ["-c", WITHOUT_ORTHANC]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert destination in done.stdout
    assert "From the last slice to the stored result" in done.stdout
    results = tmp_path / ".demo" / "results"
    assert pydicom.dcmread(results / "seg.dcm").Modality == "SEG"
    assert pydicom.dcmread(results / "sr.dcm").Modality == "SR"
    assert (results / "preview.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((results / "figures.json").read_text())["volumes_ml"]["Brain"] > 1000
    if destination == "small archive":
        kept = {pydicom.dcmread(p).Modality for p in (tmp_path / ".demo" / "pacs").rglob("*.dcm")}
        assert kept == {"SEG", "SR", "OT", "PR"}  # OT: the preview pictures, PR: the axes
