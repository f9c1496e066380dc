"""One model run as the makers of results see it, and the files that they hand over."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pydicom
from pydicom.dataset import Dataset

from node.dicom.findings import Findings
from node.dicom.results.dating import Moment, moment_of
from node.dicom.results.measuring import Measured
from node.dicom.results.names import display_names
from node.dicom.volume import Volume
from node.rules.nouns import Classification, Job, ModelIdentity, Result, Segment


class Model(Protocol):
    """What of a bundle's manifest the results need."""

    @property
    def identity(self) -> ModelIdentity:
        """Name, version, hash, intended use."""
        ...

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The labels of a segmentation model."""
        ...

    @property
    def classes(self) -> tuple[Classification, ...]:
        """The findings of a classification model."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ModelRun:
    """What a model saw and found, and whose results are to be made of it.

    `measured` holds the measurements of every label of the model, `folder` is where files are
    written, `predecessors` are the results of the edition before, `marks` what a reader has to know
    before relying on it, `moment` the one that the images give. The same run makes the same bytes,
    whenever and wherever.
    """

    volume: Volume
    findings: Findings
    model: Model
    job: Job
    folder: Path
    measured: Mapping[int, Measured] = field(default_factory=dict)
    predecessors: Sequence[Result] = ()
    marks: tuple[str, ...] = ()
    moment: Moment | None = None

    @property
    def when(self) -> Moment:
        """The moment that all results of the run bear (see `dating`)."""
        return self.moment or moment_of(self.volume.sources, self.job.settled_at)

    @property
    def present(self) -> list[Segment]:
        """The segments that have at least one voxel, in order."""
        return [one for one in self.model.segments if self.measured[one.label].voxels]

    @property
    def segment_names(self) -> Mapping[int, str]:
        """What segments are called in results, by label."""
        return display_names((one.label, one.name, one.type) for one in self.model.segments)

    @property
    def class_names(self) -> Mapping[int, str]:
        """What classes are called in results, by index."""
        return display_names((one.index, one.name, one.finding) for one in self.model.classes)


@dataclass(frozen=True, slots=True)
class Made:
    """One result as a file; the file's name is the same on every try.

    `kind` is as in rules.nouns.Result, `sha256` and `size` are those of the file. `optional` and
    `instead_of` say when a destination need not have it (see there).
    """

    kind: str
    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    path: Path
    sha256: str
    size: int
    predecessor: str | None = None
    optional: bool = False
    instead_of: str | None = None


def write(kind: str, dataset: Dataset, folder: Path) -> Made:
    """Write a data set as a Part 10 file (PS3.10 7) called after its SOP Instance UID.

    Raises:
        OSError: it cannot be written.
    """
    path = folder / f"{dataset.SOPInstanceUID}.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return handed_over(kind, dataset, path)


def handed_over(kind: str, dataset: Dataset, path: Path) -> Made:
    """Describe a file that holds `dataset`."""
    return Made(
        kind,
        str(dataset.SOPInstanceUID),
        str(dataset.SOPClassUID),
        str(dataset.SeriesInstanceUID),
        str(dataset.file_meta.TransferSyntaxUID),
        path,
        *digest(path),
    )


def digest(path: Path) -> tuple[str, int]:
    """Give a file's sha256 and size without taking it into memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size
