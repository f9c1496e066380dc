"""Studies to look at: images, and what the node's own code made of them."""

import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from uuid import NAMESPACE_OID, uuid5

import numpy as np
import pydicom
import SimpleITK

from bench import real_input
from node.bundles.shelf import Shelf
from node.dicom import results
from node.dicom.findings import Findings
from node.dicom.volume import read_volume
from node.rules.nouns import (
    STANDARD_OUTPUTS,
    Code,
    InputRequirement,
    Job,
    ModelIdentity,
    Output,
    Segment,
)
from tests.fakes.scanner import CENTRE_MM, Scanner

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "var" / "real_input"
ORGAN = Code("123037004", "SCT", "Anatomical Structure")
LEFT, RIGHT = Code("7771000", "SCT", "Left"), Code("24028007", "SCT", "Right")
LUNG = Code("39607008", "SCT", "Lung")
MEASURED = ("volume", "mean", "sd", "diameter")
LIVER, SPLEEN, KIDNEY = (
    Code("10200004", "SCT", "Liver"),
    Code("78961009", "SCT", "Spleen"),
    Code("64033007", "SCT", "Kidney"),
)
PHANTOM = (
    Segment(1, "Liver", ORGAN, LIVER, (221, 84, 84), None, MEASURED, axes=True),
    Segment(2, "Spleen", ORGAN, SPLEEN, (70, 150, 255), axes=True),
    Segment(9, "Left kidney", ORGAN, KIDNEY, (120, 220, 90), LEFT, axes=True),
)
CHEST = (
    Segment(1, "Right lung", ORGAN, LUNG, (80, 170, 255), RIGHT, MEASURED, axes=True),
    Segment(2, "Left lung", ORGAN, LUNG, (120, 220, 90), LEFT, MEASURED, axes=True),
    Segment(3, "Heart", ORGAN, Code("80891009", "SCT", "Heart"), (221, 84, 84), axes=True),
    Segment(4, "Bone", ORGAN, Code("272673000", "SCT", "Bone"), (255, 200, 90), axes=True),
)


@dataclass(frozen=True)
class Study:
    """One series and its results: files, by kind as the ledger has it (several captures).

    `colours` are the segments in their order: name and colour.
    """

    images: list[Path]
    made: dict[str, list[Path]]
    colours: list[tuple[str, tuple[int, int, int]]]

    @property
    def uid(self):
        return str(next(iter(self.headers().values())).StudyInstanceUID)

    def headers(self):
        """Give the images' headers by SOP Instance UID, in their order."""
        headers = (pydicom.dcmread(path, stop_before_pixels=True) for path in self.images)
        return {str(header.SOPInstanceUID): header for header in headers}

    def read(self, kind):
        """Read the first result of a kind."""
        return pydicom.dcmread(self.made[kind][0])

    def store(self, pacs):
        """Put everything into Orthanc."""
        for path in [*self.images, *(one for paths in self.made.values() for one in paths)]:
            pacs.post("/instances", path.read_bytes())


def thin_head(folder):
    """Have `radnode run-once` look at a real T1 head, thinned so that it takes seconds.

    Raises:
        UnreachableError: no head can be had here.
    """
    return _head(folder, real_input.t1_head(CACHE), every=4, shrink=2)


def mean_head(folder):
    """Have `radnode run-once` look at the mean of real T1 heads, 256 by 256 pixels a slice.

    Raises:
        UnreachableError: it cannot be had here.
    """
    return _head(folder, real_input.mean_head(CACHE), every=1, shrink=1)


def _head(folder, nifti, every, shrink):
    labels = replace(real_input.DEFAULTS["MR"], patient_id="DEMO-0002", shrink=shrink)
    whole = real_input.write_series(nifti, folder / "whole", "MR", "sagittal", labels)
    (folder / "series").mkdir()
    images = [path.rename(folder / "series" / path.name) for path in whole[::every]]
    command = [sys.executable, "-m", "node", "run-once", folder / "series", "--model", "brain_mask"]
    subprocess.run([*command, "--out", folder / "out"], cwd=ROOT, check=True, capture_output=True)
    made = {}
    for path in sorted((folder / "out").glob("*.dcm")):
        kind = path.stem.rstrip("_0123456789").upper()
        if kind != "ENHANCED_SR":  # goes to those that refuse the other report
            made.setdefault(kind, []).append(path)
    manifest = Shelf(ROOT / "models" / "bundles").get("brain_mask").manifest
    return Study(images, made, [(one.name, one.rgb) for one in manifest.segments])


def phantom(folder, name="viewer", segments=PHANTOM, column_spacing=0.75, rows=96):
    """Make results of three coloured parts of the scanner's ellipsoid in CT, none like another.

    Its rows are 0.75 mm apart; pixels need not be square. A slice has 113 pixels a row. Each `name`
    is a study of its own.
    """
    scanner = Scanner(modality="CT", rows=rows, columns=113, name=name)
    scanner.row_spacing, scanner.column_spacing = 0.75, column_spacing
    scanner.attributes = {
        "SeriesDescription": "CT phantom",
        "BodyPartExamined": "ABDOMEN",
        "RescaleIntercept": "-760",
    }
    images = scanner.save(folder / "series", 20)

    def find(volume):
        where = np.moveaxis(np.indices(volume.voxels.shape), 0, -1)
        x, y, _ = np.moveaxis(where @ volume.affine[:3, :3].T + volume.affine[:3, 3], -1, 0)
        part = np.where(y > CENTRE_MM[1] + 4, 2, 9)
        part = np.where(x < CENTRE_MM[0] - 6, 1, part)
        return np.where(volume.voxels > volume.voxels.mean(), part, 0)

    return _study(folder, images, segments, find, STANDARD_OUTPUTS | {Output.LABELMAP})


def chest(folder):
    """Make results of a real chest CT: lungs and bone, by threshold.

    Raises:
        UnreachableError: the chest cannot be had here.
    """
    labels = replace(real_input.DEFAULTS["CT"], shrink=2)
    nifti = real_input.chest_ct(CACHE)
    images = real_input.write_series(nifti, folder / "series", "CT", labels=labels)

    def find(volume):
        air = volume.voxels < -400
        air = _parts(_worn(air & ~_reaches_the_edge(air), 1, -1)) == 1
        seeds = _parts(_worn(air, 5))  # so thin are the two lungs where they touch
        right, left = sorted((seeds == 1, seeds == 2), key=lambda one: np.nonzero(one)[2].mean())
        left = air & (_distance(left) < _distance(right))
        dense = volume.voxels > 250
        blood = _parts(_worn(dense, 3, -3)) == 1
        bone = _parts(dense & ~_worn(blood, -2)) == 1
        return np.select([left, air, blood, bone], [2, 1, 3, 4])

    return _study(folder, images, CHEST, find, STANDARD_OUTPUTS)


def _worn(mask, *steps):
    """Take so many pixels off the rim of a mask in its slices, then add those below zero."""
    image = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    for step in steps:
        change = SimpleITK.BinaryErode if step > 0 else SimpleITK.BinaryDilate
        image = change(image, [abs(step), abs(step), 0])
    return SimpleITK.GetArrayFromImage(image) > 0


def _distance(mask):
    image = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    return SimpleITK.GetArrayFromImage(SimpleITK.SignedMaurerDistanceMap(image))


def _parts(mask):
    """Number the connected parts of a mask, the largest first."""
    image = SimpleITK.ConnectedComponent(SimpleITK.GetImageFromArray(mask.astype(np.uint8)))
    return SimpleITK.GetArrayFromImage(SimpleITK.RelabelComponent(image))


def _reaches_the_edge(mask):
    parts = _parts(mask)
    return np.isin(parts, np.unique([parts[:, [0, -1]], parts[:, :, [0, -1]].swapaxes(1, 2)]))


def _study(folder, images, segments, find, wanted):
    volume = read_volume(images, InputRequirement(("CT",), minimum_slices=3))
    source = volume.sources[0]
    identity = ModelIdentity("thresholds", "1.2.0", "0123456789abcdef" * 4, "research")
    job = Job(
        uuid5(NAMESPACE_OID, source.SeriesInstanceUID).hex,
        str(source.SeriesInstanceUID),
        str(source.StudyInstanceUID),
        1,
        "evidence",
        "route",
        identity.name,
        identity.bundle_hash,
        ("pacs",),
        datetime(2026, 3, 4, 23, 30, 15, tzinfo=UTC),
    )
    (folder / "out").mkdir()
    model = SimpleNamespace(identity=identity, segments=segments, classes=())
    findings = Findings(find(volume).astype(np.uint8))
    run = results.begin(volume, findings, model, job, folder / "out")
    outcome = results.make(run, wanted)
    assert isinstance(outcome, results.ResultSet), outcome
    made = {}
    for one in outcome.objects:
        if one.instead_of is None and one.kind != "PREVIEW":
            made.setdefault(one.kind, []).append(one.path)
    return Study(images, made, [(one.name, one.rgb) for one in segments])
