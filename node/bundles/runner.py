"""Has a model look at a volume in a process of its own, which may crash or hang without harm.

The processes of several models stay warm. Each gets arrays and nothing else: no header, no
patient, none of the node's own settings or passwords. When one takes too long it is killed with
everything it started; when it runs out of memory it is asked for less, step by step; when it
crashes the caller gets a refusal with the reason.
"""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from node.bundles import interpreters
from node.bundles.allowing import Allowances
from node.bundles.answers import findings_of, surprise
from node.bundles.cards import Watch, own_memory_mb
from node.bundles.ladder import Rung, on_card, smaller, ways_of
from node.bundles.machine import this_machine
from node.bundles.manifest import Bundle, UnreadableBundleError, file_hash, tree_hash
from node.bundles.pool import Pool
from node.bundles.process import Child, GoneError
from node.bundles.starting import child_variables, load_request
from node.bundles.ways import Way
from node.clock import Clock, SystemClock
from node.dicom.findings import Findings
from node.rules.failures import Fault, Refusal

OF_THE_CARD = 0.9
"""So much of the card's memory warm models may hold together; the rest is for the one at work."""


class Located(Protocol):
    """A volume: what of `node.dicom.volume.Volume` a model needs."""

    @property
    def voxels(self) -> np.ndarray:
        """Values [slices, rows, columns], modality LUT applied."""
        ...

    @property
    def affine(self) -> np.ndarray:
        """4 x 4, from (slice, row, column, 1) to LPS millimetres."""
        ...


class _NoMemoryError(Exception):
    """Memory ran out; the text says where. `loading` when it never got so far as to look."""

    def __init__(self, where: str, *, loading: bool) -> None:
        super().__init__(where)
        self.loading = loading


class Runner:
    """Runs bundles, one volume at a time. Close it at the end."""

    def __init__(
        self,
        threads: int = 1,
        *,
        python: str = "",
        clock: Clock | None = None,
        environment: Mapping[str, str] | None = None,
        allowances: Allowances | None = None,
    ) -> None:
        """Prepare; the first child starts with the first prediction.

        Args:
            threads: how many CPU threads a model may use.
            python: the interpreter for the child, by default the one chosen for models.
            clock: where time comes from.
            environment: variables for the child beside those that limit its threads; it inherits
                none of the node's own.
            allowances: how much memory models may use, and what else.
        """
        self._threads = threads
        self._clock = clock or SystemClock()
        self._allowances = allowances or Allowances()
        self._busy = threading.Lock()
        self._closings = 0
        variables = child_variables(threads, environment or {})
        card_mb, shared = own_memory_mb() if this_machine().gpu else (0.0, False)
        self._pool = Pool(
            lambda: Child(python or interpreters.chosen(), variables),
            self._allowances.together_mb,
            card_mb * OF_THE_CARD,
            shared=shared,
        )

    def predict(
        self,
        bundle: Bundle,
        volume: Located,
        work_dir: Path,
        timeout_s: float,
        *,
        cpu: bool | None = None,
    ) -> Findings | Refusal:
        """Have a bundle look at a volume.

        Args:
            bundle: from the shelf, fit to run.
            volume: voxels [slices, rows, columns] and their affine.
            work_dir: a folder for the arrays on their way; both are gone afterwards. They are
                mapped, not sent: a file in the page cache costs less than shared memory does
                (24 ms against 65 to 110 ms for 300 slices of 512 x 512).
            timeout_s: how long it may take, loading included.
            cpu: whether it may run on the processor where it does not fit on the accelerator; None
                is as the model is allowed to.

        Returns:
            What was found, its label map on the volume's grid; or a refusal: the child hung or
            crashed (again: true), or the bundle changed or made something it did not announce.
        """
        sent, answer = work_dir / "voxels.npy", work_dir / "labels.npy"
        with self._busy:
            try:
                np.save(sent, volume.voxels, allow_pickle=False)
                request = {
                    "verb": "predict",
                    "voxels": str(sent),
                    "affine": np.asarray(volume.affine, dtype=float).tolist(),
                    "answer": str(answer),
                }
                climb = self._begin(timeout_s)
                climb.cpu = cpu
                return self._climb(bundle, request, volume.voxels.shape, climb)
            finally:
                sent.unlink(missing_ok=True)
                answer.unlink(missing_ok=True)

    def warm(self, bundle: Bundle, timeout_s: float) -> Refusal | None:
        """Start the child for a bundle before it is asked anything; None when it is ready."""
        with self._busy:
            climb = self._begin(timeout_s)
            refusal: Refusal | None = None
            for way in self._ways(bundle):
                try:
                    self._child_for(bundle, Rung(way), climb)
                except (GoneError, _NoMemoryError) as error:
                    refusal = self._after(error, bundle, Rung(way), climb)
                    if refusal is not None and climb.over:
                        return refusal
                else:
                    return None
            return refusal or _starved(bundle, climb)

    def ask(self, bundle: Bundle, request: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        """Ask the process of a bundle's first way something else, as the gate does.

        Raises:
            GoneError: it hung, crashed or had no memory.
        """
        with self._busy:
            climb = self._begin(timeout_s)
            rung = Rung(self._ways(bundle)[0])
            try:
                reply = self._asked(bundle, rung, request, climb)
            except _NoMemoryError as error:
                raise GoneError(_starved(bundle, climb)) from error
            done: dict[str, Any] = reply["done"]
            return done

    def conclude(
        self, bundle: Bundle, request: Mapping[str, Any], shape: tuple[int, ...], timeout_s: float
    ) -> Findings | Refusal | None:
        """Have a series finished that was handed over slice by slice (`bundles.following`).

        Returns:
            As `predict`, for a volume of this shape; None when it has to be asked instead.
        """
        with self._busy:
            climb = self._begin(timeout_s)
            rung = Rung(self._ways(bundle)[0])
            try:
                reply = self._asked(bundle, rung, request, climb)
            except (GoneError, _NoMemoryError):
                return None
            return None if "why" in reply["done"] else self._told(bundle, rung, reply, shape, climb)

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for an answer now."""
        return self._busy.locked()

    def close(self) -> None:
        """End all children; a prediction under way ends with a refusal."""
        self._closings += 1
        self._pool.close()

    @property
    def process_id(self) -> int | None:
        """Process id of the warm child that was asked last, None when there is none."""
        return self.process_ids[-1] if self.process_ids else None

    @property
    def process_ids(self) -> list[int]:
        """Process ids of all warm children, the one asked last at the end."""
        return self._pool.process_ids

    @property
    def held_mb(self) -> float:
        """How much memory all warm children hold, as they last said."""
        return self._pool.held_mb

    def _begin(self, timeout_s: float) -> "_Climb":
        return _Climb(self._clock.monotonic() + timeout_s, self._closings)

    def _ways(self, bundle: Bundle, *, cpu: bool | None = None) -> list[Way]:
        allowed = self._allowances.of_model(bundle.path.name).cpu if cpu is None else cpu
        return ways_of(bundle, this_machine(), cpu=allowed)

    def _climb(
        self,
        bundle: Bundle,
        request: Mapping[str, Any],
        shape: tuple[int, ...],
        climb: "_Climb",
    ) -> Findings | Refusal:
        """Try the ways one after another, each with fewer windows at once if need be."""
        refusal: Refusal | None = None
        ways = self._ways(bundle, cpu=climb.cpu)
        for way in ways:
            todo = [Rung(way)]
            while todo:
                rung = todo.pop(0)
                asked = {**request, "batch": rung.batch}
                try:
                    reply = self._asked(bundle, rung, asked, climb)
                except (GoneError, _NoMemoryError) as error:
                    refusal = self._after(error, bundle, rung, climb)
                    if refusal is not None and climb.over:
                        return refusal
                    loading = isinstance(error, _NoMemoryError) and error.loading
                    if refusal is not None or loading:
                        break
                    todo = todo or list(smaller(bundle, rung))
                else:
                    return self._told(bundle, rung, reply, shape, climb)
        if len(ways) < len(self._ways(bundle, cpu=True)):
            climb.steps.append("the processor may not be used instead")
        return refusal or _starved(bundle, climb)

    def _asked(
        self, bundle: Bundle, rung: Rung, request: Mapping[str, Any], climb: "_Climb"
    ) -> dict[str, Any]:
        child = self._child_for(bundle, rung, climb)
        with Watch(looks=on_card(rung.way, this_machine())) as climb.watch:
            reply = child.ask(request, climb.deadline - self._clock.monotonic())
        self._pool.settle(_serves(bundle, rung.way))
        if "out_of_memory" in reply:
            raise _NoMemoryError(reply["out_of_memory"], loading=False)
        return reply

    def _told(
        self,
        bundle: Bundle,
        rung: Rung,
        reply: Mapping[str, Any],
        shape: tuple[int, ...],
        climb: "_Climb",
    ) -> Findings | Refusal:
        done = reply["done"]
        if "surprise" in done:
            return surprise(done["surprise"])
        child = self._pool.get(_serves(bundle, rung.way))
        facts = dict(child.facts) if child is not None else {}
        facts["memory_mb"] = str(round(reply.get("memory_mb", 0.0)))
        facts["windows"] = str(done.get("windows", 1))
        if rung.way.key:
            facts["artefact"] = rung.way.key
        steps = [*bundle.notes, *climb.steps]
        if steps:
            facts["fallback"] = "; ".join(steps)
        facts |= climb.watch.told()
        return findings_of(bundle.manifest, shape, done, facts)

    def _child_for(self, bundle: Bundle, rung: Rung, climb: "_Climb") -> Child:
        """Give the warm child that serves this very way of the bundle, else start one."""
        serves = _serves(bundle, rung.way)
        child = self._pool.get(serves)
        if child is not None:
            return child
        _check_unchanged(bundle, rung.way)
        child = self._pool.add(serves, rung.way.weights)
        allowed = self._allowances.of_model(bundle.path.name)
        request = load_request(bundle, rung.way, self._threads, allowed.memory_mb)
        reply = child.ask(request, climb.deadline - self._clock.monotonic())
        self._pool.settle(serves)
        if "out_of_memory" in reply:
            self._pool.drop(serves)
            raise _NoMemoryError(reply["out_of_memory"], loading=True)
        return child

    def _after(
        self, error: GoneError | _NoMemoryError, bundle: Bundle, rung: Rung, climb: "_Climb"
    ) -> Refusal | None:
        """Clear up after a failed try, put it on record, and say whether that was the end."""
        serves = _serves(bundle, rung.way)
        self._pool.drop(serves)  # an engine that had no memory once is not to be relied upon
        if isinstance(error, _NoMemoryError):
            self._pool.close()
            climb.note(rung, f"ran out of memory ({error})")
            return None
        if error.starved:
            self._pool.close()
            climb.note(rung, "died for lack of memory")
            return None
        climb.note(rung, error.refusal.reason)
        closed = self._closings != climb.closings
        climb.over = error.hung or closed or not rung.way.key
        return error.refusal


class _Climb:
    """One prediction's way down the ladder: until when, and what was tried."""

    def __init__(self, deadline: float, closings: int) -> None:
        self.deadline = deadline
        self.closings = closings
        self.steps: list[str] = []
        self.over = False
        self.cpu: bool | None = None
        self.watch = Watch(looks=False)

    def note(self, rung: Rung, what: str) -> None:
        at_once = f" with {rung.batch} at once" if rung.batch else ""
        self.steps.append(f"{rung.way}{at_once} {what}")


def _serves(bundle: Bundle, way: Way) -> str:
    return f"{bundle.sha256} {way.engine} {way.precision} {way.device} {way.key} {way.boxed}"


def _check_unchanged(bundle: Bundle, way: Way) -> None:
    """Hold bundle and compiled files against the digests on record, once for each child."""
    try:
        now = tree_hash(bundle.path)
        changed = [path.name for path, digest in way.digest.items() if file_hash(path) != digest]
    except (OSError, UnreadableBundleError) as error:
        raise GoneError(_changed(bundle, str(error))) from error
    if now != bundle.sha256:
        raise GoneError(_changed(bundle, "its digest is another one"))
    if changed:
        raise GoneError(_changed(bundle, f"{changed[0]}, compiled from it, was changed"))


def _changed(bundle: Bundle, how: str) -> Refusal:
    return Refusal(
        f"bundle {bundle.path.name} is not what the shelf recorded: {how}",
        Fault.MODEL,
        "Run `radnode models check`",
    )


def _starved(bundle: Bundle, climb: _Climb) -> Refusal:
    return Refusal(
        f"model {bundle.path.name} has not enough memory: {'; '.join(climb.steps)}",
        Fault.NODE,
        "Allow it more in models.memory_mb of config.yaml, or give the machine more",
        again=True,
    )
