"""Takes from environment variables what is kept there: passwords, and addresses that hold one."""

import os
from typing import Any

from node.config.reading import Complaint, Place

KEPT_THERE = (("database", "url"), ("tls", "key_password"), ("peers", "passcode"))
"""The keys, each with its section, that may name a variable instead: `env:NAME`."""
_MARK = "env:"


def resolved(values: object) -> tuple[object, list[Complaint]]:
    """Give the values of the file with what the variables hold, and which are not set."""
    if not isinstance(values, dict):
        return values, []
    complaints: list[Complaint] = []
    everything = dict(values)
    for section, key in KEPT_THERE:
        held = everything.get(section)
        if isinstance(held, list):
            everything[section] = [
                _looked_up(one, key, (section, number), complaints)
                for number, one in enumerate(held)
            ]
        elif section in everything:
            everything[section] = _looked_up(held, key, (section,), complaints)
    return everything, complaints


def _looked_up(entry: Any, key: str, place: Place, complaints: list[Complaint]) -> Any:  # noqa: ANN401 - YAML may hold anything
    """Give a copy of an entry in which the name of a variable is replaced by what it holds."""
    text = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(text, str) or not text.startswith(_MARK):
        return entry
    name = text.removeprefix(_MARK)
    found = os.environ.get(name, "")  # noqa: TID251 - this is the door for settings
    if not found:
        complaints.append(((*place, key), f"the environment variable {name} is not set"))
    return {**entry, key: found or None}
