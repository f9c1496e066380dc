"""What `radnode check` looks at: one line each, with what to do when it is bad."""

import errno
import socket
from collections.abc import Iterator

from node.app import peers_of, security_of
from node.bundles import interpreters
from node.bundles.shelf import Shelf
from node.clock import SystemClock
from node.config import Config
from node.dicom import header
from node.ledger.opening import LedgerNotReadyError, open_ledger
from node.rules.nouns import Peer
from node.spool import Spool
from node.wire import scu
from node.wire.security import Security, SecurityError, shows_our_certificate

OLDEST_PLAUSIBLE_YEAR = 2026
"""A clock before the year of this release was lost in a power cut."""
OURSELVES = "127.0.0.1"


def check(config: Config) -> Iterator[tuple[str, str]]:
    """Yield (what was looked at, the problem or "")."""
    yield "configuration", ""
    yield f"data folder {config.node.data_dir}", _disk(config)
    if config.node.port is not None:
        yield f"port {config.node.port}", _port(config, config.node.port)
    if config.tls.port is not None:
        yield f"port {config.tls.port} (TLS)", _port(config, config.tls.port)
    security, problem = _security(config)
    if security is not None or problem:
        yield "certificate, key and authorities", problem
    yield "clock", _clock()
    yield "database", _database(config)
    yield from _routes(config)
    yield from _models(config)
    for peer in peers_of(config):
        if peer.port is not None:
            refusal = scu.echo(peer, config.node.ae_title, security)
            yield f"peer {peer.name} answers C-ECHO", str(refusal) if refusal else ""


def _disk(config: Config) -> str:
    try:
        config.node.data_dir.mkdir(parents=True, exist_ok=True)
        spool = Spool(config.node.data_dir / "spool")
        probe = spool.work("check") / "check.probe"
        probe.write_bytes(b"radnode")
        spool.release(spool.keep_result(probe))
        spool.clear_work("check")
    except OSError as error:
        return f"cannot be written ({error.strerror}); give it to the user that runs radnode"
    free, least = spool.free_megabytes(), config.node.minimum_free_mb
    if free < least:
        return f"{free:.0f} MB free, less than the {least:.0f} MB below which nothing is accepted"
    return ""


def _security(config: Config) -> tuple[Security | None, str]:
    """Give what TLS needs, and what is wrong with it; nothing when nobody speaks TLS."""
    try:
        security = security_of(config)
    except SecurityError as error:
        return None, str(error)
    return security, security.problem() if security is not None else ""


def _port(config: Config, port: int) -> str:
    """A port that is taken is fine when it is our own node that took it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.node.host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return (
                    "" if _answers(config, port) else "another program has it; choose another port"
                )
            return f"cannot be opened ({error.strerror})"
    return ""


def _answers(config: Config, port: int) -> bool:
    """Say whether our node has the port.

    With TLS it shows our certificate; else it is a DICOM application that answers our echo, or
    rejects us as such.
    """
    if port == config.tls.port:
        return shows_our_certificate(config.tls, OURSELVES)
    ourselves = Peer("this node", config.node.ae_title, OURSELVES, port)
    refusal = scu.echo(ourselves, config.node.ae_title)
    return refusal is None or "rejected" in refusal.reason


def _clock() -> str:
    now = SystemClock().now()
    if now.year < OLDEST_PLAUSIBLE_YEAR:
        return f"it says {now:%Y-%m-%d}; set it, results bear this date"
    return ""


def _database(config: Config) -> str:
    try:
        ledger = open_ledger(config.database.url, config.node.data_dir, SystemClock())
    except LedgerNotReadyError as error:
        return str(error)
    ledger.close()
    return ""


def _routes(config: Config) -> Iterator[tuple[str, str]]:
    """A condition on an attribute that is not read on arrival would never hold."""
    read = set(header.KEYWORDS)
    for route in config.routes:
        unread = ", ".join(keyword for keyword in route.when if keyword not in read)
        yield f"route {route.name}", f"radnode does not route by {unread}" if unread else ""


def _models(config: Config) -> Iterator[tuple[str, str]]:
    shelf = Shelf(config.models.dir)
    interpreters.use(config.models.python)
    if config.models.python is not None:
        yield "python of models", interpreters.unfit()
    for name in sorted({route.model for route in config.routes}):
        yield f"model {name}", "; ".join(shelf.fitness(name))
