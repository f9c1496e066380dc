"""What radnode does in the benchmark: from files and a mask to results, as a node does it."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from bench.writing.cases import SPACING_MM, STEP_MM, colour
from node.dicom.findings import Findings
from node.dicom.headers import Headers
from node.dicom.results import Made, ModelRun, seg, sr
from node.dicom.results.measuring import Measured, measure
from node.dicom.results.validation import masks
from node.dicom.results.validation.documents import read
from node.dicom.scanning import scan
from node.dicom.volume import Volume
from node.rules.nouns import Classification, Code, Job, ModelIdentity, Segment

ANATOMY = Code("123037004", "SCT", "Anatomical Structure")
LIVER = Code("10200004", "SCT", "Liver")
MASS = Code("4147007", "SCT", "Mass")
ALL = ("volume", "mean", "sd", "minimum", "maximum", "median", "diameter")


def headers(folder: Path, voxels: np.ndarray) -> Volume:
    """Read the headers of the series; the voxels, which a node has by then, are given."""
    scans = [found for path in sorted((folder / "ct").iterdir()) if (found := scan(path))]
    affine = np.diag([STEP_MM, SPACING_MM, SPACING_MM, 1.0])
    affine[:3, :3] = affine[:3, :3][::-1]
    spacing = (STEP_MM, SPACING_MM, SPACING_MM)
    return Volume(voxels, affine, spacing, Headers(scans), tuple(one.path for one in scans))


def segments(
    mask: np.ndarray, measurements: tuple[str, ...] = ("volume",), *, axes: bool = False
) -> tuple[Segment, ...]:
    """Describe the segments of a mask; with `axes`, long and short axis are measured of each."""
    return tuple(
        Segment(one, f"Part {one}", ANATOMY, LIVER, colour(one), None, measurements, axes)
        for one in range(1, int(mask.max()) + 1)
    )


def run_over(
    volume: Volume, mask: np.ndarray, folder: Path, measured: dict[int, Measured] | None = None
) -> ModelRun:
    """Begin a run that found this mask; unless it is given, it is only said what is present."""
    described = segments(mask)
    identity = ModelIdentity("bench", "1.0", "0123456789abcdef" * 4, "research")
    classes = tuple(Classification(index, f"Finding {index}", MASS, 0.5) for index in range(3))
    model: Any = SimpleNamespace(identity=identity, segments=described, classes=classes)
    found = Findings(mask, {one.name: 0.25 for one in classes})
    source = volume.sources[0]
    uids = str(source.SeriesInstanceUID), str(source.StudyInstanceUID)
    when = datetime(2026, 1, 1, tzinfo=UTC)
    job = Job("bench", *uids, 1, "evidence", "route", "bench", "0" * 64, ("pacs",), when)
    there = measured or {one.label: Measured(one.label, 1, 1.0) for one in described}
    return ModelRun(volume, found, model, job, folder, there)


def segmentation(folder: Path, mask: np.ndarray, out: Path) -> Path:
    """Write the Segmentation."""
    made = seg.write_seg(run_over(headers(folder, mask), mask, out))
    assert made is not None
    return made.path


class Checked:
    """The gate over a Segmentation that was written once, beforehand."""

    def __init__(self) -> None:
        self._written: tuple[ModelRun, Made] | None = None

    def __call__(self, folder: Path, mask: np.ndarray, out: Path) -> Path:
        """Hold the file against the mask."""
        if self._written is None:
            counts = np.bincount(mask.ravel())
            there = {one: Measured(one, int(counts[one]), 1.0) for one in range(1, len(counts))}
            run = run_over(headers(folder, mask), mask, out, there)
            made = seg.write_seg(run)
            assert made is not None
            self._written = run, made
        run, made = self._written
        said = masks.problems(run, made, read(made))
        assert said == [], said
        return made.path


class Measuring:
    """All measurements of all segments, their axes too, over voxels that are in memory."""

    def __init__(self) -> None:
        self._volume: Volume | None = None

    def __call__(self, folder: Path, mask: np.ndarray, _out: Path) -> None:
        """Measure."""
        if self._volume is None:
            noise = np.random.default_rng(1).integers(-200, 300, mask.shape, np.int16)
            self._volume = headers(folder, noise)
        found = measure(self._volume, Findings(mask), segments(mask, ALL, axes=True))
        assert len(found) == int(mask.max())


class Reporting:
    """The report: a volume for each segment, and three probabilities."""

    def __init__(self) -> None:
        self._mask: Made | None = None

    def __call__(self, folder: Path, mask: np.ndarray, out: Path) -> Path:
        """Read the headers and write the Comprehensive 3D SR, and the Enhanced SR besides."""
        run = run_over(headers(folder, mask), mask, out)
        if self._mask is None:
            self._mask = seg.write_seg(run)
        return sr.write_report(run, self._mask)[0].path
