"""Keeps compiled networks beside the shelf, each with a record that says for whom it was made.

A record (one JSON file) lies beside its files in `compiled/<model>/`, never inside the bundle. It
holds the key that it was made under: weights, configuration, golden cases, engine and version,
device, precision, shapes and our builder's revision. A file is used only when the key is the one
that this machine computes now, every file has the digest on record, and the gate was passed.
Whatever is stale, foreign or damaged is as good as not there.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from node.bundles.configuration import inference_name
from node.bundles.machine import Machine, engine_version
from node.bundles.manifest import METADATA, Bundle, file_hash
from node.bundles.ways import Way

FOLDER = "compiled"
REVISION = 1
"""Of our builders; counted up when what they make of the same input changes."""
FORMAT = 1
OLDER = {"11": "10", "10": "8"}
"""Which version of TensorRT's compatible plans another one runs, besides its own."""
CARD = "CARD.md"


@dataclass(frozen=True, slots=True)
class Key:
    """What a compiled network depends on, in words, and the digest of it."""

    parts: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Give the sha256 of all parts."""
        return hashlib.sha256(json.dumps(dict(self.parts), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Record:
    """What was compiled, from what, and how it stood the gate.

    `files` maps the names of its files to their sha256; there are none when the gate was not
    passed or the bundle's own weights are used. `opens` is the file that the engine opens, "" for
    the bundle's own. `gate` holds what was measured, `why` the sentence about it; `boxed` is false
    where only the network without the bundle's box stood it.
    """

    model: str
    engine: str
    precision: str
    key: Mapping[str, str]
    digest: str
    passed: bool
    why: str
    opens: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    gate: Mapping[str, object] = field(default_factory=dict)
    made_at: str = ""
    seconds: float = 0.0
    boxed: bool = True
    format: int = FORMAT


class Compiled:
    """The folder of compiled networks beside a shelf."""

    def __init__(self, models_dir: Path) -> None:
        """`models_dir` is the shelf's folder; neither need exist yet."""
        self.folder = models_dir.parent / FOLDER

    def record(self, key: Key, model: str) -> Record | None:
        """Give the record under a key, None when there is none that can be believed."""
        found = self._read(self._path(model, key.digest))
        if found is None or found.model != model or dict(found.key) != dict(key.parts):
            return None
        return found if found.digest == key.digest else None

    def records(self, model: str) -> list[Record]:
        """List every record of a model that can be read, of this machine or another."""
        paths = sorted((self.folder / model).glob("*.json"))
        return [found for path in paths if (found := self._read(path)) is not None]

    def damage(self, record: Record) -> str:
        """Say what is wrong with the files of a record, "" when they are what was recorded."""
        for name, stated in record.files.items():
            path = self.folder / record.model / name
            if name != Path(name).name or not path.is_file() or path.is_symlink():
                return f"{name} is missing"
            if file_hash(path) != stated:
                return f"{name} is not the file that was recorded"
        if record.opens and record.opens not in record.files:
            return f"{record.opens} is not on record"
        return ""

    def way(self, record: Record, bundle: Bundle) -> Way:
        """Give the way that a record opens."""
        folder = self.folder / record.model
        return Way(
            engine=record.engine,
            precision=record.precision,
            weights=folder / record.opens if record.opens else bundle.weights,
            digest={folder / name: digest for name, digest in record.files.items()},
            key=record.digest,
            boxed=record.boxed,
        )

    def keep(self, record: Record, made: Sequence[Path]) -> Record:
        """Put files and record in their place; until the record lies there, nothing counts.

        Args:
            record: without files; `opens` names one of `made`.
            made: what was built, anywhere; files of one network share the stem of their name.

        Returns:
            The record with names and digests of its files.
        """
        folder = self.folder / record.model
        folder.mkdir(parents=True, exist_ok=True)
        digests = {path: file_hash(path) for path in made}
        joint = hashlib.sha256("".join(sorted(digests.values())).encode()).hexdigest()
        names = {path: f"{record.digest[:16]}-{joint[:8]}{path.suffix}" for path in made}
        for path, name in names.items():
            _place(path.read_bytes(), folder / name)
        opens = [name for path, name in names.items() if path.name == record.opens]
        kept = Record(
            **{
                **asdict(record),
                "files": {names[path]: digest for path, digest in digests.items()},
                "opens": opens[0] if opens else "",
            }
        )
        text = json.dumps(asdict(kept), indent=1, sort_keys=True) + "\n"
        _place(text.encode(), self._path(record.model, record.digest))
        self._clear(record, keep=set(names.values()))
        return kept

    def card_path(self, model: str) -> Path:
        """Say where the page on a model's compiled networks lies, if anything was compiled."""
        return self.folder / model / CARD

    def write_card(self, model: str, text: str) -> None:
        """Put that page in its place."""
        if (self.folder / model).is_dir():
            _place(text.encode(), self.card_path(model))

    def _clear(self, record: Record, keep: set[str]) -> None:
        """Let go of what an earlier build under the same key has left."""
        for path in (self.folder / record.model).glob(f"{record.digest[:16]}-*"):
            if path.name not in keep:
                path.unlink()

    def _path(self, model: str, digest: str) -> Path:
        return self.folder / model / f"{digest[:16]}.json"

    def _read(self, path: Path) -> Record | None:
        try:
            found = json.loads(path.read_bytes())
            record = Record(**found)
        except (OSError, ValueError, TypeError):
            return None
        return record if record.format == FORMAT and _is_sound(record) else None


def _is_sound(record: Record) -> bool:
    texts: tuple[object, ...] = (
        record.model,
        record.engine,
        record.precision,
        record.digest,
        record.opens,
    )
    maps: tuple[object, ...] = (record.key, record.files, record.gate)
    return (
        all(type(text) is str for text in texts)
        and all(type(one) is dict for one in maps)
        and _is_bool(record.passed)
        and _is_bool(record.boxed)
        and Key(record.key).digest == record.digest
    )


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def keys_of(bundle: Bundle, engine: str, precision: str, machine: Machine) -> list[Key]:
    """List the keys that a compiled network may lie under: the exact one, then compatible ones.

    Plans of TensorRT that were built to be compatible run on the version that built them, and on
    the next: 8 on 10, 10 on 11.
    """
    exact = key_of(bundle, engine, precision, machine)
    major = engine_version(engine).partition(".")[0]
    if engine != "tensorrt" or not major:
        return [exact]
    parts = [major, *([OLDER[major]] if major in OLDER else [])]
    by_major = [{**exact.parts, "engine": f"{engine} {one}, compatible"} for one in parts]
    return [exact, *map(Key, by_major)]


def key_of(bundle: Bundle, engine: str, precision: str, machine: Machine) -> Key:
    """Compute what a compiled network of a bundle depends on, on this machine, now."""
    manifest = bundle.manifest
    shape = window_shape(bundle)
    inference = bundle.path / inference_name(bundle.path)
    parts: dict[str, Any] = {
        "weights": " ".join(f"{name}={sha}" for name, sha in sorted(manifest.weights.items())),
        "configuration": _hash_of([bundle.path / METADATA, inference]),
        "cases": _hash_of(sorted(p for p in (bundle.path / "golden").rglob("*") if p.is_file())),
        "calibration": _hash_of([bundle.path / name for name in manifest.calibration]),
        "engine": f"{engine} {engine_version(engine)}",
        "device": machine.device(engine),
        "precision": precision,
        "shape": "x".join(map(str, shape)) if shape else "any",
        "builder": str(REVISION),
    }
    return Key(parts)


def window_shape(bundle: Bundle) -> tuple[int, ...] | None:
    """Give the spatial shape that the network always sees, None when it is not fixed."""
    inferer = bundle.manifest.recipe.inferer
    size = inferer.arguments.get("roi_size")
    if inferer.name == "SlidingWindowInferer" and isinstance(size, list) and min(size) > 0:
        return (size[0], size[1], size[2])
    return bundle.manifest.input_shape


def _hash_of(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name}\x1f{file_hash(path)}\n".encode())
    return digest.hexdigest() if paths else ""


def _place(content: bytes, path: Path) -> None:
    """Write a file so that it is there whole or not at all, whatever happens meanwhile."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
