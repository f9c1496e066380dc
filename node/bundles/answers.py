"""Holds what a model's process answered against what the bundle announced."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from node.bundles.manifest import Manifest
from node.dicom.findings import Findings
from node.rules.failures import Fault, Refusal


def findings_of(
    manifest: Manifest,
    shape: tuple[int, ...],
    reply: Mapping[str, Any],
    facts: Mapping[str, str],
) -> Findings | Refusal:
    """Make findings of an answer, or a refusal when it is not what was announced.

    Args:
        manifest: what the bundle says of itself.
        shape: of the volume, [slices, rows, columns]; a label map must have it.
        reply: `labels` (a path) or `values` with `scores` of how sure they are, and `seconds`.
        facts: engine, device, precision and the like, to go with it.
    """
    if manifest.segments:
        # mapped, and copied only where somebody writes; the mapping outlives the file's name
        labels = np.asarray(np.load(reply["labels"], mmap_mode="c", allow_pickle=False))
        if labels.shape != shape:
            return surprise(f"a label map of {labels.shape} for a volume of {shape}")
        known = {0, *(segment.label for segment in manifest.segments)}
        strangers = _labels_in(labels) - known
        if strangers:
            return surprise(f"labels that its metadata does not have: {sorted(strangers)}")
        return Findings(labels, seconds=reply["seconds"], facts=dict(facts))
    values = reply["values"]
    if len(values) <= max(entry.index for entry in manifest.classes):
        return surprise(f"{len(values)} values, fewer than its metadata has classes")
    probabilities = {entry.name: values[entry.index] for entry in manifest.classes}
    if not all(0.0 <= value <= 1.0 for value in probabilities.values()):
        return surprise("values that are no probabilities; postprocessing must end in 0..1")
    scores = {name: float(value) for name, value in reply.get("scores", {}).items()}
    return Findings(None, probabilities, reply["seconds"], dict(facts), scores)


def _labels_in(labels: np.ndarray) -> set[int]:
    """Say which labels there are; slice by slice, for counting takes 8 bytes for every voxel."""
    found = (np.flatnonzero(np.bincount(plane.ravel())).tolist() for plane in labels)
    return {label for plane in found for label in plane}


def surprise(what: str) -> Refusal:
    """Refuse an answer that the bundle did not announce."""
    return Refusal(f"the model made {what}", Fault.MODEL, "Correct the bundle and add it again")
