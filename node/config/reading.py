"""Reads the file as YAML, and remembers on which line each key stands."""

from collections.abc import Iterator
from pathlib import Path

import yaml

Place = tuple[str | int, ...]
"""Where a key is: names of keys, and numbers in lists."""
Complaint = tuple[Place, str]
"""Where, and what is wrong; words that begin with "it" have the key for their subject."""

_DEEPEST = 6  # no key lies deeper; ends the walk through an alias that contains itself


class ConfigError(Exception):
    """The configuration cannot be used; the text has one line for every complaint."""


def read(path: Path) -> tuple[yaml.Node | None, object, list[Complaint]]:
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


def _repeated_keys(node: yaml.Node | None, place: Place) -> Iterator[Complaint]:
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


def line_of(node: yaml.Node | None, place: Place) -> int:
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
