"""Verbs that hand over: send files to a peer, retry what failed, release what was held."""

import argparse
from pathlib import Path
from typing import Any

from node.app import peers_of, security_of
from node.cli.asking import ledger_of
from node.cli.saying import FailedError, add_verb, say
from node.config import Config
from node.dicom import header, status
from node.ledger.opening import LedgerNotReadyError, upgrade
from node.rules.failures import Refusal
from node.rules.nouns import Peer
from node.wire import scu


def add_verbs(verbs: Any) -> None:  # noqa: ANN401 - argparse keeps the type private
    """Add send, retry, release and db."""
    sub = add_verb(verbs, "send", "C-STORE files or folders to a peer", _send)
    sub.add_argument("path", type=Path, nargs="+")
    sub.add_argument("--to", required=True, metavar="PEER", help="its name in config.yaml")
    sub = add_verb(verbs, "retry", "run or deliver again what was refused or failed", _retry)
    sub.add_argument("uid", help="of a study, series, result, job or delivery")
    sub = add_verb(
        verbs, "release", "send results that were held since a model was unsure", _release
    )
    sub.add_argument("uid", help="of a study, series or job")
    sub.add_argument("--by", required=True, metavar="NAME", help="who has looked at it")
    sub = add_verb(verbs, "db", "the database: bring its tables up to date", _db)
    sub.add_argument("what", choices=["upgrade"])


def _peer(config: Config, name: str) -> Peer:
    for peer in peers_of(config):
        if peer.name == name:
            return peer
    known = ", ".join(peer.name for peer in config.peers)
    raise FailedError(f"no peer is called {name!r}; config.yaml has {known}")


def _send(options: argparse.Namespace, config: Config) -> int:
    peer = _peer(config, options.to)
    parcels, skipped = _parcels(options.path)
    failed = 0
    for number, sent in enumerate(
        scu.send(peer, config.node.ae_title, parcels, security_of(config)), 1
    ):
        refusal = sent.refusal or status.refusal(sent.status, peer.name, sent.comment)
        if sent.broke and refusal is not None:
            raise FailedError(
                f"{refusal.reason}; {number - 1} of {len(parcels)} were sent. See that {peer.name} "
                f"runs and knows {config.node.ae_title}, then send again"
            )
        if refusal is not None:
            failed += 1
            say(f"{sent.parcel.path.name}: {refusal.reason}")
        elif number % 50 == 0 or number == len(parcels):
            say(f"{number} of {len(parcels)} sent")
    if skipped:
        say(f"{skipped} file(s) were not DICOM and were left alone")
    if failed:
        raise FailedError(f"{failed} of {len(parcels)} were not stored by {peer.name}")
    return 0


def _parcels(paths: list[Path]) -> tuple[list[scu.Parcel], int]:
    """Give what is DICOM among files and folders, and the number of files that are not."""
    absent = [str(path) for path in paths if not path.exists()]
    if absent:
        raise FailedError(f"there is no {', '.join(absent)}")
    files = [f for p in paths for f in (sorted(p.rglob("*")) if p.is_dir() else [p]) if f.is_file()]
    parcels, skipped = [], 0
    for file in files:
        read = header.read_part10(file)
        if isinstance(read, Refusal):
            skipped += 1
            continue
        parcels.append(
            scu.Parcel(
                read.header.sop_class_uid,
                read.header.sop_instance_uid,
                read.transfer_syntax_uid,
                file,
            )
        )
    if not parcels:
        raise FailedError("none of these files is a DICOM object")
    return parcels, skipped


def _retry(options: argparse.Namespace, config: Config) -> int:
    put_back = ledger_of(config).retry(options.uid, by="radnode retry")
    if not put_back:
        raise FailedError(f"nothing of {options.uid} was refused or failed")
    for one in put_back:
        say(f"will be tried again: {one}")
    return 0


def _release(options: argparse.Namespace, config: Config) -> int:
    released = ledger_of(config).release(options.uid, by=options.by)
    if not released:
        raise FailedError(f"nothing of {options.uid} is held since a model was unsure")
    for one in released:
        say(f"will be sent: {one}")
    return 0


def _db(_: argparse.Namespace, config: Config) -> int:
    config.node.data_dir.mkdir(parents=True, exist_ok=True)
    try:
        revision = upgrade(config.database.url, config.node.data_dir)
    except LedgerNotReadyError as error:
        raise FailedError(str(error)) from error
    say(f"the database is at revision {revision}")
    return 0
