"""A folder of DICOM in, SEG, SR and preview out: the infer leg alone, without network or ledger."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node.bundles.runner import Runner
from node.bundles.shelf import Shelf
from node.clock import Clock
from node.dicom import header, results
from node.dicom.header import Part10
from node.dicom.results import ResultSet
from node.dicom.volume import read_volume
from node.rules import naming
from node.rules.failures import Refusal
from node.rules.nouns import Job


@dataclass(frozen=True, slots=True)
class Written:
    """What was written where, and the facts of the run (volumes, times)."""

    paths: tuple[Path, ...]
    facts: dict[str, object]


def run_once(
    folder: Path, model: str, out: Path, shelf: Shelf, runner: Runner, clock: Clock
) -> Written | Refusal:
    """Have a model look at the one series in a folder, and write what it found to another.

    The same folder and bundle give the same UIDs as on the node; the content time is now.

    Raises:
        OSError: the folder cannot be read, or the other not be written.
    """
    bundle = shelf.get(model)
    if isinstance(bundle, Refusal):
        return bundle
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
        job = _job(list(found.values()), model, bundle.manifest.identity.bundle_hash, clock)
        run = results.begin(volume, findings, bundle.manifest, job, Path(work))
        made = results.make(run)
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


def _job(images: Sequence[Part10], model: str, bundle_hash: str, clock: Clock) -> Job:
    first = images[0].header
    digest = naming.evidence_digest((one.header.sop_instance_uid, one.sha256) for one in images)
    return Job(
        job_id=naming.job_id(first.series_instance_uid, digest, bundle_hash),
        series_instance_uid=first.series_instance_uid,
        study_instance_uid=first.study_instance_uid,
        edition=1,
        evidence=digest,
        route="run-once",
        model=model,
        bundle_hash=bundle_hash,
        send_to=(),
        settled_at=clock.now(),
    )


def _write(made: ResultSet, out: Path) -> Written:
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for one in made.objects:
        paths.append(out / f"{one.kind.lower()}{one.path.suffix}")
        shutil.move(one.path, paths[-1])
    return Written(tuple(paths), made.facts)
