"""Reads expressions of names: `t1 and (flair or t2)`."""

import re
from collections.abc import Sequence
from typing import TypeAlias

_TOKEN = re.compile(r"\s*(?:([()])|'([^']*)'|\"([^\"]*)\"|([^\s()'\"]+))")
DEEPEST = 20
"""So many brackets may stand inside each other."""

Expression: TypeAlias = tuple[str, "tuple[Expression, ...] | str"]
"""("name", name), ("and", parts) or ("or", parts)."""


class BadExpressionError(ValueError):
    """It is no expression of names, `and`, `or` and brackets; says why."""


def parse(text: str) -> Expression:
    """Read an expression; `and` binds stronger than `or`, names may stand in quotes.

    Raises:
        BadExpressionError: it is none.
    """
    tokens = _tokens(text)
    found, rest = _either(tokens, 0)
    if rest:
        raise BadExpressionError(f"{rest[0]!r} was not expected after {_written(tokens, rest)!r}")
    return found


def names_in(expression: Expression) -> set[str]:
    """Give every name in an expression."""
    _, what = expression
    return {what} if isinstance(what, str) else {n for part in what for n in names_in(part)}


def _tokens(text: str) -> list[str]:
    """Cut into brackets and words; a word that stood in quotes begins with a quote."""
    found: list[str] = []
    position = 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            raise BadExpressionError("a quote is not closed")
        bracket, single, double, word = match.groups()
        quoted = single if single is not None else double
        found.append(bracket or word or f"'{quoted}")
        position = match.end()
    if not found:
        raise BadExpressionError("it is empty")
    return found


def _either(tokens: Sequence[str], depth: int) -> tuple[Expression, Sequence[str]]:
    return _chain(tokens, depth, "or")


def _chain(tokens: Sequence[str], depth: int, word: str) -> tuple[Expression, Sequence[str]]:
    """Read parts that `word` joins."""
    inner = _one if word == "and" else lambda rest, deep: _chain(rest, deep, "and")
    part, rest = inner(tokens, depth)
    parts = [part]
    while rest and rest[0].casefold() == word:
        part, rest = inner(rest[1:], depth)
        parts.append(part)
    return (parts[0] if len(parts) == 1 else (word, tuple(parts))), rest


def _one(tokens: Sequence[str], depth: int) -> tuple[Expression, Sequence[str]]:
    """Read a name, or what stands in brackets."""
    if not tokens:
        raise BadExpressionError("a name is missing at the end")
    first, rest = tokens[0], tokens[1:]
    if first == "(":
        if depth == DEEPEST:
            raise BadExpressionError("too many brackets")
        found, rest = _either(rest, depth + 1)
        if not rest or rest[0] != ")":
            raise BadExpressionError("a bracket is not closed")
        return found, rest[1:]
    if first == ")" or first.casefold() in ("and", "or"):
        raise BadExpressionError(f"a name is missing before {first!r}")
    return ("name", first.removeprefix("'")), rest


def _written(tokens: Sequence[str], rest: Sequence[str]) -> str:
    return " ".join(one.removeprefix("'") for one in tokens[: len(tokens) - len(rest)])
