"""Inputs of the corpus of hazards, carried to every result that there is."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pydicom.dataset import Dataset

from node.dicom import results
from node.dicom.findings import Findings
from node.dicom.results import Made, ModelRun
from node.dicom.volume import Volume, read_volume
from node.rules.nouns import Classification, Code, Job, ModelIdentity, Output, Segment
from tests.dicom.hazards.corpus import MAKERS
from tests.dicom.hazards.test_corpus import VERDICTS, requirement_of

INPUTS = [name for name, verdict in VERDICTS.items() if "volume" in verdict]
REFUSED = [name for name, verdict in VERDICTS.items() if "refusal" in verdict]
PLACED = [name for name in INPUTS if VERDICTS[name]["volume"].get("placed", True)]
# An ITK image, which is what dcmqi writes, has a right-angled grid; a leaning stack has none.
UPRIGHT = [name for name in PLACED if not requirement_of(name).tilted]
ANATOMY = Code("123037004", "SCT", "Anatomical Structure")
LESION = Code("49755003", "SCT", "Morphologically Altered Structure")
ALL_MEASUREMENTS = ("volume", "mean", "sd", "minimum", "maximum", "median", "diameter")
SEGMENTS = (
    Segment(
        3,
        "Ellipsoid",
        LESION,
        Code("4147007", "SCT", "Mass"),
        (240, 200, 160),
        None,
        ALL_MEASUREMENTS,
        axes=True,
        is_finding=True,
    ),
    Segment(
        7,
        "Left kidney",
        ANATOMY,
        Code("64033007", "SCT", "Kidney"),
        (185, 102, 83),
        Code("7771000", "SCT", "Left"),
        ALL_MEASUREMENTS,
    ),
)
CLASSES = (
    Classification(0, "Mass", Code("4147007", "SCT", "Mass"), 0.5),
    Classification(1, "Bleeding", Code("131148009", "SCT", "Bleeding"), 0.5),
)
HASH = "0123456789abcdef" * 4
MODEL = SimpleNamespace(
    identity=ModelIdentity("phantom_finder", "1.2.0", HASH, "research"),
    segments=SEGMENTS,
    classes=CLASSES,
)
CLASSIFIER = SimpleNamespace(identity=MODEL.identity, segments=(), classes=CLASSES)


def together(names: list[str]) -> list[object]:
    """Have what one input gives made once: its tests run in one process."""
    return [pytest.param(one, marks=pytest.mark.xdist_group(f"proof {one}")) for one in names]


@dataclass(frozen=True, eq=False)
class Case:
    """One input of the corpus and its results."""

    run: ModelRun
    objects: tuple[Made, ...]

    @property
    def volume(self) -> Volume:
        return self.run.volume

    def of(self, kind: str) -> list[Made]:
        return [one for one in self.objects if one.kind == kind]

    @property
    def sent(self) -> list[Made]:
        """What destinations get; of the many captures, which are made alike, the ends and one."""
        captures = self.of("CAPTURE")
        shown = {captures[at].path for at in (0, len(captures) // 2, -1) if captures}
        return [
            one
            for one in self.objects
            if one.kind != "PREVIEW" and (one.kind != "CAPTURE" or one.path in shown)
        ]


def found_in(volume: Volume) -> Findings:
    """Find the ellipsoid in the upper half, something beside it, and a mass."""
    probabilities = {"Mass": 0.97, "Bleeding": 0.02}
    if not volume.placed:
        return Findings(None, probabilities)
    voxels = volume.voxels.astype(np.float32)
    labels = (voxels > voxels.mean() + voxels.std() / 2).astype(np.uint8) * 3
    if not labels.any():
        labels[:, 10:30, 10:30] = 3
    labels[len(labels) // 2 :, 3:9, 4:11] = 7
    return Findings(labels, probabilities)


def job_for(name: str, series_uid: str, study_uid: str) -> Job:
    """Make the job of an input; each input has another, and so other UIDs in its results."""
    identity = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    when = datetime(2026, 3, 4, 23, 30, 15, 123456, tzinfo=UTC)
    uids = series_uid, study_uid
    return Job(identity, *uids, 1, "evidence", "route", "finder", HASH, ("pacs",), when)


def carry(name: str, folder: Path) -> Case:
    """Make an input in a folder, and all its results."""
    volume = read_volume(MAKERS[name](folder / "in"), requirement_of(name))
    assert isinstance(volume, Volume), volume
    (folder / "out").mkdir()
    findings, source = found_in(volume), volume.sources[0]
    uids = str(source.SeriesInstanceUID), str(source.StudyInstanceUID)
    model = MODEL if volume.placed else CLASSIFIER
    run = results.begin(volume, findings, model, job_for(name, *uids), folder / "out")
    outcome = results.make(run, frozenset(Output))
    assert isinstance(outcome, results.ResultSet), outcome
    return Case(run, outcome.objects)


def outline(report: Dataset) -> str:
    """Digest the tree of a report but for its UIDs, numbers and texts, which no template names."""
    told = hashlib.sha256()

    def tell(item: Dataset, depth: int) -> None:
        for element in item:
            if element.VR == "SQ":
                told.update(f"{depth}{element.tag}{len(element.value)}".encode())
                for one in element.value:
                    tell(one, depth + 1)
            elif element.VR in ("CS", "SH", "LO", "US"):
                told.update(f"{depth}{element.tag}{element.value!r}".encode())
            else:
                told.update(f"{depth}{element.tag}{element.VM}".encode())

    keep = ("ValueType", "ConceptNameCodeSequence", "ContentTemplateSequence", "ContentSequence")
    tree = Dataset()
    for keyword in (*keep, "SOPClassUID", "ContinuityOfContent"):
        if keyword in report:
            tree[keyword] = report[keyword]
    told.update(str(report.SOPClassUID).encode())
    tell(tree, 0)
    return told.hexdigest()
