"""The small parts that pages are made of: numbers as people read them, tables, verdicts."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any


class Html(str):
    """Text that is HTML already and is not escaped again."""

    __slots__ = ()


WORDS = {
    True: ("pass", "held"),
    False: ("fail", "failed"),
    None: ("na", "not compared"),
    "pass": ("pass", "pass"),
    "fail": ("fail", "fail"),
    "needs a human": ("human", "needs a human"),
    "not applicable": ("na", "not applicable"),
}


def cell(value: Any) -> str:  # noqa: ANN401 - any JSON
    """Give a value as text: numbers with so many digits as mean something."""
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int):
        return str(value)
    size = abs(value)
    return f"{value:.1f}" if size >= 100 else f"{value:.3f}" if size >= 0.001 else f"{value:.3g}"


def figure(told: Mapping[str, Any]) -> Html:
    """Give a figure with its interval and its note, or why it is absent."""
    if "absent" in told:
        return absent(told)
    text = cell(told.get("value"))
    if told.get("low") is not None:
        text += f" ({cell(told['low'])} to {cell(told['high'])})"
    note = str(told.get("note", ""))
    title = f" title='{escape(note, quote=True)}'" if note else ""
    mark = "*" if note else ""
    return Html(f"<span{title}>{escape(text)}{mark}</span>")


def absent(told: Mapping[str, Any]) -> Html:
    """Say why something is not there."""
    return Html(
        f"<span class='absent'>absent: {escape(str(told.get('absent', 'not measured')))}</span>"
    )


def verdict(result: Any) -> Html:  # noqa: ANN401 - a result or a bool
    """Give a result in its colour."""
    kind, word = WORDS[result]
    return Html(f"<span class='{kind}'>{word}</span>")


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Html:
    """Give a table; what is no HTML is escaped."""
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join(f"<tr>{''.join(_data(one) for one in row)}</tr>" for row in rows)
    return Html(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def _data(value: str) -> str:
    is_html = isinstance(value, Html)
    is_number = value[:1].isdigit() or value[:1] == "-"
    kind = " class='n'" if is_number and len(value) < 24 else ""
    return f"<td{kind}>{value if is_html else escape(value)}</td>"
