"""Holds a volume against what its model is for, before it looks; refused or marked by route."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from node.bundles.runner import Runner
from node.bundles.shelf import Bundle, Shelf
from node.dicom.extent import extent_of
from node.dicom.reading import text_of
from node.dicom.region import region_of
from node.dicom.results import ModelRun
from node.dicom.volume import Volume
from node.rules import doubting, scoping
from node.rules.failures import Fault, Refusal
from node.rules.nouns import InputRequirement, Job, Route
from node.rules.wishes import RouteInputs

CHECK = "modality_check"
"""The bundle that tells CT from MR by grey values."""
GRID = (24, 256, 256)
"""The check is one of statistics: of larger volumes it sees voxels on an even grid of this shape,
the same ones whenever and wherever it is asked, in a time that does not grow with the series."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Some slices of a volume, as a model wants them."""

    voxels: np.ndarray
    affine: np.ndarray


class Scope:
    """Judges volumes, on behalf of routes."""

    def __init__(
        self,
        shelf: Shelf,
        runner: Runner,
        routes: Mapping[str, Route],
        timeout_of: Callable[[str], float],
    ) -> None:
        """`timeout_of` gives the seconds that a model may take."""
        self._shelf, self._runner = shelf, runner
        self._routes, self._timeout_of = routes, timeout_of

    def requirement(self, bundle: Bundle, route: str) -> InputRequirement:
        """Give what is read for a route."""
        return scoping.requirement(bundle.manifest.requirement, self._inputs(route))

    def warm_up(self, work: Path) -> Refusal | None:
        """Have the check look at nothing, so that the first series does not wait for its process.

        None when it is ready, or no route asks for it.
        """
        if all(route.inputs.modality == "off" for route in self._routes.values()):
            return None
        check = self._shelf.get(CHECK)
        if isinstance(check, Refusal):
            return check
        nothing = _Part(np.zeros(GRID, np.int16), np.eye(4))
        found = self._runner.predict(check, nothing, work, self._timeout_of(CHECK))
        return found if isinstance(found, Refusal) else None

    def judge(self, volume: Volume, bundle: Bundle, route: str, work: Path) -> Volume | Refusal:
        """Refuse a volume that the model is not for, or have it say so in its repairs.

        Args:
            volume: what the model is to look at.
            bundle: the model.
            route: the name of the route that sends it there.
            work: a folder for arrays on their way.
        """
        if bundle.manifest.segments and not volume.placed:
            return Refusal(
                "the images are pictures without a place in the patient, and masks on such are "
                "not written",
                Fault.INPUT,
                "Route them to a model that classifies",
            )
        if bundle.manifest.sees_pictures and len(volume.voxels) != 1:
            return Refusal(
                f"the model reads one picture; the series has {len(volume.voxels)} slices",
                Fault.INPUT,
                "Route series of single pictures to this model",
            )
        inputs = self._inputs(route)
        wrong = _wrong(volume, bundle)
        if wrong and inputs.scope == "refuse":
            return _refused(wrong)
        found = self._modality(volume, bundle, inputs, work)
        if isinstance(found, Refusal):
            if inputs.modality == "refuse":
                return found
            found = ""
        if found and inputs.modality == "refuse":
            return _refused([found])
        marks = [f"out of scope: {one}" for one in (*wrong, found) if one]
        return replace(volume, repairs=(*volume.repairs, *marks)) if marks else volume

    def judge_findings(self, run: ModelRun, route: str) -> ModelRun | Refusal:
        """Refuse what a model found if nobody has so much or so little of it, or mark it."""
        volumes = {
            one.name: run.measured[one.label].volume_ml
            for one in run.model.segments
            if one.label in run.measured
        }
        wrong = scoping.implausible([s for s in run.model.segments if s.name in volumes], volumes)
        if not wrong:
            return run
        if self._inputs(route).scope == "refuse":
            return _refused(wrong)
        marks = tuple(f"out of scope: {one}" for one in wrong)
        return replace(run, volume=replace(run.volume, repairs=(*run.volume.repairs, *marks)))

    def judge_doubts(self, run: ModelRun, bundle: Bundle, job: Job) -> ModelRun | Refusal:
        """Hold back what the model is not sure enough of, or mark it.

        What a person has released is marked, too, and goes out.
        """
        bounds = bundle.manifest.classifying.bounds
        found = doubting.doubts(run.findings.scores, bounds, self._inputs(job.route).doubt)
        marks = tuple(one.what for one in found)
        why = doubting.reason(found)
        if not why:
            return replace(run, marks=(*run.marks, *marks)) if marks else run
        if why.startswith(doubting.HELD):
            if job.released_by:
                return replace(run, marks=(*run.marks, *marks, "released by a person"))
            advice = f"Look at the images, then `radnode release {job.job_id}` to have it sent"
            return Refusal(why, Fault.MODEL, advice)
        return Refusal(why, Fault.MODEL, "Read the study without it")

    def _inputs(self, route: str) -> RouteInputs:
        known = self._routes.get(route)
        return RouteInputs() if known is None else known.inputs

    def _modality(
        self, volume: Volume, bundle: Bundle, inputs: RouteInputs, work: Path
    ) -> str | Refusal:
        """Say how grey values contradict the header; "" if they do not, or it is not asked.

        A refusal says why nobody can tell.
        """
        modality = text_of(volume.sources[0], "Modality")
        if inputs.modality == "off" or modality not in scoping.CHECKED or not volume.placed:
            return ""
        check = self._shelf.get(CHECK)
        if isinstance(check, Refusal):
            return check
        if check.path == bundle.path:
            return ""
        part = _Part(_sample(volume.voxels), volume.affine)
        found = self._runner.predict(check, part, work, self._timeout_of(CHECK))
        if isinstance(found, Refusal):
            return found
        return scoping.contradiction(modality, next(iter(found.probabilities.values())))


def _wrong(volume: Volume, bundle: Bundle) -> list[str]:
    """Say what of a volume's extent, or of the body that it shows, is not what the model is for."""
    extent = extent_of(volume)
    if extent is None:
        return []
    found = scoping.out_of_scope(bundle.manifest.requirement, extent)
    declared = text_of(volume.sources[0], "BodyPartExamined")
    if declared.upper() in scoping.HEADS:
        shown = region_of(volume)
        found += scoping.another_region(declared, shown.name, shown.section_cm2)
    return found


def _sample(voxels: np.ndarray) -> np.ndarray:
    """Take voxels on an even grid, shape (slices, rows, columns), at most that of `GRID`."""
    for axis, most in enumerate(GRID):
        there = voxels.shape[axis]
        if there > most:
            evenly = np.linspace(0, there - 1, most).round().astype(int)
            voxels = np.take(voxels, evenly, axis)
    return np.ascontiguousarray(voxels)


def _refused(reasons: list[str]) -> Refusal:
    return Refusal(
        f"the series is not what the model is for: {'; '.join(reasons)}",
        Fault.INPUT,
        "Correct the header or the route, or have the right series sent",
    )
