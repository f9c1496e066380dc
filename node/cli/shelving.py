"""Verbs of the shelf: which models are there, are they fit to run, compile them, and why not."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from node.app.hosting import runner_of, shelf_of, threads_of
from node.bundles.compiled import Record
from node.bundles.compiling import Workshop, compile_bundle
from node.bundles.manifest import Bundle
from node.bundles.shelf import Shelf
from node.bundles.ways import AUTO, ENGINES, PRECISIONS, Wish
from node.cli.saying import FailedError, UsageError, add_verb, say, say_table
from node.cli.trying import bench, try_bundle
from node.clock import SystemClock
from node.config import Config
from node.rules.failures import Refusal

NEEDS_NAME = ("add", "try", "compile", "bench", "show")


def add_verbs(verbs: Any) -> None:  # noqa: ANN401 - argparse keeps the type private
    """Add models."""
    sub = add_verb(verbs, "models", "list, check, add, try, compile, bench, show", _models)
    choices = ["list", "check", *NEEDS_NAME]
    sub.add_argument("what", nargs="?", choices=choices, default="list")
    sub.add_argument("name", nargs="?", help="a bundle's folder for add and try, else a model")
    sub.add_argument(
        "--engine", choices=[AUTO, *ENGINES], default=AUTO, help="compile for it (%(default)s)"
    )
    sub.add_argument(
        "--precision", choices=[AUTO, *PRECISIONS], default=AUTO, help="in it (%(default)s)"
    )
    sub.add_argument("--path", type=Path, help="try: a folder that holds one series")
    sub.add_argument("--out", type=Path, help="try: where results go")
    sub.add_argument("--rounds", type=int, default=5, help="bench: how often (%(default)s)")
    said = sub.add_argument_group("add, of what is no bundle yet (nnU-Net v2, a weight file)")
    said.add_argument(
        "--name", dest="name_of_model", metavar="NAME", help="what the model is to be called"
    )
    said.add_argument("--case", type=Path, help="an image, or a folder with one DICOM series")
    said.add_argument("--modality", default="", help="what it reads: CT, MR, PT")
    said.add_argument("--orientation", default="", help="nnU-Net: how training arrays lay, as SPL")
    said.add_argument("--fold", default="", help="nnU-Net: which; the first by default")
    said.add_argument("--configs", type=Path, help="a weight file's metadata.json, inference.json")
    said.add_argument("--licence", type=Path, help="a text file")
    sub.add_argument(
        "--version-compatible",
        action="store_true",
        help="compile plans of TensorRT that newer versions run, too, at some cost in speed",
    )
    sub.add_argument("--again", action="store_true", help="compile what is compiled already, too")


def _models(options: argparse.Namespace, config: Config) -> int:
    shelf = shelf_of(config)
    if options.what in NEEDS_NAME and options.name is None:
        what = "FOLDER" if options.what in ("add", "try") else "NAME"
        raise UsageError(f"say which: radnode models {options.what} {what}")
    if options.what == "add":
        return _add(shelf, options, threads_of(config))
    if options.what == "compile":
        return _compile(shelf, options, config)
    if options.what in ("try", "bench"):
        return (try_bundle if options.what == "try" else bench)(options, config)
    if options.what == "show":
        return _show(shelf, options.name)
    names = shelf.names()
    if not names:
        raise FailedError(f"no bundle lies in {config.models.dir}; see models/README.md")
    if options.what == "check":
        return _check(shelf, names, threads_of(config))
    return _list(shelf, names)


def _list(shelf: Shelf, names: list[str]) -> int:
    rows = [["MODEL", "VERSION", "FOR", "HASH", "FIT", "RUNS BY"]]
    advised = []
    for name in names:
        bundle = shelf.get(name)
        if isinstance(bundle, Refusal):
            rows.append([name, "?", "?", "?", "no", ""])
            continue
        who = bundle.manifest.identity
        way = (*bundle.ways, bundle.reference)[0]
        rows.append([name, who.version, who.intended_use, who.bundle_hash[:12], "yes", str(way)])
        advised += [f"{name}: {bundle.advice}"] if bundle.advice else []
    say_table(rows)
    for advice in advised:
        say(advice)
    return 0


def _check(shelf: Shelf, names: list[str], threads: int) -> int:
    unfit = 0
    for name in names:
        problems = shelf.fitness(name) or shelf.check_golden(name, threads)
        unfit += bool(problems)
        say(f"{name}: {'NOT fit to run' if problems else 'fit to run, its golden case comes out'}")
        for problem in problems:
            say(f"  {problem}")
        if note := shelf.note(name):
            say(f"  {note}")
        for record, unused in shelf.records(name):
            say(f"  {_line(record, unused)}")
    return 1 if unfit else 0


def _add(shelf: Shelf, options: argparse.Namespace, threads: int) -> int:
    from node.bundles.importing import is_foreign  # every other verb does without what it needs

    path = Path(options.name)
    if is_foreign(path):
        added = _bring(shelf, path, options, threads)
    else:
        added = shelf.add(path, threads=threads)
    if isinstance(added, Refusal):
        raise FailedError(f"not added: {added}")
    who = added.manifest.identity
    say(f"{who.name} {who.version} is on the shelf, sha256 {who.bundle_hash}")
    return 0


def _bring(shelf: Shelf, path: Path, options: argparse.Namespace, threads: int) -> Bundle | Refusal:
    from node.bundles.importing import Order

    if not options.name_of_model or options.case is None:
        raise UsageError("say --name, and --case with an image to hold the outcome against")
    order = Order(
        path,
        options.name_of_model,
        options.case,
        options.modality,
        options.orientation,
        options.fold,
        options.configs,
        options.licence,
    )
    return shelf.bring(order, threads=threads)


def _compile(shelf: Shelf, options: argparse.Namespace, config: Config) -> int:
    bundle = _fit(shelf, options.name)
    wish = Wish(options.engine, options.precision)
    runner = runner_of(config)
    try:
        shop = Workshop(
            shelf.compiled,
            runner,
            SystemClock(),
            threads_of(config),
            compatible=options.version_compatible,
        )
        records = compile_bundle(bundle, wish, shop, say, again=options.again)
    finally:
        runner.close()
    bundle = _fit(shelf, options.name)
    say(f"{options.name} runs by {(*bundle.ways, bundle.reference)[0]}")
    for note in bundle.notes:
        say(f"  {note}")
    asked = not wish.is_open
    return 1 if asked and not any(record.passed for record in records) else 0


def _show(shelf: Shelf, name: str) -> int:
    bundle = _fit(shelf, name)
    who = bundle.manifest.identity
    say(f"{who.name} {who.version}, for {who.intended_use}, sha256 {who.bundle_hash}")
    say(who.description)
    say(f"runs by {(*bundle.ways, bundle.reference)[0]}")
    for note in (*bundle.notes, *([bundle.advice] if bundle.advice else [])):
        say(f"  {note}")
    page = shelf.compiled.card_path(name)
    if page.is_file():
        say(f"figures: {page}")
    for record, unused in shelf.records(name):
        say(_line(record, unused))
        for key, value in {**record.gate, **record.key}.items():
            if value not in ("", None, {}, 0, 0.0):
                say(f"    {key}: {_words(value)}")
    return 0


def _fit(shelf: Shelf, name: str) -> Bundle:
    bundle = shelf.get(name)
    if isinstance(bundle, Refusal):
        raise FailedError(str(bundle))
    return bundle


def _line(record: Record, unused: str) -> str:
    state = f"not used, {unused}" if unused else "may be used"
    why = f" ({record.why})" if record.why else ""
    return f"{record.engine} {record.precision}: {state}{why}"


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    return str(value)
