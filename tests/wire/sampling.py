"""Makes sample objects of every kind, and describes their attributes as the statement lists them.

    python -m tests.wire.sampling

writes node/wire/conformance/attributes.py anew. A test holds that file against the objects.
"""

import tempfile
import textwrap
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from node.dicom import results, services
from node.dicom.findings import Findings
from node.dicom.results import lineage, not_run
from node.dicom.volume import Volume, read_volume
from node.rules.failures import Refusal
from node.rules.nouns import InputRequirement, ModelIdentity, Notice, Output
from node.wire.conformance import attributes
from tests.dicom.results.cases import CLASSES, MODEL, SEGMENTS, job_for
from tests.fakes.scanner import Scanner

TAKEN_OVER = frozenset((*lineage.INHERITED, *lineage.IMAGE_INHERITED))
OTHER = ModelIdentity("other_finder", "3.1", "f" * 64, "clinical")
PLAIN = replace(SEGMENTS[1], axes=True, laterality=None)
DEEPEST = 2
LEFT_OUT = ("ContentSequence",)
"""What Annex B tells."""


def samples(folder: Path) -> dict[str, list[Dataset]]:
    """Make every kind of result of two series and two models that have little in common."""
    made: dict[str, list[Dataset]] = defaultdict(list)
    asked = Dataset()
    asked.RequestedProcedureID, asked.ScheduledProcedureStepID = "RP-7", "SPS-1"
    known = {
        "modality": "CT",
        "attributes": {
            "RequestAttributesSequence": Sequence([asked]),
            "TimezoneOffsetFromUTC": "+0100",
            "InstitutionName": "Hospital",
            "StudyDescription": "CT of something",
        },
    }
    dates = {"StudyDate": "20240506", "SeriesDate": "20240506", "AcquisitionDate": "20240506"}
    times = {"AcquisitionTime": "070809", "ContentDate": "", "ContentTime": ""}
    unknown = {
        "modality": "MR",
        "rows": 30,
        "slice_spacing": 7.0,
        "attributes": {**dates, **times, "AccessionNumber": "", "StudyID": ""},
    }
    for name, knobs, identity, segments in (
        ("one", known, MODEL.identity, SEGMENTS),
        ("other", unknown, OTHER, (replace(PLAIN, is_finding=True),)),
    ):
        out = folder / name
        files = Scanner(**{"rows": 32, "columns": 31, "slice_spacing": 8.0} | knobs).save(
            out / "in", 10
        )
        volume = read_volume(files, InputRequirement(("CT", "MR"), minimum_slices=3))
        assert isinstance(volume, Volume), volume
        labels = np.zeros(volume.voxels.shape, np.uint8)
        labels[2:7, 8:19, 5:14], labels[5:, 20:28, 18:29] = segments[0].label, 7
        source = volume.sources[0]
        job = job_for(name, str(source.SeriesInstanceUID), str(source.StudyInstanceUID))
        model = SimpleNamespace(identity=identity, segments=segments, classes=CLASSES)
        run = results.begin(volume, Findings(labels, {"Mass": 0.9}), model, job, out)
        outcome = results.make(run, frozenset(Output))
        assert isinstance(outcome, results.ResultSet), outcome
        told = not_run.NotRun(volume.paths[0], identity, job, Refusal(f"no {name} room"), out)
        for one in (*outcome.objects, *not_run.write_notice(told, frozenset(Notice))):
            if one.kind in services.RESULT_CLASSES:
                made[one.kind].append(pydicom.dcmread(one.path))
    return made


def schemes(made: dict[str, list[Dataset]]) -> set[str]:
    """Give every coding scheme that occurs in what is ours."""
    return {
        item.CodingSchemeDesignator
        for many in made.values()
        for ds in many
        for item in _items(ds)
        if "CodingSchemeDesignator" in item
    }


def _items(ds: Dataset) -> Iterable[Dataset]:
    for element in ds:
        if element.VR == "SQ" and element.keyword not in TAKEN_OVER:
            for item in element.value:
                yield item
                yield from _items(item)


def described(several: list[list[Dataset]], depth: int = 0) -> list[str]:
    """Describe what there is in several samples: each one a list of items that are alike."""
    tags = sorted({tag for items in several for item in items for tag in item.keys()})  # noqa: SIM118
    told = []
    for tag in tags:
        keyword = keyword_for_tag(tag)
        if not keyword or keyword in LEFT_OUT or tag.element == 0:
            continue
        all_items = [item for items in several for item in items]
        there = [item[tag] for item in all_items if tag in item]
        filled = [one for one in there if not one.is_empty]
        is_always = len(there) == len(all_items)
        presence = "E" if not filled and is_always else "A" if is_always else "N"
        if is_always and 0 < len(filled) < len(there):
            presence = "V"
        source = "I" if keyword in TAKEN_OVER and depth == 0 else "G"
        said = {str(one.value) for one in filled if one.VR not in ("SQ", "UI", "OB", "OW", "UN")}
        value = said.pop() if len(said) == 1 and source == "G" and presence == "A" else ""
        short = value if 0 < len(value) <= 20 and value.isascii() and " " not in value else ""
        told.append(f"{'>' * depth}{keyword}/{presence}{source}" + (f"={short}" if short else ""))
        if depth < DEEPEST and source == "G" and filled and filled[0].VR == "SQ":
            nested = [
                list(item[tag].value) if tag in item else [] for items in several for item in items
            ]
            told += described([items for items in nested if items], depth + 1)
    return told


def text(made: dict[str, list[Dataset]]) -> str:
    """Write the module."""
    parts = [
        '"""What attributes results have, by kind: tests.wire.sampling writes it, nobody else."""\n'
    ]
    parts.append("ATTRIBUTES: dict[str, str] = {")
    for kind in services.RESULT_CLASSES:
        tokens = " ".join(described([[ds] for ds in made[kind]]))
        lines = textwrap.wrap(tokens, 95, break_long_words=False, break_on_hyphens=False)
        parts.append(f'    "{kind}": """\n' + "\n".join(lines) + '\n""",')
    return "\n".join([*parts, "}\n"])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        Path(attributes.__file__).write_text(text(samples(Path(place))))
