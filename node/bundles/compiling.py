"""Compiles a bundle for this machine: build, hold against the reference, keep with a record.

Every build runs in a process of its own, which gets paths and numbers and none of the node's
settings. What does not stand the gate is recorded, too, with the reason, and is not used.
"""

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from node.bundles import cards, interpreters
from node.bundles.card import card
from node.bundles.compiled import Compiled, Key, Record, keys_of, window_shape
from node.bundles.gate import FASTER, Gate, reference_of
from node.bundles.golden import FILE, Case, read_cases
from node.bundles.machine import engine_version, this_machine
from node.bundles.manifest import Bundle, file_hash
from node.bundles.runner import Runner
from node.bundles.starting import child_variables
from node.bundles.ways import Way, Wish, candidates
from node.clock import Clock

BUILD_SECONDS = 3600.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Workshop:
    """What compiling needs besides the bundle: where it goes, who runs it, and the clock.

    `python` is the interpreter that builds, by default that of models' processes. With `compatible`
    plans of TensorRT are built so that newer versions run them too. `faster` is how many times as
    fast as the next safer way a compiled network must be.
    """

    compiled: Compiled
    runner: Runner
    clock: Clock
    threads: int = 1
    python: str = ""
    compatible: bool = False
    faster: float = FASTER


def compile_bundle(
    bundle: Bundle, wish: Wish, shop: Workshop, say: Say, *, again: bool = False
) -> list[Record]:
    """Compile what is worth it, or what was asked for, the safest first.

    Args:
        bundle: from the shelf, fit to run.
        wish: engine and precision, each may be "auto".
        shop: where and with what.
        say: is told each outcome in a sentence.
        again: build also what is on record already.

    Returns:
        A record for each way, passed or not.
    """
    if bundle.why_not_compiled:
        say(f"nothing to compile: {bundle.why_not_compiled}")
        return []
    wanted = candidates(wish, bundle.engine, this_machine())
    if not wanted:
        say(f"nothing to compile: {wish} suits neither this machine nor these weights")
    cases = [case for case in read_cases(bundle) if isinstance(case, Case)]
    if not cases:
        say(f"without golden cases nothing can be compared; see {FILE}")
        return []
    records = []
    safer = reference_of(bundle).reference
    with tempfile.TemporaryDirectory(prefix="compile-") as work:
        gate = Gate(bundle, cases, shop.runner, Path(work), shop.faster)
        for engine, precision in wanted:
            record = _known(bundle, (engine, precision), shop) if not again else None
            if record is None:
                record = _compile(bundle, (engine, precision), safer, (shop, gate))
            say(f"{engine} {precision}: {'kept' if record.passed else 'not kept'}, {record.why}")
            records.append(record)
            if record.passed:
                safer = shop.compiled.way(record, bundle)
    name = bundle.path.name
    shop.compiled.write_card(name, card(bundle, shop.compiled.records(name)))
    return records


def _known(bundle: Bundle, which: tuple[str, str], shop: Workshop) -> Record | None:
    key = _key(bundle, which, shop)
    record = shop.compiled.record(key, bundle.path.name)
    return None if record is None or shop.compiled.damage(record) else record


def _key(bundle: Bundle, which: tuple[str, str], shop: Workshop) -> Key:
    keys = keys_of(bundle, *which, this_machine())
    return keys[1] if shop.compatible and len(keys) > 1 else keys[0]


def _compile(
    bundle: Bundle, which: tuple[str, str], safer: Way, where: tuple[Workshop, Gate]
) -> Record:
    shop, gate = where
    started = shop.clock.monotonic()
    key = _key(bundle, which, shop)
    with tempfile.TemporaryDirectory(prefix="build-") as folder:
        built = _build(bundle, which, Path(folder), shop)
        files = [Path(path) for path in built.get("files", [])]
        outcome: dict[str, Any] = {"passed": False, "why": built.get("cannot", "")}
        if "cannot" not in built:
            way = Way(
                *which,
                weights=Path(folder) / built["opens"] if built["opens"] else bundle.weights,
                digest={path: file_hash(path) for path in files},
                key=key.digest,
            )
            outcome = _judged(bundle, way, safer, gate)
            outcome["gate"]["calibrated_on"] = built["calibrated_on"]
        record = Record(
            model=bundle.path.name,
            engine=which[0],
            precision=which[1],
            key=key.parts,
            digest=key.digest,
            opens=built.get("opens", "") if outcome["passed"] else "",
            made_at=shop.clock.now().isoformat(timespec="seconds"),
            seconds=round(shop.clock.monotonic() - started, 1),
            **outcome,
        )
        return shop.compiled.keep(record, files if record.passed else [])


def _judged(bundle: Bundle, way: Way, safer: Way, gate: Gate) -> dict[str, Any]:
    """Hold a way against the reference; one whose box is to blame gets another try without it.

    A box moves the windows, so it may fail where the network itself is as right as it should be.
    """
    verdict = gate.judge(way, safer)
    outcome: dict[str, Any] = {"gate": verdict.measured.as_plain()}
    if not verdict.passed and "box" in bundle.manifest.recipe.inferer.arguments:
        tried = {"why": verdict.why, **verdict.measured.as_plain()}
        verdict = gate.judge(replace(way, boxed=False), safer)
        outcome = {
            "gate": {**verdict.measured.as_plain(), "with the box": tried},
            "boxed": False,
        }
        why = f"{verdict.why}, without the box, with which {tried['why']}"
        return {**outcome, "passed": verdict.passed, "why": why}
    return {**outcome, "passed": verdict.passed, "why": verdict.why}


def _build(
    bundle: Bundle, which: tuple[str, str], folder: Path, shop: Workshop
) -> Mapping[str, Any]:
    if not engine_version(which[0]):
        return {"cannot": f"{which[0]} is not installed here"}
    recipe = bundle.manifest.recipe
    calibration = [str(bundle.path / name) for name in bundle.manifest.calibration]
    request = {
        "engine": which[0],
        "precision": which[1],
        "version": engine_version(which[0]),
        "compatible": shop.compatible,
        "kind": bundle.engine,
        "weights": str(bundle.weights),
        "network": recipe.network.as_plain() if recipe.network else None,
        "shape": window_shape(bundle),
        "channels": bundle.manifest.channels,
        "folder": str(folder),
        "inputs": calibration or _golden_inputs(bundle),
        "threads": shop.threads,
        "preprocessing": [step.as_plain() for step in recipe.preprocessing],
        "inferer": recipe.inferer.as_plain(),
        "postprocessing": [step.as_plain() for step in recipe.postprocessing],
    }
    return _answer(shop, request)


def _golden_inputs(bundle: Bundle) -> list[str]:
    cases = read_cases(bundle)
    return [str(bundle.path / "golden" / case.name) for case in cases if isinstance(case, Case)]


def _answer(shop: Workshop, request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Run the building process; what goes wrong in it is a reason, not our end."""
    try:
        ran = subprocess.run(
            [shop.python or interpreters.chosen(), "-m", "node.engines.building"],
            input=json.dumps(request) + "\n",
            env=child_variables(shop.threads, cards.variables()),
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"cannot": "building it took too long"}
    if ran.returncode:
        last = (ran.stderr.strip().splitlines() or ["it said nothing"])[-1][:300]
        return {"cannot": f"building it failed: {last}"}
    reply: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return reply
