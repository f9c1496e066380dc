"""Turns config.yaml into frozen, checked values; every complaint names its key and its line.

All complaints come at once, so that one look at the file can mend them all. What a key means is
said in config.yaml itself, which shows every key with its default.
"""

import difflib
import ipaddress
import os
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydicom.datadict import keyword_dict

PLACES = (Path("config.yaml"), Path("/etc/radnode/config.yaml"))
"""Where the configuration is looked for when none is named, in this order."""

_Place = tuple[str | int, ...]
_Complaint = tuple[_Place, str]

_LARGEST_PDU = 16 * 1024 * 1024
_DEEPEST = 6  # no key lies deeper; ends the walk through an alias that contains itself
_COMPARISON = re.compile(r"(<=|>=|<|>)\s*-?\d+(\.\d+)?")
_HOST_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")


class ConfigError(Exception):
    """The configuration cannot be used; the text has one line for every complaint."""


def _ae_title(text: str) -> str:
    """Check an AE title (PS3.5 6.2); leading and trailing spaces do not count."""
    title = text.strip(" ")
    if not title:
        raise ValueError("an AE title must not be blank")
    if len(title) > 16:
        raise ValueError(f"an AE title has at most 16 characters, this one {len(title)}")
    if "\\" in title or not (title.isascii() and title.isprintable()):
        raise ValueError("an AE title is plain ASCII without backslash or control characters")
    return title


def _host(text: str) -> str:
    """Check an IP address, or a host name (RFC 1123; underscores are met in practice)."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        labels = text.removesuffix(".").split(".")
    is_name = len(text) <= 253 and all(_HOST_LABEL.fullmatch(one) for one in labels)
    if not is_name or all(label.isdigit() for label in labels):
        raise ValueError("it must be an IP address or a host name")
    return text


def _frozen(conditions: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(wish) if isinstance(wish, list) else wish for k, wish in conditions.items()}


AeTitle = Annotated[str, AfterValidator(_ae_title)]
Host = Annotated[str, AfterValidator(_host)]
Name = Annotated[str, Field(min_length=1)]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
Count = Annotated[int, Field(strict=True, ge=1)]
Number = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
PositiveNumber = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Switch = Annotated[bool, Field(strict=True)]


class Section(BaseModel):
    """A part of the file: frozen, and without keys that nobody knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeSection(Section):
    """Who we are and where we keep things; port 0 takes any free one."""

    ae_title: AeTitle = "RADNODE"
    host: Host = "0.0.0.0"  # noqa: S104 - modalities call from elsewhere
    port: Annotated[int, Field(strict=True, ge=0, le=65535)] = 11112
    data_dir: Path = Path("var")
    maximum_associations: Count = 50
    maximum_pdu: Annotated[int, Field(strict=True, ge=4096, le=_LARGEST_PDU)] = 131072
    minimum_free_mb: Number = 500.0
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class DatabaseSection(Section):
    """Where facts are kept; the address may hold a password, so it is never shown."""

    url: str | None = Field(default=None, repr=False)


class PeerSection(Section):
    """Somebody the node talks to."""

    name: Name
    ae_title: AeTitle
    host: Host
    port: Port | None = None
    may: tuple[Literal["store", "query"], ...] = ()
    commitment: Switch = False


class ModelsSection(Section):
    """The shelf, and how its models are run."""

    dir: Path = Path("models/bundles")
    timeout_seconds: PositiveNumber = 600.0
    attempts: Count = 3
    threads: Annotated[int, Field(strict=True, ge=0)] = 0


class RouteSection(Section):
    """Which series go to which model, and where its results go."""

    name: Name
    when: Annotated[dict[str, Any], AfterValidator(_frozen)]
    model: Name
    send_to: tuple[str, ...] = ()


class SettlingSection(Section):
    """When a series counts as complete."""

    quiet_seconds: Number = 5.0
    open_association_quiet_seconds: Number = 60.0
    aborted_association_quiet_seconds: Number = 60.0


class DeliverySection(Section):
    """How stubbornly results are sent."""

    retry_first_seconds: PositiveNumber = 5.0
    retry_longest_seconds: PositiveNumber = 300.0
    give_up_hours: PositiveNumber = 72.0


class RetentionSection(Section):
    """For how long bytes are kept after everything is final."""

    instances_hours: Number = 24.0
    results_hours: Number = 168.0


class Config(Section):
    """The whole configuration; without peers and routes nobody may call and nothing is done."""

    node: NodeSection = NodeSection()
    database: DatabaseSection = DatabaseSection()
    peers: tuple[PeerSection, ...] = ()
    models: ModelsSection = ModelsSection()
    routes: tuple[RouteSection, ...] = ()
    settling: SettlingSection = SettlingSection()
    delivery: DeliverySection = DeliverySection()
    retention: RetentionSection = RetentionSection()


def find(explicit: Path | None) -> Path:
    """Give the file to load: the one named, or the first there is of `PLACES`.

    Raises:
        ConfigError: there is none.
    """
    for path in [explicit] if explicit is not None else PLACES:
        if path.is_file():
            return path
    looked = explicit if explicit is not None else " and ".join(map(str, PLACES))
    raise ConfigError(f"there is no configuration: looked for {looked}; name one with --config")


def load(path: Path) -> Config:
    """Load a configuration.

    `node.data_dir` and `models.dir` come out absolute, relative ones taken from the file's folder;
    a `database.url` of `env:NAME` comes out as what that environment variable holds.

    Raises:
        ConfigError: with every complaint, one a line: `file:line: key: what is wrong`.
    """
    root, values, complaints = _read(path)
    config = Config()
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        complaints += [(one["loc"], _words(one)) for one in error.errors(include_url=False)]
    complaints += _contradictions(values)
    url, missing = _address(values)
    complaints += missing
    if complaints:
        lines = sorted({(_line(root, place), _said(place, what)) for place, what in complaints})
        raise ConfigError("\n".join(f"{path}:{line}: {said}" for line, said in lines))
    return _settled(config, path.resolve().parent, url)


def _read(path: Path) -> tuple[yaml.Node | None, object, list[_Complaint]]:
    """Give the file as nodes, which know their lines, and as values; and what stands there twice.

    Raises:
        ConfigError: there is nothing to check: no file, no text, no YAML.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        repeated = list(_repeated_keys(root, ()))  # before merge keys (<<) are resolved
        values = {} if root is None else yaml.SafeLoader("").construct_document(root)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        what = getattr(error, "problem", None) or "a character that YAML does not allow"
        raise ConfigError(f"{path}{line}: it is not YAML: {what}") from error
    except ValueError as error:  # also of bytes that are no UTF-8
        raise ConfigError(f"{path}: it cannot be understood: {error}") from error
    return root, values, repeated


def _settled(config: Config, folder: Path, url: str | None) -> Config:
    """Make folders absolute, and put the database's address where its name stood."""
    return config.model_copy(
        update={
            "node": config.node.model_copy(update={"data_dir": folder / config.node.data_dir}),
            "models": config.models.model_copy(update={"dir": folder / config.models.dir}),
            "database": DatabaseSection(url=url),
        }
    )


def _address(values: object) -> tuple[str | None, list[_Complaint]]:
    """Give the address of the database, taken from the environment if it is kept there."""
    url = _mapping(_mapping(values).get("database")).get("url")
    if not isinstance(url, str) or not url.startswith("env:"):
        return url, []
    name = url.removeprefix("env:")
    found = os.environ.get(name, "")  # noqa: TID251 - this is the door for settings
    if not found:
        return None, [(("database", "url"), f"the environment variable {name} is not set")]
    return found, []


def _contradictions(values: object) -> Iterator[_Complaint]:
    """Find what a schema cannot say; in the raw values, so that it is said beside the rest."""
    everything = _mapping(values)
    peers, routes = _entries(everything, "peers"), _entries(everything, "routes")
    if _is_pattern(_mapping(everything.get("node")).get("ae_title")):
        yield ("node", "ae_title"), "our own AE title must not be a pattern"
    yield from _twice("peers", peers)
    yield from _twice("routes", routes)
    for number, peer in peers:
        if peer.get("port") is not None and _is_pattern(peer.get("ae_title")):
            yield ("peers", number, "ae_title"), "a peer with a port needs its own AE title"
        if peer.get("commitment") is True and peer.get("port") is None:
            yield ("peers", number, "commitment"), "storage commitment needs the peer's port"
    ports = {str(peer.get("name")): peer.get("port") for _, peer in peers}
    for number, route in routes:
        yield from _bad_destinations(("routes", number, "send_to"), route.get("send_to"), ports)
        for keyword, wish in _mapping(route.get("when")).items():
            yield from _bad_condition(("routes", number, "when", keyword), wish)
    delivery = _mapping(everything.get("delivery"))
    first, longest = delivery.get("retry_first_seconds"), delivery.get("retry_longest_seconds")
    if isinstance(first, int | float) and isinstance(longest, int | float) and longest < first:
        yield ("delivery", "retry_longest_seconds"), "it is shorter than retry_first_seconds"


def _twice(section: str, entries: list[tuple[int, Mapping[Any, Any]]]) -> Iterator[_Complaint]:
    seen: set[str] = set()
    for number, entry in entries:
        name = entry.get("name")
        if isinstance(name, str) and name in seen:
            yield (section, number, "name"), f"the name {name!r} is used twice"
        seen.add(str(name))


def _bad_destinations(
    place: _Place, send_to: object, ports: Mapping[str, object]
) -> Iterator[_Complaint]:
    for number, name in enumerate(send_to if isinstance(send_to, list) else []):
        if str(name) not in ports:
            what = f"no peer is called {name!r}{_nearest(str(name), ports)}"
            yield (*place, number), what
        elif ports[str(name)] is None:
            yield (*place, number), f"the peer {name!r} has no port, so nothing can be sent to it"


def _bad_condition(place: _Place, wish: object) -> Iterator[_Complaint]:
    keyword = str(place[-1])
    if keyword not in keyword_dict:
        yield place, f"it is no keyword of DICOM's{_nearest(keyword, keyword_dict)}"
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


_WORDS = {
    "missing": "it is missing",
    "string_type": "it must be text (a number needs quotes)",
    "path_type": "it must be the name of a folder",
    "string_too_short": "it must not be empty",
    "int_type": "it must be a whole number",
    "float_type": "it must be a number",
    "finite_number": "it must be a finite number",
    "bool_type": "it must be true or false",
    "tuple_type": "it must be a list",
    "model_type": "it must hold keys",
    "dict_type": "it must hold keys",
    "greater_than": "it must be more than {gt:.10g}",
    "greater_than_equal": "it must be at least {ge:.10g}",
    "less_than_equal": "it must be at most {le:.10g}",
    "literal_error": "it must be {expected}",
    "value_error": "{error}",
}


def _words(error: Mapping[str, Any]) -> str:
    """Say a complaint of pydantic's in plain words; values are not repeated, they may be secret."""
    if error["type"] == "extra_forbidden":
        known = _known_keys(error["loc"][:-1])
        near = _nearest(str(error["loc"][-1]), known)
        return f"it is not a key{near or '; known here: ' + ', '.join(known)}"
    words = _WORDS.get(error["type"])
    return words.format(**error.get("ctx", {})) if words else str(error["msg"])


def _known_keys(place: _Place) -> list[str]:
    section: type[BaseModel] = Config
    for part in place:
        if isinstance(part, str):
            annotation = section.model_fields[part].annotation
            inner = (get_args(annotation) or (annotation,))[0]
            assert isinstance(inner, type)  # noqa: S101 - only sections forbid keys
            section = inner
    return list(section.model_fields)


def _nearest(word: str, known: Collection[str]) -> str:
    folded = {one.casefold(): one for one in known}
    close = difflib.get_close_matches(word.casefold(), folded, n=1)
    return f"; did you mean {folded[close[0]]}?" if close else ""


def _repeated_keys(node: yaml.Node | None, place: _Place) -> Iterator[_Complaint]:
    """Find keys that stand twice: YAML would quietly take the last."""
    if len(place) > _DEEPEST:
        return
    if isinstance(node, yaml.SequenceNode):
        for number, one in enumerate(node.value):
            yield from _repeated_keys(one, (*place, number))
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                yield (*place, name), "it stands there twice; remove one"
            seen.add(name)
            yield from _repeated_keys(value, (*place, name))


def _said(place: _Place, what: str) -> str:
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    subject = key.removeprefix(".") or "the file"
    return f"{subject} {what[3:]}" if what.startswith("it ") else f"{subject}: {what}"


def _line(node: yaml.Node | None, place: _Place) -> int:
    """Find the line of a key, or of the part of the file that it is missing from."""
    line = node.start_mark.line + 1 if node is not None else 1
    for part in place:
        found = None
        if isinstance(node, yaml.MappingNode):  # the last of two, as YAML has it
            found = next((kv for kv in reversed(node.value) if kv[0].value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            found = (node.value[part], node.value[part])
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line
