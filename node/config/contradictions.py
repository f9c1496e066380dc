"""Finds what a schema cannot say: keys that need one another, names that lead nowhere."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from pydicom.datadict import keyword_dict

from node.config.expressions import BadExpressionError, names_in, parse
from node.config.reading import Complaint, Place
from node.config.sections import NodeSection
from node.config.words import nearest

TLS_FILES = ("certificate", "key", "authorities")
_COMPARISON = re.compile(r"(<=|>=|<|>)\s*-?\d+(\.\d+)?")


def contradictions(values: object, folder: Path) -> Iterator[Complaint]:
    """Find what a schema cannot say; in the raw values, so that it is said beside the rest.

    Args:
        values: what stands in the file.
        folder: that of the file; relative names start there.
    """
    everything = _mapping(values)
    peers, routes = _entries(everything, "peers"), _entries(everything, "routes")
    if _is_pattern(_mapping(everything.get("node")).get("ae_title")):
        yield ("node", "ae_title"), "our own AE title must not be a pattern"
    yield from _bad_ports(_mapping(everything.get("node")), _mapping(everything.get("tls")))
    yield from _bad_files(_mapping(everything.get("tls")), folder)
    yield from _twice("peers", peers)
    yield from _twice("routes", routes)
    for number, peer in peers:
        for key, what in _bad_peer(peer, _mapping(everything.get("tls"))):
            yield ("peers", number, key), what
    ports = {str(peer.get("name")): peer.get("port") for _, peer in peers}
    for number, route in routes:
        yield from _bad_destinations(("routes", number, "send_to"), route.get("send_to"), ports)
        for keyword, wish in _mapping(route.get("when")).items():
            yield from _bad_condition(("routes", number, "when", keyword), wish)
        yield from _bad_study(("routes", number, "study"), _mapping(route.get("study")))
    delivery = _mapping(everything.get("delivery"))
    first, longest = delivery.get("retry_first_seconds"), delivery.get("retry_longest_seconds")
    if isinstance(first, int | float) and isinstance(longest, int | float) and longest < first:
        yield ("delivery", "retry_longest_seconds"), "it is shorter than retry_first_seconds"


def _bad_ports(node: Mapping[Any, Any], tls: Mapping[Any, Any]) -> Iterator[Complaint]:
    """Find what is wrong with the two ports, and what the one for TLS lacks."""
    port, secure = node.get("port", NodeSection().port), tls.get("port")
    if port is None and secure is None:
        yield ("node", "port"), "it and tls.port are both null, so nobody could call"
    if secure is None:
        return
    if secure == port and port != 0:
        yield ("tls", "port"), "it is the same as node.port; TLS needs a port of its own"
    for key in TLS_FILES:
        if tls.get(key) is None:
            yield ("tls", key), "it is missing; the listener on tls.port needs it"


def _bad_files(tls: Mapping[Any, Any], folder: Path) -> Iterator[Complaint]:
    for key in TLS_FILES:
        name = tls.get(key)
        if isinstance(name, str) and not _may_be_a_file(folder / name):
            yield ("tls", key), f"there is no file {folder / name}"
    if tls.get("port") is not None:
        return
    if (tls.get("certificate") is None) != (tls.get("key") is None):
        present, absent = TLS_FILES[:2] if tls.get("key") is None else TLS_FILES[1::-1]
        yield ("tls", absent), f"it is missing; tls.{present} is of no use without it"


def _may_be_a_file(path: Path) -> bool:
    """Say whether it is a file, or lies where only another user may look."""
    try:
        return path.is_file()
    except PermissionError:
        return True


def _bad_peer(peer: Mapping[Any, Any], tls: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    is_called = peer.get("port") is not None
    is_called_over_tls = is_called and peer.get("tls") is True
    if is_called and _is_pattern(peer.get("ae_title")):
        yield "ae_title", "a peer with a port needs its own AE title"
    if peer.get("commitment") is True and not is_called:
        yield "commitment", "storage commitment needs the peer's port"
    if is_called_over_tls and tls.get("authorities") is None:
        yield "tls", "it needs tls.authorities, to know the peer's certificate by"
    if peer.get("certificate") is not None and tls.get("port") is None and not is_called_over_tls:
        yield "certificate", "nobody can show one as long as tls.port is null"
    if peer.get("passcode") is not None and peer.get("user") is None:
        yield "passcode", "it needs a user that it belongs to"


def _twice(section: str, entries: list[tuple[int, Mapping[Any, Any]]]) -> Iterator[Complaint]:
    seen: set[str] = set()
    for number, entry in entries:
        name = entry.get("name")
        if isinstance(name, str) and name in seen:
            yield (section, number, "name"), f"the name {name!r} is used twice"
        seen.add(str(name))


def _bad_destinations(
    place: Place, send_to: object, ports: Mapping[str, object]
) -> Iterator[Complaint]:
    for number, name in enumerate(send_to if isinstance(send_to, list) else []):
        if str(name) not in ports:
            what = f"no peer is called {name!r}{nearest(str(name), ports)}"
            yield (*place, number), what
        elif ports[str(name)] is None:
            yield (*place, number), f"the peer {name!r} has no port, so nothing can be sent to it"


def _bad_study(place: Place, study: Mapping[Any, Any]) -> Iterator[Complaint]:
    """Find what is wrong with the series that a route wants of a study."""
    named = _mapping(study.get("series"))
    for name, when in named.items():
        for keyword, wish in _mapping(when).items():
            yield from _bad_condition((*place, "series", name, keyword), wish)
    complete = study.get("complete")
    if isinstance(complete, str) and complete:
        for key, what in _bad_names(complete, [str(name) for name in named]):
            yield (*place, *key), what
    if study.get("then") in ("proceed", "refuse") and study.get("force_after_seconds") is None:
        yield (*place, "then"), "it needs force_after_seconds"


def _bad_names(complete: str, named: Sequence[str]) -> Iterator[tuple[Place, str]]:
    try:
        wanted = names_in(parse(complete))
    except BadExpressionError as error:
        yield ("complete",), f"{error}; write it like t1 and (t2 or flair)"
        return
    for name in sorted(wanted - set(named)):
        yield ("complete",), f"no series is called {name!r}{nearest(name, named)}"
    for name in named:
        if name not in wanted:
            yield ("series", name), "it does not occur in complete"


def _bad_condition(place: Place, wish: object) -> Iterator[Complaint]:
    keyword = str(place[-1])
    if keyword not in keyword_dict:
        yield place, f"it is no keyword of DICOM's{nearest(keyword, keyword_dict)}"
    for one in wish if isinstance(wish, list) else [wish]:
        if isinstance(one, bool | date):
            yield place, "YAML reads this as true, false or a date; put it in quotes"
        elif one is None or isinstance(one, list | dict):
            yield place, "it must be text, a number, a comparison, or a list of these"
        elif isinstance(one, str) and one[:1] in {"<", ">"} and not _COMPARISON.fullmatch(one):
            yield place, f'{one!r} is no comparison; write it like "<=2.5"'
    if wish == []:
        yield place, "an empty list fits nothing"


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, dict) else {}


def _entries(values: Mapping[Any, Any], section: str) -> list[tuple[int, Mapping[Any, Any]]]:
    listed = values.get(section)
    return [(n, _mapping(one)) for n, one in enumerate(listed if isinstance(listed, list) else [])]


def _is_pattern(title: object) -> bool:
    return isinstance(title, str) and any(sign in title for sign in "*?")
