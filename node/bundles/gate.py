"""Holds a compiled network against the reference: as right, and worth it, or it is not used.

Reference is the bundle's own weights in f32. Both look at every golden case, pipeline and all.
The compiled one must stay within the bundle's bounds and its tolerance, and be faster by a tenth
at least than the next safer way that stood the gate; else the safer one stays. Times are of the
network alone on one window of a golden case, in turns in one run, so that what disturbs the
machine disturbs both.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from node.bundles.golden import TIMEOUT_SECONDS, Case, deviations, dice
from node.bundles.manifest import Bundle, Manifest, Tolerance
from node.bundles.process import GoneError
from node.bundles.runner import Runner
from node.bundles.ways import Way
from node.dicom.findings import Findings
from node.rules.failures import Refusal

FASTER = 1.1
"""So much faster than the next safer way it must be to be worth its difference."""
ROUNDS, FEWEST_ROUNDS = 15, 5
ENOUGH_MS = 6000.0
"""After so long no more rounds are timed than the fewest."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured on the golden cases.

    `dice` is the worst of all segments and cases against the reference, `disagreement` the worst
    part of voxels labelled by either that bear another label, `probability` the largest shift of a
    class, `auc_change` what the area under the ROC curve lost, where the cases have both kinds.
    `ms` is the shortest time for one window, `safer_ms` that of the next safer way in the same
    run, `speed_up` their ratio or the median of ratios round by round, whichever is smaller.
    """

    cases: int = 0
    dice: Mapping[str, float] = field(default_factory=dict)
    disagreement: float = 0.0
    probability: float = 0.0
    auc_change: float | None = None
    ms: float = 0.0
    safer: str = ""
    safer_ms: float = 0.0
    speed_up: float = 0.0

    def as_plain(self) -> dict[str, object]:
        """Give it as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The sentence about it, what was measured, and whether it stood the gate."""

    why: str
    measured: Measured = field(default_factory=Measured)
    passed: bool = False


def reference_of(bundle: Bundle) -> Bundle:
    """Give the bundle as it is run for reference: its own weights, in f32."""
    return replace(bundle, ways=(), notes=(), manifest=replace(bundle.manifest, precision="f32"))


def by_way(bundle: Bundle, way: Way) -> Bundle:
    """Give the bundle as it is run by one way; without a key that is the reference."""
    plain = reference_of(bundle)
    return replace(plain, ways=(way,)) if way.key else plain


class Gate:
    """Judges ways of one bundle; the reference looks at the cases once."""

    def __init__(
        self,
        bundle: Bundle,
        cases: Sequence[Case],
        runner: Runner,
        work_dir: Path,
        faster: float = FASTER,
    ) -> None:
        """Prepare; nothing is run yet.

        Args:
            bundle: from the shelf, fit to run.
            cases: its golden cases.
            runner: runs both.
            work_dir: a folder for arrays on their way.
            faster: how many times as fast as the next safer way it must be.
        """
        self._bundle = bundle
        self._cases = cases
        self._runner = runner
        self._work = work_dir
        self._faster = faster
        self._expected: list[Findings] = []

    def judge(self, way: Way, safer: Way) -> Verdict:
        """Run a way beside the reference and the next safer way."""
        try:
            complaint = self._look_by_reference()
            if complaint:
                return Verdict(complaint)
            found = self._look(way)
            if isinstance(found, str):
                return Verdict(f"it does not run: {found}")
            measured = compare(self._bundle.manifest, self._expected, found)
            measured = self._with_auc(measured, found)
            wrong = list(self._wrong(measured, found))
            if wrong:
                return Verdict("; ".join(wrong), measured)
            return self._timed(way, safer, measured)
        except GoneError as gone:
            return Verdict(f"it could not be timed: {gone.refusal.reason}")

    def _look_by_reference(self) -> str:
        if self._expected:
            return ""
        found = self._look(self._bundle.reference)
        if isinstance(found, str):
            return f"the reference does not run: {found}"
        self._expected = found
        return ""

    def _look(self, way: Way) -> list[Findings] | str:
        bundle = by_way(self._bundle, way)
        seen = []
        for case in self._cases:
            found = self._runner.predict(bundle, case.volume, self._work, TIMEOUT_SECONDS)
            if isinstance(found, Refusal):
                return found.reason
            if found.facts.get("artefact", "") != way.key:
                return found.facts.get("fallback", "another way ran in its place")
            seen.append(found)
        return seen

    def _wrong(self, measured: Measured, found: Sequence[Findings]) -> Iterator[str]:
        """Say what keeps it from being as right as the reference."""
        yield from beyond(self._bundle.manifest.tolerance, measured)
        pairs = list(zip(self._expected, found, strict=True))
        for entry in self._bundle.manifest.classes:
            sides = [
                (one.probabilities[entry.name] >= entry.threshold)
                == (other.probabilities[entry.name] >= entry.threshold)
                for one, other in pairs
            ]
            if not all(sides):
                yield f"{entry.name} changes sides of its threshold"
        for case, one in zip(self._cases, found, strict=True):
            yield from deviations(case, one, self._bundle)

    def _with_auc(self, measured: Measured, found: Sequence[Findings]) -> Measured:
        changes = [
            change
            for entry in self._bundle.manifest.classes
            if (change := self._auc_change(entry.name, entry.threshold, found)) is not None
        ]
        return replace(measured, auc_change=max(changes)) if changes else measured

    def _auc_change(self, name: str, threshold: float, found: Sequence[Findings]) -> float | None:
        """Say what the area under the ROC curve loses; the cases' bounds tell what is true."""
        truths, before, after = [], [], []
        for case, expected, one in zip(self._cases, self._expected, found, strict=True):
            stated = case.bounds.get("probabilities", {}).get(name)
            if stated is not None and not stated[0] < threshold <= stated[1]:
                truths.append(stated[0] >= threshold)
                before.append(expected.probabilities[name])
                after.append(one.probabilities[name])
        if len(set(truths)) < 2:
            return None
        return area(before, truths) - area(after, truths)

    def _timed(self, way: Way, safer: Way, measured: Measured) -> Verdict:
        times = self._race(way, safer)
        ratios = [b / a for a, b in zip(*times, strict=True)]
        # two measures, of which noise rarely flatters both
        speed_up = min(statistics.median(ratios), min(times[1]) / min(times[0]))
        measured = replace(
            measured,
            ms=round(min(times[0]), 2),
            safer=str(safer),
            safer_ms=round(min(times[1]), 2),
            speed_up=round(speed_up, 2),
        )
        if speed_up < self._faster:
            why = f"no faster than {safer} ({speed_up:.2f} times), which is the safer one"
            return Verdict(why, measured)
        return Verdict(f"{speed_up:.2f} times as fast as {safer}", measured, passed=True)

    def _race(self, way: Way, safer: Way) -> tuple[list[float], list[float]]:
        """Time both in turns on the same window; milliseconds, round by round."""
        case = self._cases[0]
        sent = self._work / "sample.npy"
        np.save(sent, case.volume.voxels, allow_pickle=False)
        bundles = [by_way(self._bundle, one) for one in (way, safer)]
        affine = np.asarray(case.volume.affine, dtype=float).tolist()
        try:
            for bundle in bundles:
                sample = {"verb": "sample", "voxels": str(sent), "affine": affine}
                self._runner.ask(bundle, sample, TIMEOUT_SECONDS)
                self._runner.ask(bundle, {"verb": "time", "repeats": 2}, TIMEOUT_SECONDS)
            times: tuple[list[float], list[float]] = ([], [])
            while len(times[0]) < ROUNDS:
                for kept, bundle in zip(times, bundles, strict=True):
                    asked = {"verb": "time", "repeats": 1}
                    kept.extend(self._runner.ask(bundle, asked, TIMEOUT_SECONDS)["ms"])
                spent = sum(times[0]) + sum(times[1])
                if len(times[0]) >= FEWEST_ROUNDS and spent > ENOUGH_MS:
                    break
            return times
        finally:
            sent.unlink(missing_ok=True)


def beyond(bounds: Tolerance, measured: Measured) -> Iterator[str]:
    """Say in what a compiled network differs from the reference by more than is tolerated."""
    for name, value in measured.dice.items():
        if value < 1 - bounds.dice_loss:
            yield f"{name} has Dice {value:.4f}, below {1 - bounds.dice_loss:.4f}"
    if measured.disagreement > bounds.disagreement:
        yield f"{measured.disagreement:.2%} of labelled voxels differ"
    if measured.probability > bounds.probability:
        yield f"a probability shifts by {measured.probability:.4f}"
    if measured.auc_change is not None and measured.auc_change > bounds.probability:
        yield f"the area under the ROC curve loses {measured.auc_change:.4f}"


def compare(
    manifest: Manifest, expected: Sequence[Findings], found: Sequence[Findings]
) -> Measured:
    """Measure how far findings are from those of the reference, the worst over all cases."""
    worst: dict[str, float] = {}
    disagreement = probability = 0.0
    for one, other in zip(expected, found, strict=True):
        if one.labels is not None and other.labels is not None:
            for segment in manifest.segments:
                value = dice(one.labels, other.labels, segment.label)
                worst[segment.name] = round(min(value, worst.get(segment.name, 1.0)), 6)
            labelled = int(((one.labels > 0) | (other.labels > 0)).sum())
            differ = int((one.labels != other.labels).sum())
            disagreement = max(disagreement, differ / labelled if labelled else 0.0)
        for name, value in one.probabilities.items():
            probability = max(probability, abs(value - other.probabilities[name]))
    return Measured(len(expected), worst, round(disagreement, 6), round(probability, 6))


def area(values: Sequence[float], truths: Sequence[bool]) -> float:
    """Give the area under the ROC curve: how often a true case has the larger value."""
    true = [value for value, truth in zip(values, truths, strict=True) if truth]
    false = [value for value, truth in zip(values, truths, strict=True) if not truth]
    won = sum((a > b) + (a == b) / 2 for a in true for b in false)
    return won / (len(true) * len(false))
