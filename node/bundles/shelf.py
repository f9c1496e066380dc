"""The shelf of model bundles: which are there, which are fit to run, and why the others are not.

A bundle is fit when its files are complete and understood, its weights have the digests that it
states, an engine for them is installed, and the whole folder has the digest that was recorded
when somebody put it on the shelf (shelf.json). One for clinical use needs its evaluation report
(`node.bundles.evaluated`), too. Nothing in a bundle is executed before that. What
was compiled of it counts as on the shelf by its own record, file by file (`node.bundles.compiled`).
"""

import json
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from node.bundles.compiled import Compiled, Key, Record, keys_of
from node.bundles.evaluated import evaluation_note
from node.bundles.examining import Examined, examine
from node.bundles.golden import golden_problems
from node.bundles.machine import engine_version, this_machine
from node.bundles.manifest import (
    Bundle,
    tree_hash,
)
from node.bundles.runner import Runner
from node.bundles.standing import Standing, is_old, standing_of
from node.bundles.ways import AUTO, Way, Wish, Wishes, advice, candidates
from node.clock import Clock, SystemClock
from node.rules.failures import Fault, Refusal

if TYPE_CHECKING:
    from node.bundles.importing import Order

__all__ = ["Bundle", "Shelf", "to_be_evaluated"]

TRIAL = "TRIAL: this model is not on the shelf, and nobody has checked it"
RECORD = "shelf.json"
RETIRED = ".retired"


class Shelf:
    """The folder that holds the bundles, one folder each, and the record of them."""

    def __init__(
        self, models_dir: Path, clock: Clock | None = None, wishes: Wishes | None = None
    ) -> None:
        """`models_dir` need not exist yet; `wishes` say how models are to be executed."""
        self._dir = models_dir
        self._clock = clock or SystemClock()
        self._wishes = wishes or Wishes()
        self.compiled = Compiled(models_dir)
        self._fit: dict[str, tuple[Standing, Bundle]] = {}

    def names(self) -> list[str]:
        """List the bundles that lie there, fit or not."""
        if not self._dir.is_dir():
            return []
        found = [p.name for p in self._dir.iterdir() if p.is_dir() and not p.name.startswith(".")]
        return sorted(found)

    def get(self, name: str) -> Bundle | Refusal:
        """Give a bundle that is fit to run, with what was compiled of it, or say why it is not.

        A large one takes a second to examine; one whose files nobody has touched since is not
        examined again. Its model's process does so in any case, before it loads anything.
        """
        places = (self._dir / name, self._dir / RECORD, self.compiled.folder / name)
        standing = standing_of(places)
        known = self._fit.get(name)
        if known is not None and known[0] == standing:
            return known[1]
        examined = self._examine_recorded(name)
        if examined.bundle is not None and not examined.problems:
            ways, notes = self._ways(examined.bundle)
            advised = self._advice(examined.bundle, ways)
            fit = replace(examined.bundle, ways=ways, notes=notes, advice=advised)
            if is_old(standing, self._clock.now()):
                self._fit[name] = standing, fit
            return fit
        return Refusal(
            f"model {name} is not fit to run: {'; '.join(examined.problems)}",
            Fault.MODEL,
            "Run `radnode models check`",
        )

    def trial(self, path: Path) -> Bundle | Refusal:
        """Give a bundle that lies anywhere, to be tried: not recorded, its golden case not run.

        It is for research, whatever it says, and needs neither card nor licence yet.
        """
        examined = examine(path.resolve(), needed=(), evaluated=False)
        if examined.bundle is None or examined.problems:
            return _unfit(path.name, examined.problems)
        bundle = examined.bundle
        who = replace(bundle.manifest.identity, intended_use="research")
        return replace(bundle, manifest=replace(bundle.manifest, identity=who), mark=TRIAL)

    def fitness(self, name: str) -> list[str]:
        """Say everything that keeps a bundle from being run; nothing when it is fit."""
        return self._examine_recorded(name).problems

    def note(self, name: str) -> str:
        """Say what one should know of the evaluation of a bundle that runs without it, or ""."""
        bundle = self.get(name)
        return "" if isinstance(bundle, Refusal) else evaluation_note(bundle.path, bundle.manifest)

    def recorded_hash(self, name: str) -> str:
        """Give the digest that is on record for a bundle, "" for none; it is not checked here."""
        entry = self._record().get(name)
        return str(entry.get("sha256", "")) if isinstance(entry, dict) else ""

    def record(self, name: str, by: str = "") -> Bundle | Refusal:
        """Write down that this bundle, as it lies there now, may run.

        Args:
            name: the bundle's folder.
            by: who says so; by default the user id of this process.
        """
        examined = examine(self._dir / name)
        if examined.bundle is None or examined.problems:
            return _unfit(name, examined.problems)
        record = self._record()
        record[name] = {
            "version": examined.bundle.manifest.identity.version,
            "sha256": examined.bundle.sha256,
            "recorded_at": self._clock.now().isoformat(timespec="seconds"),
            "by": by or f"user {os.getuid()}",
        }
        _write_durably(self._dir / RECORD, json.dumps(record, indent=2, sort_keys=True) + "\n")
        return examined.bundle

    def check_golden(self, name: str, threads: int = 2) -> list[str]:
        """Run the golden cases of a bundle that is fit; give what did not come out right."""
        bundle = self.get(name)
        if isinstance(bundle, Refusal):
            return [str(bundle)]
        return _golden(bundle, threads)

    def add(self, path: Path, by: str = "", threads: int = 2) -> Bundle | Refusal:
        """Put a bundle on the shelf: examine it, run its golden cases, copy it, record it.

        A bundle of the same name that lies there is moved to the folder .retired beside it.

        Args:
            path: the bundle's folder; its name becomes the model's name.
            by: who says so.
            threads: CPU threads for the golden cases.
        """
        source = path.resolve()
        examined = examine(source)
        if examined.bundle is None or examined.problems:
            return _unfit(source.name, examined.problems)
        problems = _golden(examined.bundle, threads)
        if problems:
            return _unfit(source.name, problems)
        if source.parent != self._dir.resolve():
            self._dir.mkdir(parents=True, exist_ok=True)
            incoming = Path(tempfile.mkdtemp(prefix=".incoming-", dir=self._dir)) / source.name
            shutil.copytree(source, incoming, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
            if tree_hash(incoming) != examined.bundle.sha256:
                return _unfit(source.name, ["it changed while it was copied; try again"])
            self._replace(incoming, self._dir / source.name)
        return self.record(source.name, by)

    def bring(self, order: "Order", by: str = "", threads: int = 2) -> Bundle | Refusal:
        """Make a bundle of what others trained, and put it on the shelf."""
        from node.bundles.importing import bring, write_case  # the listener has no use for it

        if not order.name.replace("-", "_").isidentifier():
            why = f"{order.name!r} is no name for a model"
            return Refusal(why, Fault.MODEL, "Name it in letters, digits, _ and -")
        runner = Runner(threads)
        try:
            with tempfile.TemporaryDirectory(prefix="import-") as work:
                made = bring(order, Path(work), threads)
                if isinstance(made, Refusal):
                    return made
                bundle = examine(made).bundle
                if bundle is None:
                    return _unfit(order.name, examine(made).problems)
                refusal = write_case(bundle, runner, Path(work))
                return refusal or self.add(made, by, threads)
        finally:
            runner.close()

    def _ways(self, bundle: Bundle) -> tuple[tuple[Way, ...], tuple[str, ...]]:
        """Find the compiled networks that may be used here, the boldest first, and say what not.

        A machine that cannot do what was asked for falls back, and the notes say so.
        """
        name, machine = bundle.path.name, this_machine()
        wish = self._wishes.of_model(name)
        if bundle.why_not_compiled:
            return (), ()
        ways: list[Way] = []
        notes: list[str] = []
        for engine, precision in reversed(candidates(wish, bundle.engine, machine)):
            keys = keys_of(bundle, engine, precision, machine)
            known = (self.compiled.record(key, name) for key in keys)
            record = next((one for one in known if one is not None and one.passed), None)
            if record is None:
                continue
            damage = self.compiled.damage(record)
            if damage:
                notes.append(f"{engine} {precision} is not used: {damage}")
            else:
                ways.append(self.compiled.way(record, bundle))
        if not ways and not wish.is_open and not _is_met(wish, bundle):
            notes.append(
                f"asked for {wish}, which is not compiled for this machine or did not stand the "
                f"gate; runs by {bundle.reference}"
            )
        return tuple(ways), tuple(notes)

    def _advice(self, bundle: Bundle, ways: tuple[Way, ...]) -> str:
        """Say what would put the accelerator to use, unless that was tried or is not wanted."""
        name, machine = bundle.path.name, this_machine()
        wish = self._wishes.of_model(name)
        if bundle.why_not_compiled or not machine.gpu or wish.engine not in (AUTO, "tensorrt"):
            return ""
        keys = [
            key
            for precision in ("f16", "int8")
            for key in keys_of(bundle, "tensorrt", precision, machine)
        ]
        tried = any(self.compiled.record(key, name) is not None for key in keys)
        there = bool(engine_version("tensorrt"))
        return advice(name, ways, machine, tried=tried, there=there)

    def records(self, name: str) -> list[tuple[Record, str]]:
        """List what was compiled of a bundle, each with why it is not used now, "" if it may be."""
        bundle = self.get(name)
        if isinstance(bundle, Refusal):
            return [(one, "its bundle is not fit") for one in self.compiled.records(name)]
        return [(one, self._unused(one, bundle)) for one in self.compiled.records(name)]

    def _unused(self, record: Record, bundle: Bundle) -> str:
        try:
            keys = keys_of(bundle, record.engine, record.precision, this_machine())
        except KeyError:
            return "of an engine that is not known here"
        changed = min((_changed(key, record) for key in keys), key=len)
        if changed:
            return f"made for another {changed[0]}"
        return self.compiled.damage(record) if record.passed else "it did not stand the gate"

    def _replace(self, incoming: Path, target: Path) -> None:
        if target.exists():
            retired = self._dir / RETIRED
            retired.mkdir(exist_ok=True)
            moment = self._clock.now().strftime("%Y%m%dT%H%M%S%f")
            target.rename(retired / f"{target.name}-{moment}")
        incoming.rename(target)
        incoming.parent.rmdir()

    def _examine_recorded(self, name: str) -> Examined:
        if not name or name.startswith(".") or "/" in name:
            return Examined(None, [f"{name!r} is no name of a bundle"])
        examined = examine(self._dir / name)
        if examined.bundle is None:
            return examined
        recorded = self.recorded_hash(name)
        if not recorded:
            examined.problems.append(f"it is not on record; `radnode models add {name}` checks it")
        elif recorded != examined.bundle.sha256:
            examined.problems.append(
                "it is not the bundle that was recorded: a file was changed, added or taken away; "
                "restore it, or have it checked and recorded again with `radnode models add`"
            )
        return examined

    def _record(self) -> dict[str, Any]:
        try:
            found = json.loads((self._dir / RECORD).read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def to_be_evaluated(folder: Path) -> Bundle | Refusal:
    """Give a bundle where it lies, on record or not, so that its evaluation can be made."""
    examined = examine(folder.resolve(), evaluated=False)
    if examined.bundle is None or examined.problems:
        return _unfit(folder.name, examined.problems)
    return examined.bundle


def _golden(bundle: Bundle, threads: int) -> list[str]:
    runner = Runner(threads)
    try:
        with tempfile.TemporaryDirectory(prefix="golden-") as work:
            return golden_problems(bundle, runner, Path(work))
    finally:
        runner.close()


def _changed(key: Key, record: Record) -> list[str]:
    return [part for part, value in key.parts.items() if record.key.get(part) != value]


def _is_met(wish: Wish, bundle: Bundle) -> bool:
    return wish.wants(bundle.reference.engine, bundle.reference.precision)


def _unfit(name: str, problems: list[str]) -> Refusal:
    return Refusal(f"bundle {name}: {'; '.join(problems)}", Fault.MODEL, "Correct it and try again")


def _write_durably(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.new")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
