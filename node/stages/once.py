"""A folder of DICOM in, results out: the infer leg alone, without network or ledger."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from node.bundles.runner import Runner
from node.bundles.shelf import Bundle
from node.clock import Clock
from node.dicom import header, results
from node.dicom.header import Part10
from node.dicom.results import ResultSet
from node.dicom.volume import read_volume
from node.rules import doubting, naming
from node.rules.failures import Refusal
from node.rules.nouns import STANDARD_OUTPUTS, Job, Output


@dataclass(frozen=True, slots=True)
class Written:
    """What was written where, and the facts of the run (volumes, times)."""

    paths: tuple[Path, ...]
    facts: dict[str, object]


def run_once(
    folder: Path,
    bundle: Bundle,
    out: Path,
    runner: Runner,
    clock: Clock,
    wanted: frozenset[Output] = STANDARD_OUTPUTS,
) -> Written | Refusal:
    """Have a model look at the one series in a folder, and write what it found to another.

    The same folder and bundle give the same results as on the node, whenever and however often.

    Args:
        folder: what lies in it and below, in any order.
        bundle: the model.
        out: made if need be; each result is called after its kind, with a number if there are
            several.
        runner: runs the model.
        clock: gives the time of results whose images carry none.
        wanted: what to make besides SEG and SR.

    Raises:
        OSError: the folder cannot be read, or the other not be written.
    """
    found = _images(folder)
    if isinstance(found, Refusal):
        return found
    volume = read_volume(list(found), bundle.manifest.requirement)
    if isinstance(volume, Refusal):
        return volume
    with tempfile.TemporaryDirectory() as work:
        findings = runner.predict(bundle, volume, Path(work), timeout_s=3600.0)
        if isinstance(findings, Refusal):
            return findings
        job = _job(list(found.values()), bundle, clock, findings.facts)
        run = results.begin(volume, findings, bundle.manifest, job, Path(work))
        doubts = doubting.doubts(findings.scores, bundle.manifest.classifying.bounds)
        said = [bundle.mark] if bundle.mark else []
        run = replace(run, marks=(*said, *(one.what for one in doubts)))  # who asked reads it here
        made = results.make(run, wanted)
        if isinstance(made, results.Withheld):
            return made.refusal
        return _write(made, out)


def _images(folder: Path) -> dict[Path, Part10] | Refusal:
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    found = {file: read for file in files if isinstance(read := header.read_part10(file), Part10)}
    series = {read.header.series_instance_uid for read in found.values()}
    if len(series) != 1:
        return Refusal(
            f"{len(found)} images of {len(series)} series lie in {folder}",
            advice="Give a folder that holds one series",
        )
    return found


def _job(images: Sequence[Part10], bundle: Bundle, clock: Clock, facts: Mapping[str, str]) -> Job:
    first = images[0].header
    bundle_hash = bundle.manifest.identity.bundle_hash
    digest = naming.evidence_digest((one.header.sop_instance_uid, one.sha256) for one in images)
    return Job(
        job_id=naming.job_id(first.series_instance_uid, digest, naming.run(bundle_hash, facts)),
        series_instance_uid=first.series_instance_uid,
        study_instance_uid=first.study_instance_uid,
        edition=1,
        evidence=digest,
        route="run-once",
        model=bundle.manifest.identity.name,
        bundle_hash=bundle_hash,
        send_to=(),
        settled_at=clock.now(),
    )


def _write(made: ResultSet, out: Path) -> Written:
    out.mkdir(parents=True, exist_ok=True)
    total = Counter(one.kind for one in made.objects)
    seen: Counter[str] = Counter()
    paths = []
    for one in made.objects:
        seen[one.kind] += 1
        number = f"_{seen[one.kind]:02}" if total[one.kind] > 1 else ""
        paths.append(out / f"{one.kind.lower()}{number}{one.path.suffix}")
        shutil.move(one.path, paths[-1])
    return Written(tuple(paths), made.facts)
