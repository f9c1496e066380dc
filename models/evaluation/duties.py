"""What a duty is, what it is looked up in, and the four ways that can end."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from node.bundles.manifest import Bundle
from node.config import Config

PASS, FAIL, NOT_APPLICABLE, HUMAN = "pass", "fail", "not applicable", "needs a human"


@dataclass(frozen=True, slots=True)
class Audit:
    """An audit trail: whether its chain is whole, its rows, its last hash, and all its texts."""

    ok: bool
    rows: int
    head_hash: str
    why: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that duties are looked up in.

    `recorded` is the digest on the bundle's shelf ("" for none), `report` the three other
    dimensions, `identifiers` names and numbers of patients that must stand nowhere.
    """

    bundle: Bundle
    metadata: Mapping[str, Any]
    card: str
    licence: str
    recorded: str
    report: Mapping[str, Any]
    config: Config | None
    audit: Audit | None
    identifiers: tuple[str, ...]


Outcome: TypeAlias = tuple[str, str]
"""One of the four results, and the evidence in words."""


@dataclass(frozen=True, slots=True)
class Duty:
    """One duty: our short name, where it comes from, what it says, and how to look it up."""

    name: str
    under: tuple[str, ...]
    text: str
    look: Callable[[Facts], Outcome]


def asks(why: str) -> Callable[[Facts], Outcome]:
    """Give a look-up that nobody but a person can do."""

    def look(facts: Facts) -> Outcome:  # noqa: ARG001
        return HUMAN, why

    return look


def said_in_card(pattern: str, what: str) -> Callable[[Facts], Outcome]:
    """Give a look-up that wants the model card to speak of something; the evidence is the line."""

    def look(facts: Facts) -> Outcome:
        for line in facts.card.splitlines():
            if re.search(pattern, line, re.IGNORECASE):
                return PASS, f"docs/README.md: {line.strip()[:160]}"
        return FAIL, f"docs/README.md says nothing of {what}"

    return look
