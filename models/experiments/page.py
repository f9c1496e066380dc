"""Writes docs/experiments.md from the results; no figure in it is typed by hand."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.experiments import EXPERIMENTS
from models.experiments.comparing import student
from models.experiments.results import kept

HEAD = """# Claims measured again

Six claims of a document about medical networks, each measured by one command. This page is
written from the files in `{folder}/`, which the commands write; `python -m models experiment page`
writes it anew. With `--quick` a command only shows that it works, and writes to
`var/experiments/quick`.

How to read it: arms are compared within a seed, on the same cases. The verdict goes by Student's
interval (95 %) over the differences of the seeds; the second interval is a bootstrap over seeds and
cases. "Not shown" means that the interval holds no effect at all, "contradicted" that the effect
goes the other way.
"""


def write(folder: Path) -> Path:
    """Write the page beside a folder of results, and give the file."""
    file = folder.with_suffix(".md")
    file.write_text(page(kept(folder, list(EXPERIMENTS)), folder.name, _picture(folder)))
    return file


def page(results: Sequence[Mapping[str, Any]], folder: str, picture: str = "") -> str:
    """Give the page of some results, as Markdown."""
    lines = [HEAD.format(folder=folder)]
    lines += ["| claim | document | measured [95 %] | verdict |", "|---|---|---|---|"]
    for one in results:
        first = one["comparisons"][0]
        anchor = f"[{one['title']}](#{one['experiment']})"
        lines.append(f"| {anchor} | {one['claimed']} | {_sure(first)} | {first['verdict']} |")
    if picture:
        lines += ["", picture]
    for one in results:
        lines += ["", *_section(one)]
    return "\n".join(lines) + "\n"


def _section(one: Mapping[str, Any]) -> Iterator[str]:
    yield f'<a id="{one["experiment"]}"></a>\n'
    yield f"## {one['title']}\n"
    machine = one["machine"]
    yield (
        f"`{one['command']}` · seeds: {one['seeds']} · {_duration(one['seconds'])} on a shared "
        f"machine, threads: {machine['threads']}, processor: {machine['processor']}"
        + (" · **a quick run: its figures mean nothing**" if one["quick"] else "")
    )
    yield f"\nClaimed: **{one['claimed']}**. Verdict: **{one['verdict']}**.\n"
    yield "| compared | measured | Student 95 % | bootstrap 95 % | claimed | verdict |"
    yield "|---|---|---|---|---|---|"
    for two in one["comparisons"]:
        yield _comparison(two)
    for some in one["tables"]:
        yield ""
        yield from _table(some)
    yield ""
    yield from (f"- {sentence}" for sentence in one["setup"])
    yield "\nWhat this does not show:\n"
    yield from (f"- {sentence}" for sentence in one["limits"])


def _comparison(two: Mapping[str, Any]) -> str:
    claimed = _claimed(two["claim"])
    student_ = (
        f"{_short(two['low'])} to {_short(two['high'])}" if two["low"] is not None else "none"
    )
    drawn = f"{_short(two['drawn_low'])} to {_short(two['drawn_high'])}"
    cells = (two["what"], _short(two["value"]), student_, drawn, claimed, two["verdict"])
    return f"| {' | '.join(cells)} |"


def _claimed(claim: Mapping[str, Any] | None) -> str:
    if claim is None:
        return ""
    if claim["kind"] == "direction":
        return "more" if claim["value"] > claim["null"] else "less"
    most = "at most " if claim["kind"] == "at most" else ""
    return f"{most}{_short(claim['value'])} {claim['unit']}".strip()


def _table(some: Mapping[str, Any]) -> Iterator[str]:
    unit = f" ({some['unit']})" if some["unit"] else ""
    yield f"| {some['what']}{unit} | mean | Student 95 % | each seed |"
    yield "|---|---|---|---|"
    for name, values in some["arms"].items():
        low, high = student(values)
        sure = "none" if low is None else f"{_short(low)} to {_short(high)}"
        each = ", ".join(_short(v) for v in values)
        yield f"| {name} | {_short(float(np.mean(values)))} | {sure} | {each} |"


def _sure(one: Mapping[str, Any]) -> str:
    unit = one["claim"]["unit"] if one["claim"] else ""
    if one["low"] is None:
        return f"{_short(one['value'])} {unit}".strip()
    return f"{_short(one['value'])} {unit} [{_short(one['low'])}, {_short(one['high'])}]"


def _short(value: float | None) -> str:
    """Write a figure with three digits that count, and no more than three behind the point."""
    if value is None:
        return ""
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:.{digits}f}"


def _duration(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _picture(folder: Path) -> str:
    file = folder / "lesions.png"
    if not file.is_file():
        return ""
    return f"![Planted lesions on slices of the real CT]({folder.name}/{file.name})\n\n{CAPTION}"


CAPTION = """Planted lesions on slices of the real CT (LIDC-IDRI-0001, CC BY 3.0): each pair is the
slice as the network sees it, and the same with the outline of what was planted. Drawn by
`python -m models experiment picture`."""
