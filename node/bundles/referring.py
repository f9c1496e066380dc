"""Puts plain values where a bundle's configuration refers to them; nothing in it is evaluated.

MONAI's configurations refer to other keys of the same file (`@image_key`, `@options#overlap`), copy
them (`%image_key`), and write Python behind a `$`. What is understood here is only what can be read
off: a reference, a literal, one of two literals by a switch, MONAI's names for image and outcome.
Everything else stays as it is written, and whoever reads it finds that it is not plain.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any

NAME = r"[A-Za-z_]\w*(?:(?:#|::)\w+)*"
REFERENCE = re.compile(rf"\$?\s*@({NAME})\s*")
COPY = re.compile(rf"%({NAME})")
INSIDE = re.compile(rf"@({NAME})")
CONSTANTS = {"monai.utils.CommonKeys.IMAGE": "image", "monai.utils.CommonKeys.PRED": "pred"}
SECTIONS = ("preprocessing", "inferer", "postprocessing", "network_def")
MOST_VALUES, DEEPEST = 20_000, 40
"""Beyond these nothing more is put in place: few lines can refer to each other very often."""


def resolved(config: Mapping[str, object]) -> dict[str, object]:
    """Give the sections that say what happens before, in and after the network.

    Components that are referred to as a value (`"transform": "@preprocessing"`) stay references,
    and steps that are switched off (`_disabled_`) are left out, as MONAI does.
    """
    references = _References(config)
    return {key: references.section(key) for key in SECTIONS if key in config}


class _References:
    """The keys of one configuration."""

    def __init__(self, config: Mapping[str, object]) -> None:
        self._config = config
        self._left = MOST_VALUES

    def section(self, key: str) -> object:
        found = self._followed(self._config[key])
        if not _is_component(found):
            return found
        section = dict(found) if isinstance(found, Mapping) else {}
        steps = section.get("transforms")
        if isinstance(steps, Sequence) and not isinstance(steps, str):
            section["transforms"] = [one for one in map(self._followed, steps) if _is_on(one)]
        return section

    def _followed(self, value: object) -> object:
        """Put in place what is referred to, a component too."""
        for _ in range(DEEPEST):
            reference = REFERENCE.fullmatch(value) if isinstance(value, str) else None
            found = self._find(reference.group(1)) if reference else None
            if found is None:
                break
            value = found
        return self._plain(value, ())

    def _plain(self, value: Any, trail: tuple[str, ...]) -> object:  # noqa: ANN401 - any JSON
        """Put in place what a value refers to; `trail` are the keys on the way to it."""
        self._left -= 1
        if self._left < 0 or len(trail) > DEEPEST:
            return value
        if isinstance(value, str):
            return self._of_text(value, trail)
        deeper = (*trail, "")
        if isinstance(value, Mapping):
            plain = {key: self._plain(one, deeper) for key, one in value.items()}
            return _tidy(plain) if "_target_" in plain else plain
        if isinstance(value, list):
            return [one for one in (self._plain(one, deeper) for one in value) if _is_on(one)]
        return value

    def _of_text(self, text: str, trail: tuple[str, ...]) -> object:
        reference, copied = REFERENCE.fullmatch(text), COPY.fullmatch(text)
        match = reference or copied
        if match is not None:
            key = match.group(1).replace("::", "#")
            found = self._find(key)
            if found is None or key in trail:
                return text
            if reference and _is_component(found):
                return f"@{key}"
            return self._plain(found, (*trail, key))
        return self._of_expression(text, trail) if text.startswith("$") else text

    def _of_expression(self, text: str, trail: tuple[str, ...]) -> object:
        """Read a literal, or one of two by a switch; anything else stays the text that it is."""
        names: dict[str, str] = {}

        def named(match: re.Match[str]) -> str:
            name = f"_reference_{len(names)}"
            names[name] = f"@{match.group(1)}"
            return name

        body = text[1:].strip()
        if body in CONSTANTS:
            return CONSTANTS[body]
        try:
            node = ast.parse(INSIDE.sub(named, body), mode="eval").body
            if isinstance(node, ast.IfExp) and isinstance(node.test, ast.Name):
                switch = self._plain(names.get(node.test.id, ""), trail)
                if not isinstance(switch, bool):
                    return text
                node = node.body if switch else node.orelse
            if isinstance(node, ast.Name) and node.id in names:
                return self._plain(names[node.id], trail)
            found = ast.literal_eval(node)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return text
        return _as_json(found, text)

    def _find(self, key: str) -> object:
        found: object = self._config
        for part in re.split("#|::", key):
            if isinstance(found, Mapping):
                found = found.get(part)
            elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
                found = found[int(part)]
            else:
                return None
        return found


def _is_component(value: object) -> bool:
    return isinstance(value, Mapping) and "_target_" in value


def _is_on(value: object) -> bool:
    """Say whether MONAI makes this: everything but a component that is switched off."""
    return not (isinstance(value, Mapping) and _is_component(value) and _is_off(value))


def _is_off(component: Mapping[str, object]) -> bool:
    said = component.get("_disabled_", False)
    return said is True or (isinstance(said, str) and said.strip().lower() == "true")


def _tidy(component: dict[str, object]) -> dict[str, object]:
    """Leave out what MONAI's configurations say about a component that changes nothing."""
    if component.get("_disabled_") is False:
        component.pop("_disabled_")
    component.pop("_desc_", None)
    return component


def _as_json(found: object, text: str) -> object:
    """Give a literal as a configuration in JSON would have it, else the text that it stood in."""
    if found is None or isinstance(found, (bool, int, float, str)):
        return found
    if isinstance(found, (list, tuple)):
        parts = [_as_json(one, text) for one in found]
        return text if any(one is text for one in parts) else parts
    return text
