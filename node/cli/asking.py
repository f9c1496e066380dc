"""Verbs that ask: check, status, show, audit, conformance."""

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

from node.cli.saying import FailedError, UsageError, add_verb, count, say, say_json, say_table
from node.clock import SystemClock
from node.config import Config
from node.ledger.opening import Ledger, LedgerNotReadyError, open_ledger

LONGEST_RUN = 4
"""So many rows of one event in a row are shown; of more, the first and the number."""


def add_verbs(verbs: Any) -> None:  # noqa: ANN401 - argparse keeps the type private
    """Add check, status, show, audit and conformance."""
    add_verb(verbs, "check", "is everything that the node needs there? one line each", _check)
    sub = add_verb(verbs, "status", "what is happening now", _status)
    sub.add_argument("--json", action="store_true")
    sub = add_verb(verbs, "show", "everything known of a study, series, instance, job", _show)
    sub.add_argument("uid")
    sub.add_argument("--json", action="store_true")
    sub = add_verb(verbs, "audit", "the audit trail: read it, prove it, hand it over", _audit)
    sub.add_argument("what", nargs="?", choices=["list", "verify", "export"], default="list")
    sub.add_argument("--last", type=count, default=50, help="rows to list (0: all)")
    sub.add_argument("--out", type=Path, help="file to export to, one JSON object a line")
    add_verb(
        verbs,
        "conformance",
        "the DICOM conformance statement, from the code that negotiates",
        _conformance,
        needs_config=False,
    )


def ledger_of(config: Config) -> Ledger:
    """Open the ledger of a configuration.

    Raises:
        FailedError: it cannot be opened; the text says what to do.
    """
    if config.database.url is None and not config.node.data_dir.is_dir():
        where = config.node.data_dir
        raise FailedError(f"there is no ledger in {where} yet; `radnode run` makes one")
    try:
        return open_ledger(config.database.url, config.node.data_dir, SystemClock())
    except LedgerNotReadyError as error:
        raise FailedError(str(error)) from error


def _check(_: argparse.Namespace, config: Config) -> int:
    from node.cli.checking import check

    bad = 0
    for name, problem in check(config):
        say(f"{'ok  ' if not problem else 'BAD '} {name}{': ' + problem if problem else ''}")
        bad += bool(problem)
    say(f"{bad} problem(s)" if bad else "everything is there")
    return 1 if bad else 0


def _status(options: argparse.Namespace, config: Config) -> None:
    status = ledger_of(config).status()
    if options.json:
        say_json(status)
        return
    for key, value in status.items():
        if isinstance(value, dict):
            shown = ", ".join(f"{k} {v}" for k, v in value.items()) or "none"
        elif isinstance(value, list):
            shown = f"{len(value)}" if value else "none"
        else:
            shown = str(value)
        say(f"{key.replace('_', ' ')}: {shown}")
        for one in value if isinstance(value, list) else []:
            told = one.items() if isinstance(one, dict) else [("uid", one)]
            say("  " + "  ".join(f"{k}={v}" for k, v in told))


def _show(options: argparse.Namespace, config: Config) -> None:
    rows = ledger_of(config).timeline(options.uid)
    if not rows:
        raise FailedError(f"nothing is known of {options.uid}; is it the right UID?")
    if options.json:
        say_json(rows)
        return
    for event, group in itertools.groupby(rows, key=lambda row: row["event"]):
        same = list(group)
        shown = same if len(same) <= LONGEST_RUN else same[:1]
        for row in shown:
            told = "  ".join(
                f"{key}={_short(value)}" for key, value in _brief(row["detail"]).items()
            )
            say(f"{row['at']:%Y-%m-%d %H:%M:%S}  {event:<22}  {told}")
        if len(shown) < len(same):
            say(f"{same[-1]['at']:%Y-%m-%d %H:%M:%S}  {event:<22}  ... and {len(same) - 1} more")


def _brief(detail: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a row what a person rarely asks for; `--json` has it all."""
    told = {key: value for key, value in detail.items() if key not in ("evidence", "worker")}
    findings = told.pop("findings", None)
    if isinstance(findings, dict):
        keys = (
            *("model", "version", "volumes_ml", "probabilities", "scores", "marks", "repairs"),
            *("seconds", "engine"),
        )
        told = {key: findings[key] for key in keys if findings.get(key)} | told
    if isinstance(told.get("results"), list):
        told["results"] = " ".join(f"{one['kind']} {one['sop']}" for one in told["results"])
    if isinstance(told.get("decisions"), list):
        told["decisions"] = "; ".join(f"{d['route']}: {d['reason']}" for d in told["decisions"])
    return told


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _audit(options: argparse.Namespace, config: Config) -> int:
    if options.what == "export" and options.out is None:
        raise UsageError("say where to: radnode audit export --out FILE")
    ledger = ledger_of(config)
    if options.what == "verify":
        verdict = ledger.verify()
        if verdict.ok:
            say(f"unbroken: {verdict.rows} rows, the last one's hash is {verdict.head_hash}")
            return 0
        say(f"BROKEN at row {verdict.first_broken_seq}: {verdict.why}")
        return 1
    if options.what == "export":
        return _export(ledger, options.out)
    rows = ledger.last_audit_rows(options.last) if options.last else ledger.audit_rows(0, 10**9)
    say_table([[r["seq"], f"{r['at']:%Y-%m-%d %H:%M:%S}", r["event"], r["subject"]] for r in rows])
    return 0


def _export(ledger: Ledger, out: Path) -> int:
    after, written = 0, 0
    with out.open("x", encoding="utf-8") as file:
        while rows := ledger.audit_rows(after, 1000):
            for row in rows:
                file.write(json.dumps(row, default=str, ensure_ascii=False) + "\n")
            after, written = rows[-1]["seq"], written + len(rows)
    say(f"{written} rows written to {out}")
    return 0


def _conformance(_: argparse.Namespace, __: None) -> None:
    from node.wire.conformance import statement

    say(statement())
