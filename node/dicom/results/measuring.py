"""Measures what was segmented: how much of it there is."""

from collections.abc import Sequence
from dataclasses import dataclass

from node.dicom.findings import Findings, voxel_counts
from node.dicom.volume import Volume
from node.rules.nouns import Segment


@dataclass(frozen=True, slots=True)
class Measured:
    """The measurements of one label."""

    label: int
    voxels: int
    volume_ml: float


def measure(volume: Volume, findings: Findings, segments: Sequence[Segment]) -> dict[int, Measured]:
    """Measure every label that a model has a word for, also those without a voxel."""
    if findings.labels is None:
        return {}
    counts = voxel_counts(findings.labels, max((one.label for one in segments), default=0))
    return {
        one.label: Measured(
            one.label,
            int(counts[one.label]),
            round(int(counts[one.label]) * volume.voxel_ml, 3),
        )
        for one in segments
    }
