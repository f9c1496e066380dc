"""Times every way in which a bundle can run on this machine, in turns, on its golden case."""

import statistics
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from node.bundles.golden import FILE, TIMEOUT_SECONDS, Case, read_cases
from node.bundles.manifest import Bundle
from node.bundles.process import GoneError
from node.bundles.runner import Runner
from node.bundles.ways import Way
from node.clock import Clock
from node.rules.failures import Fault, Refusal


@dataclass(frozen=True, slots=True)
class Timed:
    """One way: milliseconds for a window, seconds for the volume, how many windows; or why not."""

    way: Way
    window_ms: tuple[float, ...] = ()
    volume_s: tuple[float, ...] = ()
    windows: str = ""
    why: str = ""

    def cells(self) -> list[str]:
        """Give it as a row: way, window (least and median), volume (the same), windows."""
        if self.why:
            return [str(self.way), self.why, "", ""]
        window, volume = sorted(self.window_ms), sorted(self.volume_s)
        return [
            str(self.way),
            f"{window[0]:.1f} / {statistics.median(window):.1f}" if window else "-",
            f"{volume[0]:.3f} / {statistics.median(volume):.3f}",
            self.windows,
        ]


def time_ways(bundle: Bundle, runner: Runner, clock: Clock, rounds: int) -> list[Timed] | Refusal:
    """Time the bundle's own weights and all that was compiled of it here.

    Args:
        bundle: from the shelf, fit to run.
        runner: runs it.
        clock: the stopwatch.
        rounds: how often each; one more, that is not counted, warms up.
    """
    cases = [case for case in read_cases(bundle) if isinstance(case, Case)]
    if not cases:
        return Refusal(f"there is no golden case to look at; see {FILE}", Fault.MODEL, "Add one")
    ways = [*bundle.ways, bundle.reference]
    found = {str(way): Timed(way) for way in ways}
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        for number in range(rounds + 1):
            for way in ways:
                known = found[str(way)]
                if not known.why:
                    more = _once(bundle, way, cases[0], (runner, clock, Path(work)))
                    found[str(way)] = _joined(known, more) if number or more.why else known
    return list(found.values())


def _once(bundle: Bundle, way: Way, case: Case, means: tuple[Runner, Clock, Path]) -> Timed:
    runner, clock, work = means
    one = replace(bundle, ways=(way,) if way.key else (), notes=())
    started = clock.monotonic()
    looked = runner.predict(one, case.volume, work, TIMEOUT_SECONDS)
    seconds = clock.monotonic() - started
    if isinstance(looked, Refusal):
        return Timed(way, why=looked.reason)
    try:
        return Timed(way, _window(one, case, runner, work), (seconds,), looked.facts["windows"])
    except GoneError as gone:
        return Timed(way, why=gone.refusal.reason)


def _window(bundle: Bundle, case: Case, runner: Runner, work: Path) -> tuple[float, ...]:
    """Time the network alone on one window of the case; nothing where MONAI runs it all."""
    if bundle.manifest.by_monai:
        return ()
    sent = work / "sample.npy"
    np.save(sent, case.volume.voxels, allow_pickle=False)
    affine = np.asarray(case.volume.affine, dtype=float).tolist()
    try:
        asked = {"verb": "sample", "voxels": str(sent), "affine": affine}
        runner.ask(bundle, asked, TIMEOUT_SECONDS)
        told = runner.ask(bundle, {"verb": "time", "repeats": 1}, TIMEOUT_SECONDS)["ms"]
        return tuple(float(one) for one in told)
    finally:
        sent.unlink(missing_ok=True)


def _joined(known: Timed, more: Timed) -> Timed:
    window = (*known.window_ms, *more.window_ms)
    return Timed(known.way, window, (*known.volume_s, *more.volume_s), more.windows, more.why)
