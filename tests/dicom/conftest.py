"""What the tests of DICOM objects share: a job, a model, its segments, and the validators."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from node.dicom import results
from node.dicom.findings import Findings
from node.dicom.results import ModelRun
from node.dicom.volume import Volume, read_volume
from node.rules.failures import Refusal
from node.rules.nouns import (
    Classification,
    Code,
    InputRequirement,
    Job,
    ModelIdentity,
    Segment,
)
from tests.fakes.scanner import Scanner

ANATOMY = Code("123037004", "SCT", "Anatomical Structure")


@pytest.fixture(scope="session")
def tool() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a validator by name; skip without it, but fail where everything has to be there."""

    def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        beside = Path(sys.executable).parent / name
        found = str(beside) if beside.exists() else shutil.which(name)
        if found is None:
            if os.environ.get("CI") == "true":
                pytest.fail(f"{name} is not installed")
            pytest.skip(f"{name} is not installed")
        command = [found, *map(str, arguments)]
        return subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=120,
        )

    return run


@pytest.fixture
def requirement() -> InputRequirement:
    return InputRequirement(("MR", "CT", "PT"), minimum_slices=3)


@pytest.fixture
def read(tmp_path: Path, requirement: InputRequirement) -> Callable[..., Volume | Refusal]:
    """Scan, save and read: what a series with these knobs becomes."""

    def go(n: int = 20, **knobs: object) -> Volume | Refusal:
        return read_volume(Scanner(**knobs).save(tmp_path / "series", n), requirement)

    return go


@pytest.fixture
def segments() -> tuple[Segment, ...]:
    return (
        Segment(3, "Ellipsoid", ANATOMY, Code("12738006", "SCT", "Brain"), (240, 200, 160)),
        Segment(
            7,
            "Left kidney",
            ANATOMY,
            Code("64033007", "SCT", "Kidney"),
            (185, 102, 83),
            Code("7771000", "SCT", "Left"),
        ),
    )


@pytest.fixture
def classes() -> tuple[Classification, ...]:
    finding = Code("113091000", "SCT", "Magnetic resonance imaging")
    return (Classification(0, "Magnetic resonance", finding, 0.5),)


@pytest.fixture
def identity() -> ModelIdentity:
    return ModelIdentity("phantom_finder", "1.2.0", "0123456789abcdef" * 4, "research")


@pytest.fixture
def model(segments, classes, identity) -> SimpleNamespace:
    """What of a bundle's manifest the results need."""
    return SimpleNamespace(identity=identity, segments=segments, classes=classes)


@pytest.fixture
def job_of() -> Callable[[Volume], Job]:
    def make(volume: Volume) -> Job:
        source = volume.sources[0]
        return Job(
            "5f1d7a84db4c4bd1a0a2a6a4c9c9a001",
            str(source.SeriesInstanceUID),
            str(source.StudyInstanceUID),
            1,
            "evidence",
            "route",
            "phantom_finder",
            "0123456789abcdef" * 4,
            ("pacs",),
            datetime(2026, 3, 4, 23, 30, 15, 123456, tzinfo=UTC),
        )

    return make


@pytest.fixture
def run_of(tmp_path: Path, model, job_of) -> Callable[..., ModelRun]:
    """A model run over a volume, each with a folder of its own for what is written."""
    folders = count()

    def begin(volume: Volume, findings: Findings, job: Job | None = None, predecessors=()):
        folder = tmp_path / f"results{next(folders)}"
        folder.mkdir()
        return results.begin(volume, findings, model, job or job_of(volume), folder, predecessors)

    return begin


@pytest.fixture
def found() -> Callable[[Volume], Findings]:
    """What a perfect model finds: the bright ellipsoid, and that it is MR."""

    def make(volume: Volume) -> Findings:
        bright = volume.voxels > volume.voxels.mean() + volume.voxels.std()
        return Findings((bright * 3).astype(np.uint8), {"Magnetic resonance": 0.97})

    return make
